"""Reductions over axes, and the index of an extreme."""

from __future__ import annotations

from functools import partial

from tflite_requant.catalog.shorthand import by_dtype, free, operator, plain, tied

_op = partial(operator, family="reduction")
_ANY = by_dtype(uint8=1, int8=2, int16=3)
_RAW_EXTREME = ("raw-order", "tie-enforced")

OPERATORS = (
    _op("MEAN", [free("input"), plain("axis")], [free("output")], _ANY, max_version=3,
        between=True),
    _op(
        "SUM",
        [free("input"), plain("axis")],
        [free("output")],
        by_dtype(uint8=1, int8=2, int16=1),
        max_version=2,
        laws=("sum-signed-defect",),
    ),
    _op(
        "REDUCE_MAX",
        [tied("input"), plain("axis")],
        [tied("output")],
        _ANY,
        max_version=3,
        between=True,
        laws=_RAW_EXTREME,
    ),
    _op(
        "REDUCE_MIN",
        [tied("input"), plain("axis")],
        [tied("output")],
        _ANY,
        max_version=3,
        between=True,
        laws=_RAW_EXTREME,
    ),
    _op(
        "ARG_MAX",
        [free("input"), plain("axis")],
        [plain("output")],
        by_dtype(uint8=1, int8=2),
        max_version=2,
    ),
    _op(
        "ARG_MIN",
        [free("input"), plain("axis")],
        [plain("output")],
        by_dtype(uint8=1, int8=2),
        max_version=2,
    ),
)
