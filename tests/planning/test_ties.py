"""What must share a grid shares one; where it cannot, a QUANTIZE stands between."""

import pytest
from graphs import Net, f32, grids, inputs_for, kinds

from tflite_requant.errors import RefusedError
from tflite_requant.interpreter import Interpreter
from tflite_requant.requantize import requantize


def joined(a_range, b_range, out_range, *, shared=False, output=False, constant=False):
    """CONCATENATION of two convolutions with ranges [0, r]."""
    net = Net()
    x = net.act("x")
    a, b = net.act("a", a_range / 255, 0), net.act("b", b_range / 255, 0)
    o = net.act("o", out_range / 255, 0, channels=4)
    net.conv(x, a)
    if constant:
        b = net.constant("b", [[[[10, 255]] * 4] * 4], b_range / 255, 0)
    else:
        net.conv(x, b)
    net.operator("CONCATENATION", (a, b), (o,), {"axis": 3})
    outputs = [o]
    if shared:
        s = net.act("s", 0.1, 3)
        net.conv(a, s)
        outputs.append(s)
    if output:
        outputs.append(a)
    return net.build((x,), outputs)


class TestConcatenation:
    @pytest.mark.parametrize(
        ("model", "operators", "a_range"),
        [
            pytest.param(joined(6, 6, 6), ["CONV_2D"] * 2, 6, id="equal grids"),
            pytest.param(joined(8, 6, 6), ["CONV_2D"] * 2, 6, id="a wider one adopts"),
            pytest.param(joined(8, 9, 6), ["CONV_2D"] * 2, 6, id="two wider ones adopt"),
            pytest.param(joined(3, 6, 6), ["CONV_2D", "CONV_2D", "QUANTIZE"], 3,
                         id="a narrower one keeps its clamp"),
            pytest.param(joined(8, 6, 6, shared=True), ["CONV_2D", "CONV_2D", "QUANTIZE"], 8,
                         id="another reader wants the old grid"),
            pytest.param(joined(8, 6, 6, output=True), ["CONV_2D", "CONV_2D", "QUANTIZE"], 8,
                         id="a graph output keeps its grid"),
            pytest.param(joined(6, 3, 6, constant=True), ["CONV_2D"], 6, id="a constant moves"),
        ],
    )  # fmt: skip
    def test_uint8_to_int8(self, model, operators, a_range):
        result = requantize(model, "int8").model
        before = kinds(result)[: kinds(result).index("CONCATENATION")]
        assert before == operators
        found = grids(result)
        assert found["o"] == ("int8", f32(6 / 255), -128)
        assert found["a"] == ("int8", f32(a_range / 255), -128)
        op = next(o for o in result.main.operators if o.opcode == "CONCATENATION")
        assert {result.main.tensors[i].type for i in op.inputs} == {
            result.main.tensors[op.outputs[0]].type
        }

    def test_a_constant_is_put_on_the_output_grid(self):
        result = requantize(joined(6, 3, 6, constant=True), "int8").model
        constant = next(t for t in result.main.tensors if t.name == "b" and t.is_constant)
        assert sorted(set(constant.array().reshape(-1).tolist())) == [-123, 0]

    def test_uint8_keeps_its_mixed_grids(self):
        model = joined(8, 3, 6)
        assert requantize(model, "uint8").model is model

    def test_values(self):
        """The integers of int8 CONCATENATION are the uint8 ones, up to one rounding less."""
        model = joined(8, 3, 6)
        result = requantize(model, "int8").model
        feeds = inputs_for(model)
        old = Interpreter(model).run(feeds)[0].astype(int)
        new = Interpreter(result).run([(feeds[0].astype(int) - 128).astype("int8")])[0].astype(int)
        assert abs(new + 128 - old).max() <= 1


class TestRawCopies:
    @pytest.mark.parametrize(
        "opcode", ["MAX_POOL_2D", "RESHAPE", "AVERAGE_POOL_2D", "RESIZE_NEAREST_NEIGHBOR"]
    )
    @pytest.mark.parametrize("name", ["int8", "symmetric", "symmetric-po2", "int16x8", "uint8"])
    def test_in_and_out_stay_together(self, opcode, name):
        model = self.two(opcode, 6 / 255, 6 / 255)
        found = grids(requantize(model, name).model)
        assert found["x"] == found["y"]

    def test_float_noise_between_them(self):
        model = self.two("MAX_POOL_2D", 6 / 255, 6 / 255 * (1 + 1e-6))
        found = grids(requantize(model, "symmetric").model)
        assert found["x"] == found["y"]

    @pytest.mark.parametrize(("y_scale", "y_zero"), [(0.5, 0), (6 / 255, 1)])
    def test_unequal_ones_are_refused(self, y_scale, y_zero):
        with pytest.raises(RefusedError, match=r"\[tie\] tensor 0 x and tensor 1 y"):
            requantize(self.two("MAX_POOL_2D", 6 / 255, y_scale, y_zero), "int8")

    @staticmethod
    def two(opcode, x_scale, y_scale, y_zero=0):
        net = Net()
        x, y = net.act("x", x_scale, 0), net.act("y", y_scale, y_zero)
        options, inputs = {}, (x,)
        if "POOL" in opcode:
            options = {"padding": "VALID", "stride_w": 1, "stride_h": 1, "filter_width": 1,
                       "filter_height": 1}  # fmt: skip
        if opcode == "RESIZE_NEAREST_NEIGHBOR":
            from tflite_requant.testing import TensorSpec

            inputs = (x, net.tensor(TensorSpec("int32", data=[4, 4], name="size")))
        net.operator(opcode, inputs, (y,), options)
        return net.build((x,), (y,))


def test_what_follows_a_fixed_output_goes_with_it():
    net = Net()
    x, p, y = net.act("x"), net.act("p", 1 / 256, 0), net.act("y", 1 / 256, 0)
    net.operator("LOGISTIC", (x,), (p,))
    net.operator("RESHAPE", (p,), (y,))
    found = grids(requantize(net.build((x,), (y,)), "symmetric-po2").model)
    assert found["p"] == found["y"] == ("int8", 1 / 256, -128)


@pytest.mark.parametrize(
    ("opcode", "uint8", "int8", "int16"),
    [
        ("SOFTMAX", (1 / 256, 0), (1 / 256, -128), (1 / 32768, 0)),
        ("LOGISTIC", (1 / 256, 0), (1 / 256, -128), (1 / 32768, 0)),
        ("TANH", (1 / 128, 128), (1 / 128, 0), (1 / 32768, 0)),
        ("LOG_SOFTMAX", (1 / 16, 255), (1 / 16, 127), None),
        ("L2_NORMALIZATION", (1 / 128, 128), (1 / 128, 0), None),
    ],
)
class TestFixedOutputs:
    @staticmethod
    def model(opcode, grid):
        net = Net()
        x, y = net.act("x", 0.1), net.act("y", *grid)
        options = {"beta": 1.0} if opcode == "SOFTMAX" else {}
        net.operator(opcode, (x,), (y,), options)
        return net.build((x,), (y,))

    def test_per_type(self, opcode, uint8, int8, int16):
        model = self.model(opcode, uint8)
        assert grids(requantize(model, "uint8").model)["y"] == ("uint8", *uint8)
        for name in ("int8", "symmetric", "symmetric-po2"):
            assert grids(requantize(model, name).model)["y"] == ("int8", *int8)

    def test_int16(self, opcode, uint8, int8, int16):
        result = requantize(self.model(opcode, uint8), "int16x8")
        made = next(op for op in result.model.main.operators if op.opcode == opcode)
        kind = result.model.main.tensors[made.outputs[0]]
        if int16:
            assert (kind.dtype, kind.qparams.scale, kind.qparams.zero_point) == ("int16", *int16)
        else:
            assert (kind.dtype, kind.qparams.scale, kind.qparams.zero_point) == ("int8", *int8)

    def test_a_wrong_source_grid_is_put_right(self, opcode, uint8, int8, int16):
        model = self.model(opcode, (uint8[0] * 1.01, uint8[1]))
        assert grids(requantize(model, "int8").model)["y"] == ("int8", *int8)

    def test_the_exception_is_named_where_the_scheme_asks_otherwise(
        self, opcode, uint8, int8, int16
    ):
        report = requantize(self.model(opcode, uint8), "symmetric").report
        laws = [(f.law, f.hint) for f in report.exceptions]
        fixed = ("activation-zero-point", f"TFLite fixes the output of {opcode}")
        assert laws == ([fixed] if int8[1] else [])


def test_a_scheme_may_refuse_what_tflite_fixes():
    from graphs import scheme

    asked = scheme("symmetric", ('runtime_fixed = "allow"', 'runtime_fixed = "refuse"'))
    with pytest.raises(RefusedError, match="fixed-output"):
        requantize(TestFixedOutputs.model("SOFTMAX", (1 / 256, 0)), asked)
