"""Arithmetic of one or two operands, element by element.

NEG is left out on purpose: see `LEFT_OUT` in the package.
"""

from __future__ import annotations

from functools import partial

from tflite_requant.catalog.shorthand import FUSED, by_dtype, free, operator, plain, tied

_op = partial(operator, family="elementwise")
_ANY = by_dtype(uint8=1, int8=2, int16=4)
_SIGNED = by_dtype(int8=2, int16=2)


def _pick(name: str, versions=_ANY, **facts):
    """Operators whose result is one of their values, integer for integer."""
    return _op(
        name, [tied("x"), tied("y")], [tied("output")], versions, laws=("raw-order",), **facts
    )


def _unary(name: str, versions, **facts):
    return _op(name, [free("input")], [free("output")], versions, **facts)


OPERATORS = (
    _op(
        "ADD",
        [free("x"), free("y")],
        [free("output")],
        by_dtype(uint8=1, int8=2, int16=1),
        features={"general_scale_int16": (3, "int16")},
        max_version=5,
        activations=FUSED,
        laws=("add-headroom", "add-pot-int16"),
    ),
    _op(
        "SUB",
        [free("x"), free("y")],
        [free("output")],
        by_dtype(uint8=1, int8=2, int16=1),
        features={"broadcast_above_rank_4": 3, "general_scale_int16": (5, "int16")},
        max_version=5,
        activations=FUSED,
        laws=("add-pot-int16",),
    ),
    _op(
        "MUL",
        [free("x"), free("y")],
        [free("output")],
        _ANY,
        features={"rescale_at_least_1": 3},
        max_version=7,
        activations=FUSED,
    ),
    _op(
        "SQUARED_DIFFERENCE",
        [free("x"), free("y")],
        [free("output")],
        by_dtype(int8=2),
        max_version=2,
    ),
    _pick("MAXIMUM", features={"broadcast_above_rank_4": 3}, max_version=4),
    _pick("MINIMUM", features={"broadcast_above_rank_4": 3}, max_version=4),
    _op(
        "SELECT",
        [plain("condition"), tied("x"), tied("y")],
        [tied("output")],
        by_dtype(uint8=1, int8=2, int16=1),
        features={"rank_5_operand": 3},
        max_version=4,
        movement=True,
        laws=("raw-copy",),
    ),
    _op(
        "SELECT_V2",
        [plain("condition"), tied("x"), tied("y")],
        [tied("output")],
        by_dtype(uint8=1, int8=1, int16=1),
        max_version=2,
        movement=True,
        laws=("raw-copy",),
    ),
    _unary("ABS", by_dtype(int8=2, int16=3), max_version=3),
    _unary("EXP", _SIGNED, max_version=2, laws=("table-lookup",)),
    _unary("LOG", _SIGNED, max_version=2, laws=("table-lookup", "positive-argument")),
    _unary("SQRT", _SIGNED, max_version=2, laws=("positive-argument",)),
    _unary("RSQRT", by_dtype(int8=2, int16=3), max_version=3, laws=("positive-argument",)),
)
