"""Convolutions and matrix products.

Those with constant weights form sum((x - z_in) * (w - z_w)) + bias and rescale it by
s_in * s_w / s_out.
BATCH_MATMUL multiplies two activations; either may be a constant.
"""

from __future__ import annotations

from functools import partial

from tflite_requant.catalog.shorthand import FUSED, by_dtype, free, operator, plain
from tflite_requant.catalog.spec import Operand

_op = partial(operator, family="weighted")

_CONVOLUTION = (
    "bias-scale",
    "bias-scale-checked",
    "bias-zero-point",
    "bias-width",
    "weight-zero-point",
    "weight-axis",
    "multiplier-limit",
    "accumulator-wrap",
)


def _weights(axis: int) -> Operand:
    return Operand("weights", role="weights", axis=axis, types=by_dtype(int16="int8"))


def _bias(optional: bool = False) -> Operand:
    return Operand("bias", role="bias", optional=optional)


OPERATORS = (
    _op(
        "CONV_2D",
        [free("input"), _weights(axis=0), _bias()],
        [free("output")],
        by_dtype(uint8=1, int8=3, int16=4),
        features={"grouped": 6, "quantized_bias_type": (8, "int16")},
        max_version=8,
        activations=FUSED,
        padded=True,
        laws=(*_CONVOLUTION, "bias-mandatory", "bias-int16"),
    ),
    _op(
        "DEPTHWISE_CONV_2D",
        [free("input"), _weights(axis=3), _bias()],
        [free("output")],
        by_dtype(uint8=1, int8=3, int16=5),
        features={"dilated": 2},
        max_version=6,
        activations=FUSED,
        padded=True,
        laws=(*_CONVOLUTION, "bias-mandatory", "bias-int64"),
    ),
    _op(
        "FULLY_CONNECTED",
        [free("input"), _weights(axis=0), _bias(optional=True)],
        [free("output")],
        by_dtype(uint8=1, int8=4, int16=7),
        features={"no_bias": 6, "keep_num_dims": 5, "quantized_bias_type": (11, "int16")},
        max_version=14,
        activations=FUSED,
        laws=(*_CONVOLUTION, "bias-int16"),
    ),
    _op(
        "TRANSPOSE_CONV",
        [plain("output_shape"), _weights(axis=0), free("input"), _bias(optional=True)],
        [free("output")],
        by_dtype(uint8=1, int8=2, int16=2),
        features={"bias": 3, "fused_activation": 4, "quantized_bias_type": (5, "int16")},
        max_version=5,
        activations=FUSED,
        padded=True,
        laws=(*_CONVOLUTION, "bias-int16", "transpose-conv-taps"),
    ),
    _op(
        "BATCH_MATMUL",
        [free("x"), free("y")],
        [free("output")],
        by_dtype(int8=2, int16=3),
        max_version=4,
        laws=("matmul-constant", "multiplier-limit", "accumulator-wrap"),
    ),
)
