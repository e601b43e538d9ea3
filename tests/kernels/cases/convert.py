"""QUANTIZE, DEQUANTIZE, CAST."""

from __future__ import annotations

import numpy as np

from tflite_requant.testing import TensorSpec, one_operator_model

from .make import QUANTIZED, Case, Group, case, grid, shape, values

NUMBERS = ("float32", "int32", "int64", "uint8", "int8", "int16", "bool")


def quantize(rng, dtype: str) -> Case:
    """Reals to `dtype`, with ties, infinities and what is beyond int32."""
    size = (1, 64)
    out = TensorSpec(dtype, size, **grid(rng, dtype))
    model = one_operator_model("QUANTIZE", [TensorSpec("float32", size)], [out])
    steps = rng.integers(-40000, 40000, size) if dtype == "int16" else rng.integers(-300, 300, size)
    reals = (steps + rng.choice([0.0, 0.5, 0.25], size)).astype(np.float32) * np.float32(out.scale)
    reals[0, :4] = [np.inf, -np.inf, 1e30, -1e30]
    return Case(model, [[reals]], f"QUANTIZE to {dtype} {out.scale} {out.zero_point}")


def requantize(rng, dtype: str) -> Case:
    """`dtype` to each of the types it may become."""
    target = {
        "uint8": ["uint8", "int8"],
        "int8": ["uint8", "int8", "int16"],
        "int16": ["int8", "int16", "int32"],
    }
    other = str(rng.choice(target[dtype]))
    size = shape(rng, 3, 3, 8)
    data = TensorSpec(dtype, size, **grid(rng, dtype))
    if dtype != other and {dtype, other} <= {"uint8", "int8"} and rng.integers(0, 2):
        moved = data.zero_point + (128 if other == "uint8" else -128)
        out = TensorSpec(other, size, data.scale, moved)
    else:
        middle = data.scale * {1: 1.0, 2: 1 / 256, 4: 1 / 4096}[np.dtype(other).itemsize]
        middle *= 256 if dtype == "int16" and np.dtype(other).itemsize < 2 else 1
        out = TensorSpec(other, size, **(grid(rng, other, middle) or {"scale": middle}))
        if other == dtype and rng.integers(0, 2):  # many ties, of both kinds of rounding
            out = TensorSpec(other, size, data.scale * int(rng.choice([2, 4, 8])), out.zero_point)
    return case(rng, "QUANTIZE", [data], [out])


def _either(rng, dtype: str) -> Case:
    return quantize(rng, dtype) if rng.integers(0, 2) else requantize(rng, dtype)


def dequantize(rng, dtype: str) -> Case:
    size = shape(rng, 3, 3, 8)
    data = TensorSpec(dtype, size, **grid(rng, dtype))
    return case(rng, "DEQUANTIZE", [data], [TensorSpec("float32", size)])


def cast(rng, dtype: str) -> Case:
    size = shape(rng, 3, 3, 6)
    target = str(rng.choice([t for t in NUMBERS if t != "bool" or dtype != "float32"]))
    model = one_operator_model("CAST", [TensorSpec(dtype, size)], [TensorSpec(target, size)])
    fed = values(rng, dtype, size)
    if dtype == "float32":
        fed = (fed * rng.choice([1.0, 100.0, 1e7], size)).astype(np.float32)
    if dtype in ("int32", "int64"):
        fed = (fed * rng.choice([1, 1000, 2_000_000], size)).astype(dtype)
    return Case(model, [[fed]], f"CAST {dtype} to {target}")


GROUPS = (
    Group("QUANTIZE", QUANTIZED, _either, 24),
    Group("DEQUANTIZE", QUANTIZED, dequantize),
    Group("CAST", NUMBERS, cast, 12),
)
