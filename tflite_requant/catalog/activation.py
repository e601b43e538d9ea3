"""Nonlinear functions of one operand, and those that normalize along an axis.

Several prescribe the grid of their result; the numbers are those of the TFLite 8-bit quantization
specification and of the kernels' own checks.
"""

from __future__ import annotations

from functools import partial

from tflite_requant.catalog.shorthand import by_dtype, free, operator

_op = partial(operator, family="activation")
_ANY = by_dtype(uint8=1, int8=2, int16=3)
_EIGHT_BIT = by_dtype(uint8=1, int8=1)

# Results in [0, 1], in [-1, 1], and logarithms of probabilities.
_UNIT = by_dtype(uint8=(1 / 256, 0), int8=(1 / 256, -128), int16=(1 / 32768, 0))
_SIGNED_UNIT = by_dtype(uint8=(1 / 128, 128), int8=(1 / 128, 0), int16=(1 / 32768, 0))
_UNIT_VECTOR = by_dtype(uint8=(1 / 128, 128), int8=(1 / 128, 0))
_LOG_PROBABILITY = by_dtype(uint8=(1 / 16, 255), int8=(1 / 16, 127))


def _unary(name: str, versions, fixed=None, **facts):
    output = free("output", fixed=fixed) if fixed else free("output")
    return _op(name, [free("input")], [output], versions, **facts)


OPERATORS = (
    _unary(
        "SOFTMAX",
        _ANY,
        fixed=_UNIT,
        max_version=3,
        laws=("fixed-output", "softmax-sum", "softmax-beta"),
    ),
    _unary(
        "LOG_SOFTMAX",
        by_dtype(uint8=1, int8=2),
        fixed=_LOG_PROBABILITY,
        max_version=2,
        laws=("fixed-output", "fixed-output-checked"),
    ),
    _unary(
        "LOGISTIC",
        _ANY,
        fixed=_UNIT,
        max_version=3,
        laws=("fixed-output", "logistic-scale-checked", "int16-table-input", "table-lookup"),
    ),
    _unary(
        "TANH",
        _ANY,
        fixed=_SIGNED_UNIT,
        max_version=3,
        laws=("fixed-output", "int16-table-input", "table-lookup"),
    ),
    _unary(
        "L2_NORMALIZATION",
        by_dtype(uint8=1, int8=2),
        fixed=_UNIT_VECTOR,
        max_version=2,
        activations=("NONE",),
        laws=("fixed-output", "fixed-output-checked"),
    ),
    _unary("RELU", by_dtype(uint8=2, int8=2, int16=3), max_version=3),
    _unary("RELU6", _ANY, max_version=3),
    _unary("RELU_N1_TO_1", _EIGHT_BIT),
    _unary("LEAKY_RELU", by_dtype(uint8=1, int8=1, int16=2), max_version=2),
    _op(
        "PRELU",
        [free("input"), free("alpha", types=by_dtype(int16="int8"))],
        [free("output")],
        by_dtype(uint8=1, int8=1, int16=1),
        laws=("prelu-alpha",),
    ),
    _unary("HARD_SWISH", _EIGHT_BIT, laws=("hard-swish-range",)),
    _unary("ELU", by_dtype(int8=1), laws=("reference-missing", "table-lookup")),
    _unary("GELU", by_dtype(uint8=2, int8=2, int16=1), max_version=2, laws=("table-lookup",)),
)
