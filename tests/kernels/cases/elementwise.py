"""ADD, SUB, MUL, SQUARED_DIFFERENCE, MAXIMUM, MINIMUM, PRELU: two operands that broadcast."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.testing import TensorSpec

from .make import EIGHT_BIT, FUSED, QUANTIZED, Case, Group, case, grid, shape


def _shapes(rng) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast, and what they broadcast to."""
    first = list(shape(rng, 4, 1, 6))
    second = list(first)
    if rng.integers(0, 2):
        for axis in range(4):
            choice = rng.integers(0, 3)
            if choice == 0:
                first[axis] = 1
            elif choice == 1:
                second[axis] = 1
    return tuple(first), tuple(second), tuple(max(a, b) for a, b in zip(first, second, strict=True))


def _addition(opcode: str, rng, dtype: str) -> Case:
    if dtype == "int16" and rng.integers(0, 3) == 0:
        return _addition_by_shifts(opcode, rng)
    left, right, result = _shapes(rng)
    first = TensorSpec(dtype, left, **grid(rng, dtype))
    second = TensorSpec(dtype, right, **grid(rng, dtype))
    out = TensorSpec(dtype, result, **grid(rng, dtype, max(first.scale, second.scale) * 1.3))
    if rng.integers(0, 4) == 0:  # every odd sum is a tie
        second = TensorSpec(dtype, right, first.scale, second.zero_point)
        out = TensorSpec(dtype, result, first.scale * 2, out.zero_point)
    options = {"fused_activation_function": str(rng.choice(FUSED)), "pot_scale_int16": False}
    return case(rng, opcode, [first, second], [out], options)


def _addition_by_shifts(opcode: str, rng) -> Case:
    """int16 with power-of-two scales, the output's equal to the larger of the operands'."""
    size = shape(rng, 4)
    top = int(rng.integers(-14, -8))
    logs = [top, top - int(rng.integers(0, 5))]
    rng.shuffle(logs)
    first, second = (TensorSpec("int16", size, 2.0**log) for log in logs)
    out = TensorSpec("int16", size, 2.0**top)
    options = {"fused_activation_function": str(rng.choice(FUSED)), "pot_scale_int16": True}
    return case(rng, opcode, [first, second], [out], options)


def mul(rng, dtype: str) -> Case:
    left, right, result = _shapes(rng)
    first = TensorSpec(dtype, left, **grid(rng, dtype))
    second = TensorSpec(dtype, right, **grid(rng, dtype))
    size = 60.0 if dtype in EIGHT_BIT else 10000.0
    out = TensorSpec(dtype, result, **grid(rng, dtype, first.scale * second.scale * size))
    options = {"fused_activation_function": str(rng.choice(FUSED))}
    return case(rng, "MUL", [first, second], [out], options)


def squared_difference(rng, dtype: str) -> Case:
    left, right, result = _shapes(rng)
    first = TensorSpec(dtype, left, **grid(rng, dtype))
    second = TensorSpec(dtype, right, **grid(rng, dtype))
    middle = max(first.scale, second.scale) ** 2 * 60.0
    out = TensorSpec(dtype, result, **grid(rng, dtype, middle))
    return case(rng, "SQUARED_DIFFERENCE", [first, second], [out])


def _pairwise(opcode: str, rng, dtype: str) -> Case:
    left, right, result = _shapes(rng)
    same = grid(rng, dtype)
    specs = [TensorSpec(dtype, s, **same) for s in (left, right, result)]
    return case(rng, opcode, specs[:2], specs[2:])


def prelu(rng, dtype: str) -> Case:
    size = shape(rng, 4)
    data = TensorSpec(dtype, size, **grid(rng, dtype))
    slope_dtype = "int8" if dtype == "int16" else dtype
    slope = TensorSpec(slope_dtype, (1, 1, size[3]), **grid(rng, slope_dtype, 0.01))
    out = TensorSpec(dtype, size, **grid(rng, dtype, data.scale))
    drawn = rng.integers(np.iinfo(slope_dtype).min, np.iinfo(slope_dtype).max + 1, slope.shape)
    slope = TensorSpec(
        slope_dtype, None, slope.scale, slope.zero_point, data=drawn.astype(slope_dtype)
    )
    return case(rng, "PRELU", [data, slope], [out])


GROUPS = (
    Group("ADD", QUANTIZED, partial(_addition, "ADD"), 20),
    Group("SUB", QUANTIZED, partial(_addition, "SUB"), 16),
    Group("MUL", QUANTIZED, mul, 16),
    Group("SQUARED_DIFFERENCE", ("int8",), squared_difference),
    Group("MAXIMUM", QUANTIZED, partial(_pairwise, "MAXIMUM"), 4),
    Group("MINIMUM", QUANTIZED, partial(_pairwise, "MINIMUM"), 4),
    Group("PRELU", QUANTIZED, prelu),
)
