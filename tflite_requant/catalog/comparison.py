"""Comparisons: two activations in, truth values out."""

from __future__ import annotations

from functools import partial

from tflite_requant.catalog.shorthand import by_dtype, operator, plain, tied

_op = partial(operator, family="comparison")


def _compare(name: str, versions, max_version: int):
    return _op(
        name,
        [tied("x", "int16"), tied("y", "int16")],
        [plain("output")],
        versions,
        max_version=max_version,
        laws=("comparison-collapse", "comparison-int16"),
    )


OPERATORS = (
    _compare("EQUAL", by_dtype(uint8=1, int8=2, int16=5), max_version=5),
    _compare("NOT_EQUAL", by_dtype(uint8=1, int8=2, int16=4), max_version=4),
    _compare("LESS", by_dtype(uint8=1, int8=2, int16=3), max_version=3),
    _compare("LESS_EQUAL", by_dtype(uint8=1, int8=2, int16=1), max_version=2),
    _compare("GREATER", by_dtype(uint8=1, int8=2, int16=1), max_version=2),
    _compare("GREATER_EQUAL", by_dtype(uint8=1, int8=2, int16=3), max_version=3),
)
