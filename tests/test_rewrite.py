"""Constants shared between operators, biases, and the words of the findings."""

from dataclasses import replace

import numpy as np
import pytest
from graphs import VALID, Net, kinds

from tflite_requant.flatbuffer import read
from tflite_requant.interpreter import Interpreter
from tflite_requant.requantize import Options, requantize
from tflite_requant.testing import GraphBuilder, TensorSpec, one_operator_model

EXACT = Options(correction=("exact-grid",))


def shared(second_scale, *, share_bias=True, dtype="uint8", w_zero=120):
    """Two convolutions with the same weights (and bias) on inputs of different scale."""
    graph = GraphBuilder()
    shape = (1, 2, 2, 2)
    x = graph.tensor(TensorSpec(dtype, shape, 1 / 128, 128, name="x"))
    z = graph.tensor(TensorSpec(dtype, shape, second_scale, 128, name="z"))
    data = np.array([[10, 240], [120, 255]]).reshape(2, 1, 1, 2)
    w = graph.tensor(TensorSpec(dtype, scale=0.02, zero_point=w_zero, data=data, name="w"))
    b = graph.tensor(TensorSpec("int32", scale=0.02 / 128, data=[100, -7], name="b"))
    c = (
        b
        if share_bias
        else graph.tensor(TensorSpec("int32", scale=0.02 * second_scale, data=[100, -7], name="c"))
    )
    p, q = (graph.tensor(TensorSpec(dtype, shape, 0.05, 100, name=n)) for n in "pq")
    graph.operator("CONV_2D", (x, w, b), (p,), VALID)
    graph.operator("CONV_2D", (z, w, c), (q,), VALID)
    return graph.build((x, z), (p, q))


class TestSharedWeights:
    def test_equal_needs_share_one_tensor(self):
        result = requantize(shared(1 / 128), "int8", options=EXACT).model
        a, b = result.main.operators
        assert a.inputs[1:] == b.inputs[1:]
        assert len(result.main.tensors) == 6

    def test_different_input_scales_part_the_biases(self):
        model = shared(1 / 64, share_bias=False)
        result = requantize(model, "symmetric-po2", options=EXACT).model
        a, b = result.main.operators
        x, z = result.inputs
        for op, source in ((a, x), (b, z)):
            weights, bias = (result.main.tensors[i].qarray() for i in op.inputs[1:3])
            law = np.float32(source.qparams.scale) * np.array(weights.qparams.scales, np.float32)
            assert bias.qparams.scales == tuple(float(s) for s in law)

    def test_a_shared_bias_that_breaks_the_law_for_one_is_told_and_parted(self):
        result = requantize(shared(1 / 64), "int8", options=EXACT)
        (warning,) = [f for f in result.report.findings if f.law == "bias-scale"]
        assert warning.severity == "warning"
        assert warning.where.startswith("op 1 CONV_2D")
        a, b = result.model.main.operators
        biases = [result.model.main.tensors[op.inputs[2]].qarray().real() for op in (a, b)]
        assert a.inputs[2] != b.inputs[2]
        steps = result.model.main.tensors[b.inputs[2]].qparams.scales
        assert np.abs(biases[0] - biases[1]).max() <= max(steps) / 2 * 1.01

    def test_one_operator_keeps_what_another_changes(self):
        """A convolution that is legal already and one that a folded zero point moves."""
        model = shared(1 / 128)
        result = requantize(model, "symmetric", options=EXACT).model
        feeds = [np.random.default_rng(1).uniform(-1, 0.99, (1, 2, 2, 2)) for _ in range(2)]
        old, new = (
            [(r.astype(float) - t.qparams.zero_point) * t.qparams.scale
             for r, t in zip(Interpreter(m).run(feeds), m.outputs, strict=True)]
            for m in (model, result)
        )  # fmt: skip
        for a, b in zip(old, new, strict=True):
            assert np.abs(a - b).max() <= 0.1


class TestSharedConstants:
    def test_two_operators_want_one_constant_on_two_grids(self):
        net = Net("uint8")
        x, a, b = net.act("x"), net.act("a", 0.1, 20), net.act("b", 0.3, 90)
        k = net.constant("k", [[[[10, 200]]]], 0.05, 3)
        net.operator(
            "MAXIMUM", (x, net.constant("k1", [[[[10, 200]]]], 1 / 128, 128)), (net.act("m"),)
        )
        net.operator("ADD", (x, k), (a,))
        net.operator("MUL", (x, k), (b,))
        result = requantize(net.build((x,), (a, b)), "symmetric-po2").model
        add, mul = (next(o for o in result.main.operators if o.opcode == n) for n in ("ADD", "MUL"))
        assert add.inputs[1] == mul.inputs[1]
        real = result.main.tensors[add.inputs[1]].qarray().real().reshape(-1)
        step = result.main.tensors[add.inputs[1]].qparams.scale
        assert np.abs(real - [0.35, 9.85]).max() <= step / 2 + 1e-7

    def test_a_tied_reader_gets_a_twin(self):
        net = Net("uint8")
        x, a, m = net.act("x"), net.act("a", 0.1, 20), net.act("m")
        k = net.constant("k", [[[[10, 200]]]], 1 / 128, 128)
        net.operator("ADD", (x, k), (a,))
        net.operator("MAXIMUM", (x, k), (m,))
        result = requantize(net.build((x,), (a, m)), "int8").model
        add, high = (
            next(o for o in result.main.operators if o.opcode == n) for n in ("ADD", "MAXIMUM")
        )
        tensors = result.main.tensors
        assert tensors[high.inputs[1]].qparams == tensors[high.inputs[0]].qparams
        for op in (add, high):
            real = tensors[op.inputs[1]].qarray().real().reshape(-1)
            assert np.abs(real - [(10 - 128) / 128, (200 - 128) / 128]).max() <= 1 / 128


class TestMissingBias:
    @staticmethod
    def dense(bias_marked_absent):
        """FULLY_CONNECTED -> FULLY_CONNECTED without biases; the middle folds its zero point."""
        graph = GraphBuilder()
        x = graph.tensor(TensorSpec("uint8", (1, 2), 1 / 128, 128, name="x"))
        h = graph.tensor(TensorSpec("uint8", (1, 2), 6 / 255, 0, name="h"))
        y = graph.tensor(TensorSpec("uint8", (1, 2), 0.1, 100, name="y"))
        absent = (-1,) if bias_marked_absent else ()
        for name, a, b in (("v", x, h), ("w", h, y)):
            data = [[100, 150], [120, 90]]
            w = graph.tensor(TensorSpec("uint8", scale=0.02, zero_point=120, data=data, name=name))
            graph.operator("FULLY_CONNECTED", (a, w, *absent), (b,))
        return graph.build((x,), (y,))

    @pytest.mark.parametrize("absent", [True, False], ids=["marked -1", "not there"])
    def test_a_fold_adds_one(self, absent):
        result = requantize(self.dense(absent), "symmetric", options=EXACT).model
        for op in result.main.operators:
            assert len(op.inputs) == 3
            bias = result.main.tensors[op.inputs[2]]
            assert (bias.dtype, bias.shape) == ("int32", (2,))
        first, second = (result.main.tensors[op.inputs[2]].array() for op in result.main.operators)
        assert first.tolist() == [round(-128 * np.float32(6 / 255) / (np.float32(0.02) / 128))] * 2
        assert second.tolist() == [128 * 10, 128 * -30]

    @pytest.mark.parametrize("absent", [True, False], ids=["marked -1", "not there"])
    def test_nothing_to_say_nothing_added(self, absent):
        model = self.dense(absent)
        result = requantize(model, "int8", options=EXACT).model
        assert [op.inputs for op in result.main.operators] == [
            op.inputs for op in model.main.operators
        ]


class TestInt16Bias:
    @pytest.mark.parametrize(
        ("text", "bias", "option"),
        [('dtype = "int64"', "int64", "FLOAT32"), ('dtype = "int32"', "int32", "INT32")],
        ids=["int64", "int32"],
    )
    def test_convolution(self, text, bias, option):
        from graphs import scheme

        changes = () if bias == "int64" else (('[bias]\ndtype = "int64"', f"[bias]\n{text}"),)
        result = requantize(shared(1 / 128), scheme("int16x8", *changes)).model
        op = result.main.operators[0]
        assert result.main.tensors[op.inputs[2]].dtype == bias
        assert op.option("quantized_bias_type") == option

    def test_depthwise_is_always_int64(self):
        from graphs import scheme

        graph = GraphBuilder()
        x = graph.tensor(TensorSpec("uint8", (1, 2, 2, 2), 1 / 128, 128))
        w = graph.tensor(TensorSpec("uint8", scale=0.02, zero_point=9, data=[[[[1, 90]]]]))
        b = graph.tensor(TensorSpec("int32", scale=0.02 / 128, data=[1, 2]))
        y = graph.tensor(TensorSpec("uint8", (1, 2, 2, 2), 0.1, 10))
        graph.operator("DEPTHWISE_CONV_2D", (x, w, b), (y,), {**VALID, "depth_multiplier": 1})
        asked = scheme("int16x8", ('[bias]\ndtype = "int64"', '[bias]\ndtype = "int32"'))
        result = requantize(graph.build((x,), (y,)), asked).model
        assert result.main.tensors[result.main.operators[0].inputs[2]].dtype == "int64"


def test_grouped_convolution_keeps_its_groups():
    graph = GraphBuilder()
    x = graph.tensor(TensorSpec("int8", (1, 3, 3, 4), 0.1, 3, name="x"))
    data = np.random.default_rng(2).integers(-128, 128, (6, 2, 2, 2))
    w = graph.tensor(TensorSpec("int8", scale=np.linspace(0.01, 0.06, 6), data=data, name="w"))
    b = graph.tensor(
        TensorSpec("int32", scale=0.1 * np.linspace(0.01, 0.06, 6), data=range(6), name="b")
    )
    y = graph.tensor(TensorSpec("int8", (1, 2, 2, 6), 0.5, -9, name="y"))
    graph.operator("CONV_2D", (x, w, b), (y,), VALID)
    model = graph.build((x,), (y,))
    feeds = [np.random.default_rng(3).uniform(-10, 10, (1, 3, 3, 4))]
    for name in ("symmetric", "symmetric-po2", "int8-per-tensor", "int16x8"):
        result = requantize(model, name).model
        old, new = (
            (Interpreter(m).run(feeds)[0].astype(float) - m.outputs[0].qparams.zero_point)
            * m.outputs[0].qparams.scale
            for m in (model, result)
        )
        # A symmetric grid goes on where the source saturated at its lower end.
        new = np.clip(new, (-128 + 9) * 0.5, (127 + 9) * 0.5)
        assert np.abs(old - new).max() <= 3.0, name
        assert np.abs(old - new).mean() <= 0.7, name


def test_an_unused_kind_of_operator_is_dropped_with_its_last_use():
    result = requantize(shared(1 / 128), "int8").model
    assert [(c.opcode, c.version) for c in result.operator_codes] == [("CONV_2D", 3)]
    assert kinds(result) == ["CONV_2D", "CONV_2D"]


@pytest.mark.parametrize("name", ["int8", "int8-per-tensor", "symmetric"])
def test_a_bias_of_several_dimensions(name):
    """Its scales stay along the one that has the channels."""
    graph = GraphBuilder()
    x, y = (graph.tensor(TensorSpec("int8", (1, 2, 2, 2), 0.5, 3, name=n)) for n in "xy")
    data = np.array([[1, 2], [3, 4]]).reshape(2, 1, 1, 2)
    w = graph.tensor(TensorSpec("int8", scale=[0.5, 0.25], data=data, name="w"))
    bias = np.array([5, 6]).reshape(1, 1, 1, 2)
    b = graph.tensor(TensorSpec("int32", scale=[0.25, 0.125], axis=3, data=bias, name="b"))
    graph.operator("CONV_2D", (x, w, b), (y,), VALID)
    model = graph.build((x,), (y,))
    made = requantize(model, name).model.main.tensors[b]
    assert made.shape == (1, 1, 1, 2)
    assert made.qparams.axis == (3 if made.qparams.per_axis else 0)
    assert (name == "int8") == (made is model.main.tensors[b])


@pytest.mark.parametrize("operator", ["FULLY_CONNECTED", "ADD"])
def test_an_operator_without_options_gets_them_for_its_clamp(operator):
    """A file may leave out a table all of whose fields are the default; uint8 stopped at 0."""
    x, y = (TensorSpec("uint8", (1, 2), 0.1, 0, name=n) for n in "xy")
    constant = TensorSpec("uint8", scale=0.05, zero_point=128, data=np.array([[1, 200], [90, 7]]))
    if operator == "ADD":
        constant = replace(constant, data=np.array([[1, 200]]))
    model = one_operator_model(operator, [x, constant], [y])
    (op,) = model.main.operators
    bare = replace(model.main, operators=(replace(op, options=None),))
    model = read(model.changed(subgraphs=(bare,)).to_bytes())
    assert model.main.operators[0].options is None
    made = read(requantize(model, "int16x8", "prior").model.to_bytes())
    options = [o.options for o in made.main.operators if o.name == operator]
    assert [o["fused_activation_function"] for o in options] == ["RELU"]
