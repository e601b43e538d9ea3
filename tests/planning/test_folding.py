"""Zero points move into biases where three conditions permit, and nowhere else."""

import numpy as np
import pytest
from graphs import SAME, VALID, Net, f32, grids, inputs_for, overridden, scheme

from tflite_requant.interpreter import Interpreter
from tflite_requant.planning import plan
from tflite_requant.requantize import Options, requantize
from tflite_requant.testing import TensorSpec


def pair(second=None, first=None, between=None, taps=1, scale=6 / 255, zero=0, fused="RELU6"):
    """conv -> h -> conv, with something between them; the names are what the tests ask for."""
    net = Net()
    x, h, y = net.act("x"), net.act("h", scale, zero), net.act("y", 0.3, 100)
    net.conv(x, h, fused, options=first)
    last = h
    if between:
        last = net.act("p", scale, zero)
        net.operator(between[0], (h,), (last,), between[1])
    net.conv(last, y, taps=taps, options=second)
    return net.build((x,), (y,))


def judged(opcode, between=None):
    """conv -> h, saturating on both sides -> something that sees only differences, perhaps."""
    net = Net()
    x, h = net.act("x"), net.act("h", 0.1, 90)
    net.conv(x, h)
    last = h
    if between:
        last = net.act("p", 0.1, 90)
        net.operator(between, (h,), (last,), {"new_shape": (1, 4, 4, 2)})
    if opcode.startswith("ARG"):
        y = net.tensor(TensorSpec("int32", (1, 4, 4), name="y"))
        axis = net.tensor(TensorSpec("int32", data=np.array(3, np.int32)))
        net.operator(opcode, (last, axis), (y,), {"output_type": "INT32"})
    else:
        y = net.act("y", *((1 / 16, 255) if opcode == "LOG_SOFTMAX" else (1 / 256, 0)))
        net.operator(opcode, (last,), (y,), {"beta": 1.0} if opcode == "SOFTMAX" else {})
    return net.build((x,), (y,))


def offsets(model, name="symmetric", **options):
    found = plan(model.main, scheme(name), **options)
    assert not [f for f in found.findings if f.severity == "error"]
    return {model.main.tensors[t].name: o for t, o in found.offsets.items()}


POOL = {"padding": "VALID", "stride_w": 1, "stride_h": 1, "filter_width": 1, "filter_height": 1}
WIDE = {"padding": "SAME", "stride_w": 1, "stride_h": 1, "dilation_w_factor": 3}


class TestWhere:
    @pytest.mark.parametrize(
        ("model", "folded"),
        [
            pytest.param(pair(), {"h"}, id="unpadded consumer"),
            pytest.param(pair(second=SAME), {"h"}, id="SAME with one tap reads no padding"),
            pytest.param(pair(second=SAME, taps=3), set(), id="F2: padded consumer"),
            pytest.param(pair(second=VALID, taps=3), {"h"}, id="three taps, VALID"),
            pytest.param(pair(second=WIDE, taps=2), set(), id="F2: padded by dilation"),
            pytest.param(pair(first=SAME), {"h"}, id="a padded producer does not matter"),
            pytest.param(pair(between=("AVERAGE_POOL_2D", POOL)), {"h", "p"}, id="through a pool"),
            pytest.param(pair(between=("MAX_POOL_2D", POOL)), {"h", "p"}, id="through a maximum"),
            pytest.param(
                pair(between=("RESHAPE", {"new_shape": (1, 4, 4, 2)})),
                {"h", "p"},
                id="through a reshape",
            ),
            pytest.param(pair(between=("TRANSPOSE", {})), {"h", "p"}, id="through a transpose"),
            pytest.param(pair(between=("LOGISTIC", {}), scale=1 / 256), set(), id="F2: a curve"),
            pytest.param(judged("SOFTMAX"), {"h"}, id="SOFTMAX sees differences"),
            pytest.param(judged("SOFTMAX", "RESHAPE"), {"h", "p"}, id="SOFTMAX behind a reshape"),
            pytest.param(judged("LOG_SOFTMAX"), {"h"}, id="LOG_SOFTMAX sees differences"),
            pytest.param(judged("ARG_MAX"), {"h"}, id="ARG_MAX sees differences"),
            pytest.param(judged("TANH"), set(), id="F2: TANH sees values"),
            pytest.param(pair(scale=8 / 255), set(), id="F1: the clamp is not the saturation"),
            pytest.param(pair(scale=8 / 255, fused="NONE"), {"h"}, id="F1: saturation alone"),
            pytest.param(pair(scale=5 / 255), {"h"}, id="F1: saturation within the clamp"),
            pytest.param(pair(zero=128, scale=0.02, fused="NONE"), set(), id="nothing to fold"),
        ],
    )
    def test_conditions(self, model, folded):
        assert set(offsets(model)) == folded

    def test_the_size_of_the_offset(self):
        assert offsets(pair()) == {"h": pytest.approx(-128 * np.float64(np.float32(6 / 255)))}

    def test_never_for_an_operand_of_add(self):
        net = Net()
        x, h, g, y = (
            net.act(n, s, z)
            for n, s, z in (("x", 0.1, 90), ("h", 6 / 255, 0), ("g", 0.3, 7), ("y", 0.2, 60))
        )
        net.conv(x, h)
        net.conv(h, g)
        net.operator("ADD", (h, g), (y,))
        assert offsets(net.build((x,), (y,))) == {}

    def test_never_for_what_leaves_the_graph(self):
        net = Net()
        x, h, y = net.act("x"), net.act("h", 6 / 255, 0), net.act("y", 0.3, 100)
        net.conv(x, h)
        net.conv(h, y)
        assert offsets(net.build((x,), (y, h))) == {}
        assert offsets(net.build((x, h), (y,))) == {}

    def test_never_for_a_signature_output(self):
        from dataclasses import replace

        from tflite_requant.model import Signature

        signature = Signature("s", 0, (("a", 0),), (("hidden", 1), ("out", 2)))
        model = replace(pair(), signatures=(signature,))
        result = requantize(model, "symmetric").model
        assert grids(result)["h"] == ("int8", f32(6 / 127), 0)

    def test_never_for_a_variable(self):
        net = Net()
        x, y = net.act("x"), net.act("y", 0.3, 100)
        h = net.tensor(TensorSpec("uint8", (1, 4, 4, 2), 6 / 255, 0, name="h", is_variable=True))
        net.specs[h] = net.specs[x][0], 6 / 255
        net.conv(x, h)
        net.conv(h, y)
        assert offsets(net.build((x,), (y,))) == {}

    def test_never_beside_an_operator_under_another_law(self):
        asked = overridden("symmetric", 'tensor = "y"\nactivations.zero_point = "any"\n')
        assert plan(pair().main, asked).offsets == {}

    @pytest.mark.parametrize("name", ["int8", "int8-per-tensor", "uint8", "int16x8"])
    def test_only_where_the_law_wants_a_zero_point(self, name):
        assert offsets(pair(), name) == {}

    def test_strict_meaning(self):
        assert offsets(pair(), fold=False) == {}
        result = requantize(pair(), "symmetric", options=Options(strict_meaning=True)).model
        assert grids(result)["h"][1] == pytest.approx(6 / 127)

    def test_the_fused_activation_goes(self):
        result = requantize(pair(), "symmetric").model
        assert result.main.operators[0].option("fused_activation_function") == "NONE"


MODELS = {
    "two convolutions": pair(),
    "three taps": pair(taps=3),
    "a maximum between": pair(between=("MAX_POOL_2D", POOL)),
    "a reshape between": pair(between=("RESHAPE", {"new_shape": (1, 4, 4, 2)})),
    "an odd zero point": pair(zero=37, fused="NONE"),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_folded_tensor_holds_the_sources_integers(model):
    """The producer's bias rounds the shift to half an accumulator step; nothing else happens."""
    result = requantize(model, "symmetric", options=Options(correction=("exact-grid",)))
    exact = requantize(model, "int8", options=Options(correction=("exact-grid",)))
    producer, consumer = result.model.main.operators[0], result.model.main.operators[-1]
    h_old, h_new = (m.main.tensors[1] for m in (exact.model, result.model))
    assert h_old.name == h_new.name == "h"
    assert h_new.qparams.scales == h_old.qparams.scales
    shift = h_new.qparams.zero_point - h_old.qparams.zero_point
    assert shift != 0 and h_new.qparams.zero_point == 0

    # Biases: the real shift, within half a step of each.
    offset = -h_old.qparams.zero_point * h_old.qparams.scale
    x = result.model.main.tensors[producer.inputs[0]]
    x_old = exact.model.main.tensors[producer.inputs[0]]
    assert x.qparams.scales == x_old.qparams.scales
    for op, sign in ((producer, -1.0), (consumer, 1.0)):
        tensors = result.model.main.tensors
        weights, bias = (tensors[i].qarray() for i in op.inputs[1:3])
        source = model.main.tensors
        old_bias = source[op.inputs[2]].qarray()
        rows = weights.real().reshape(weights.shape[0], -1)
        old_rows = source[op.inputs[1]].qarray().real().reshape(rows.shape)
        if not (rows == old_rows).all():
            continue
        moved = sign * offset * (np.ones(len(rows)) if sign < 0 else rows.sum(axis=1))
        ideal = old_bias.real() + moved
        half = np.array(bias.qparams.scales) / 2 * (1 + 1e-6)
        assert (np.abs(bias.real() - ideal) <= half + 1e-9 * np.abs(ideal)).all()


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_its_integers_move_by_no_more_than_a_rounding(model):
    """Only where half an accumulator step tips a rounding, and then by one."""
    settings = Options(correction=("exact-grid",))
    folded, plain = (requantize(model, s, options=settings).model for s in ("symmetric", "int8"))
    feeds = inputs_for(plain)
    a = Interpreter(plain).run(feeds, keep=["h"])["h"].astype(int)
    b = Interpreter(folded).run(feeds, keep=["h"])["h"].astype(int)
    assert abs(b - a).max() <= 1
    assert len(np.unique(a)) > 8
