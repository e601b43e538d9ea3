"""Operands that no scheme can be applied to are refused, all at once."""

import numpy as np
import pytest
from graphs import conv_then, scheme

from tflite_requant.errors import RefusedError
from tflite_requant.requantize import requantize
from tflite_requant.runtime import litert_available
from tflite_requant.testing import GraphBuilder, TensorSpec

LITERT = pytest.mark.skipif(not litert_available(), reason="needs ai-edge-litert")


class TestRefusals:
    """What no scheme can be applied to is refused by the name of a law, all at once."""

    W = np.arange(4).reshape(2, 1, 1, 2) * 30
    GOOD = {"dtype": "int8", "scale": [0.1, 0.2], "data": W}

    def conv(self, weights=None, bias=None, fused="NONE", x_scale=1 / 128):
        graph = GraphBuilder()
        x = graph.tensor(TensorSpec("int8", (1, 2, 2, 2), x_scale, name="x"))
        w = graph.tensor(TensorSpec(**(self.GOOD if weights is None else weights), name="w"))
        default = {"dtype": "int32", "scale": [0.1 / 128, 0.2 / 128], "data": [1, 2]}
        b = graph.tensor(TensorSpec(**(default if bias is None else bias), name="b"))
        y = graph.tensor(TensorSpec("int8", (1, 2, 2, 2), 0.1, name="y"))
        options = {
            "padding": "VALID",
            "stride_w": 1,
            "stride_h": 1,
            "fused_activation_function": fused,
        }
        graph.operator("CONV_2D", (x, w, b), (y,), options)
        return graph.build((x,), (y,))

    CASES = {
        "computed weights": ({"weights": {"dtype": "int8", "shape": (2, 1, 1, 2), "scale": 0.1}},
                             "constant-weights"),
        "weights without a scale": ({"weights": {"dtype": "int8", "data": W}}, "constant-weights"),
        "zero weight scale": ({"weights": {**GOOD, "scale": [0.1, 0.0]}}, "scale-positive"),
        "infinite weight scale": ({"weights": {**GOOD, "scale": [0.1, np.inf]}}, "scale-positive"),
        "axis out of range": ({"weights": {**GOOD, "axis": 5}}, "weight-axis"),
        "too many scales": ({"weights": {**GOOD, "scale": [0.1] * 3}}, "weight-axis"),
        "too few dimensions": ({"weights": {"dtype": "int8", "scale": 0.1, "data": 3}, "bias": {
            "dtype": "int32", "data": [1]}}, None),
        "computed bias": ({"bias": {"dtype": "int32", "shape": (2,), "scale": [1.0, 1.0]}},
                          "constant-weights"),
        "long bias": ({"bias": {"dtype": "int32", "data": [1, 2, 3]}}, "bias-scale"),
        "bias scales": ({"bias": {"dtype": "int32", "data": [1, 2], "scale": [1.0] * 3}},
                        "bias-scale"),
        "fused TANH": ({"fused": "TANH"}, "fused-activation"),
        "zero input scale": ({"x_scale": 0.0}, "scale-positive"),
        "input without a scale": ({"x_scale": None}, "scale-positive"),
        "per-axis input": ({"x_scale": [0.1, 0.2]}, "activation-granularity"),
    }  # fmt: skip

    @pytest.mark.parametrize(("changes", "law"), CASES.values(), ids=CASES)
    def test_each(self, changes, law):
        with pytest.raises(RefusedError) as caught:
            requantize(self.conv(**changes), "symmetric")
        laws = {f.law for f in caught.value.findings}
        assert laws == {law} if law else laws

    def test_all_at_once(self):
        model = self.conv(weights={**self.GOOD, "scale": [0.1] * 3}, fused="SIGN_BIT", x_scale=0.0)
        with pytest.raises(RefusedError, match="3 findings"):
            requantize(model, "symmetric")

    @pytest.mark.parametrize(
        ("name", "zero"), [("symmetric", -128), ("symmetric", 127), ("uint8", 0), ("uint8", 255)]
    )
    def test_a_zero_point_that_leaves_no_room(self, name, zero):
        dtype = "uint8" if name == "uint8" else "int8"
        before = '"any"' if dtype == "uint8" else "0"
        asked = scheme(
            name,
            (
                f'[activations]\ndtype = "{dtype}"\nzero_point = {before}',
                f'[activations]\ndtype = "{dtype}"\nzero_point = {zero}',
            ),
        )
        with pytest.raises(RefusedError, match=r"\[activation-zero-point\] values from"):
            requantize(conv_then("LOGISTIC"), asked)
