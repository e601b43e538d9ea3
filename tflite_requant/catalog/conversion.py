"""Operators that change what a number is stored as.

QUANTIZE writes an activation from floats or from another activation; DEQUANTIZE reads one into
floats; CAST copies integers as they are, so its operands are pinned.
"""

from __future__ import annotations

from functools import partial

from tflite_requant.catalog.shorthand import by_dtype, free, operator, plain

_op = partial(operator, family="conversion")

OPERATORS = (
    _op(
        "QUANTIZE",
        [free("input")],
        [free("output")],
        by_dtype(uint8=1, int8=1, int16=1),
        features={"int16_output": 2, "per_axis": 3},
        max_version=6,
        between=True,
        laws=("quantize-pairs", "quantize-overflow"),
    ),
    _op(
        "DEQUANTIZE",
        [free("input")],
        [plain("output")],
        by_dtype(uint8=1, int8=2, int16=3),
        features={"per_axis": (5, "int8")},
        max_version=9,
    ),
    _op(
        "CAST",
        [free("input", pinned=True)],
        [free("output", pinned=True)],
        by_dtype(uint8=1, int8=3, int16=1),
        features={"int8_output": 3},
        max_version=9,
        laws=("pinned",),
    ),
)
