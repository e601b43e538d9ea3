"""Grids of schemes that ask for more than one type, one zero point or a kind of ratio."""

import numpy as np
import pytest
from graphs import Net

from tflite_requant.check import check
from tflite_requant.errors import RefusedError
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import QArray
from tflite_requant.requantize import requantize
from tflite_requant.schemes import load_scheme, parse_scheme
from tflite_requant.testing import TensorSpec


def residual():
    """conv RELU6 -> conv -> ADD with the first -> pool -> softmax."""
    net = Net()
    x, a, b = net.act("x"), net.act("a", 6 / 255, 0), net.act("b", 0.05, 100)
    s, p = net.act("s", 0.04, 90), net.act("p", 0.04, 90, shape=(1, 2, 2, 2))
    net.conv(x, a, "RELU6")
    net.conv(a, b)
    net.operator("ADD", (a, b), (s,))
    pool = {"padding": "VALID", "stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2}
    net.operator("AVERAGE_POOL_2D", (s,), (p,), pool)
    return net.build((x,), (p,))


def types(model):
    return {t.name: (t.dtype, t.qparams.zero_point) for t in model.main.tensors
            if not t.is_constant}  # fmt: skip


class TestMixedTypes:
    def test_unsigned_where_nothing_is_negative(self):
        found = types(requantize(residual(), "symmetric-unsigned").model)
        assert found == {"x": ("int8", 0), "a": ("uint8", 0), "b": ("int8", 0), "s": ("int8", 0),
                         "p": ("int8", 0)}  # fmt: skip

    def test_the_unsigned_grid_is_the_source_one(self):
        model = requantize(residual(), "symmetric-unsigned").model
        kept = next(t for t in model.main.tensors if t.name == "a")
        assert kept.qparams.scale == float(np.float32(6 / 255))

    def test_other_operators_have_operands_of_one_type(self):
        net = Net()
        x, y = net.act("x", 6 / 255, 0), net.act("y", 0.1, 90)
        net.operator("LEAKY_RELU", (x,), (y,), {"alpha": 0.1})
        found = types(requantize(net.build((x,), (y,)), "symmetric-unsigned").model)
        assert {dtype for dtype, _ in found.values()} == {"int8"}

    def test_it_runs_in_our_interpreter_and_stays_close(self):
        source = residual()
        model = requantize(source, "symmetric-unsigned").model
        stored = np.random.default_rng(1).integers(0, 256, (1, 4, 4, 2)).astype(np.uint8)
        (ours,) = Interpreter(model, "extended").run([(stored.astype(int) - 128).astype(np.int8)])
        (theirs,) = Interpreter(source).run([stored])
        pairs = ((ours, model), (theirs, source))
        real = [QArray(out, m.outputs[0].qparams).real() for out, m in pairs]
        assert np.abs(real[0] - real[1]).max() <= 3 * 0.04

    def test_the_form_for_tflite(self):
        found = types(requantize(residual(), "symmetric-unsigned-uint8").model)
        assert found == {"x": ("uint8", 128), "a": ("uint8", 0), "b": ("uint8", 128),
                         "s": ("uint8", 128), "p": ("uint8", 128)}  # fmt: skip


class TestRatios:
    def test_multipliers_are_powers_of_two(self):
        scheme = load_scheme("po2-multiplier")
        result = requantize(residual(), scheme)
        assert check(result.model, scheme) == []
        by_name = {t.name: t for t in result.model.main.tensors}
        ratio = by_name["a"].qparams.scale / by_name["s"].qparams.scale
        assert np.frexp(ratio)[0] == 0.5
        assert not any("relabelled" == t.kept and "a" == t.name for t in result.report.tensors)

    def test_input_and_output_keep_their_meaning(self):
        model = requantize(residual(), "po2-multiplier").model
        source = residual()
        stored = np.random.default_rng(2).integers(0, 256, (1, 4, 4, 2)).astype(np.uint8)
        (ours,) = Interpreter(model).run([(stored.astype(int) - 128).astype(np.int8)])
        (theirs,) = Interpreter(source).run([stored])
        pairs = ((ours, model), (theirs, source))
        real = [QArray(out, m.outputs[0].qparams).real() for out, m in pairs]
        assert np.abs(real[0] - real[1]).max() <= 4 * 0.04

    def test_scales_of_no_addition_stay(self):
        net = Net()
        x, y = net.act("x", 0.011), net.act("y", 0.0371, 128)
        net.conv(x, y)
        model = requantize(net.build((x,), (y,)), "po2-multiplier").model
        scales = {t.name: t.qparams.scale for t in model.main.tensors if not t.is_constant}
        assert scales == {"x": float(np.float32(0.011)), "y": float(np.float32(0.0371))}


FIXED = '[operators]\nruntime_fixed = "refuse"\n'


@pytest.mark.parametrize("cpu", [False, True], ids=["refused", "cpu"])
def test_what_tflite_fixes_may_be_the_work_of_a_cpu(cpu):
    net = Net()
    x, y = net.act("x"), net.act("y", 1 / 256, 0)
    net.operator("LOGISTIC", (x,), (y,))
    more = 'cpu = ["LOGISTIC"]\n' if cpu else ""
    scheme = parse_scheme(f'name = "x"\n{FIXED}{more}[activations]\nzero_point = 0\n', "x")
    if cpu:
        (found,) = requantize(net.build((x,), (y,)), scheme).report.exceptions
        assert "LOGISTIC runs on the CPU" in found.hint
        return
    with pytest.raises(RefusedError) as refusal:
        requantize(net.build((x,), (y,)), scheme)
    (found,) = refusal.value.findings
    assert (found.law, "[operators] cpu" in found.hint) == ("fixed-output", True)


@pytest.mark.parametrize(
    "operator, hint",
    [
        pytest.param("DEPTHWISE_CONV_2D", "scheme max78002 does; or add it", id="a-preset-has-it"),
        pytest.param("LEAKY_RELU", "add it to [operators] allow", id="none-has-it"),
    ],
)
def test_where_an_operator_that_is_not_allowed_would_be(operator, hint):
    net = Net()
    x, y = net.act("x", 0.1, 128), net.act("y", 0.1, 128)
    if operator == "LEAKY_RELU":
        net.operator(operator, (x,), (y,), {"alpha": 0.1})
    else:
        w = net.tensor(TensorSpec(
            "uint8", scale=0.01, zero_point=128, name="w", data=np.full((1, 1, 1, 2), 130, np.uint8)
        ))  # fmt: skip
        b = net.tensor(TensorSpec("int32", scale=0.001, name="b", data=[0, 0]))
        options = {"padding": "SAME", "stride_w": 1, "stride_h": 1, "depth_multiplier": 1}
        net.operator(operator, (x, w, b), (y,), options)
    with pytest.raises(RefusedError) as caught:
        requantize(net.build((x,), (y,)), "max78000")
    assert [f.hint.startswith(hint) for f in caught.value.findings] == [True]
