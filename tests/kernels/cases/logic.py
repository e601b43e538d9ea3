"""Comparisons, SELECT, SELECT_V2, and logic on bools."""

from __future__ import annotations

from functools import partial

from tflite_requant.testing import TensorSpec

from .elementwise import _shapes
from .make import QUANTIZED, Case, Group, case, grid, shape

COMPARISONS = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")


def _compare(opcode: str, rng, dtype: str) -> Case:
    left, right, result = _shapes(rng)
    first = grid(rng, dtype)
    second = first if rng.integers(0, 2) else grid(rng, dtype)
    inputs = [TensorSpec(dtype, left, **first), TensorSpec(dtype, right, **second)]
    return case(rng, opcode, inputs, [TensorSpec("bool", result)])


def _select(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 3)
    mask = size if opcode == "SELECT" else (size[0], 1, size[2])
    if opcode == "SELECT" and rng.integers(0, 2):
        mask = size[:1]
    same = grid(rng, dtype)
    inputs = [
        TensorSpec("bool", mask),
        TensorSpec(dtype, size, **same),
        TensorSpec(dtype, size, **same),
    ]
    return case(rng, opcode, inputs, [TensorSpec(dtype, size, **same)])


def _bools(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 3)
    count = 1 if opcode == "LOGICAL_NOT" else 2
    inputs = [TensorSpec(dtype, size) for _ in range(count)]
    return case(rng, opcode, inputs, [TensorSpec(dtype, size)])


GROUPS = (
    *(Group(op, (*QUANTIZED, "float32"), partial(_compare, op), 8) for op in COMPARISONS),
    Group("SELECT", (*QUANTIZED, "float32"), partial(_select, "SELECT"), 4),
    Group("SELECT_V2", (*QUANTIZED, "float32"), partial(_select, "SELECT_V2"), 4),
    *(
        Group(op, ("bool",), partial(_bools, op), 3)
        for op in ("LOGICAL_AND", "LOGICAL_OR", "LOGICAL_NOT")
    ),
)
