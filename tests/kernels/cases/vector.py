"""Cases for code that works in vector blocks: many channels, long rows, ties in most results.

Also operators that LiteRT's reference resolver does not have, and rows that end its process.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from tflite_requant.testing import TensorSpec, one_operator_model

from .activation import _table
from .make import EIGHT_BIT, FUSED, QUANTIZED, Case, Group, case, grid, index, shape, values
from .movement import expand_dims, gather, pack, reshape, reverse, slice_, squeeze
from .real import shape_of
from .weighted import _bias, _output, _weights


def _wide_shapes(rng):
    """Two shapes and their common one: equal, one a row, a column, a number, or both partial."""
    full = [int(n) for n in rng.integers(1, 4, 2)] + [int(n) for n in rng.integers(2, 40, 2)]
    if rng.integers(0, 4) == 0:
        full[3] = 1
    first, second = list(full), list(full)
    kind = int(rng.integers(0, 6))
    for axis in {1: (0, 1, 2), 2: (3,), 3: (0, 1, 2, 3), 4: (1, 2)}.get(kind, ()):
        second[axis] = 1
    if kind == 5:
        first[0], second[2] = 1, 1
    pair = (tuple(first), tuple(second))
    return (*(pair if rng.integers(0, 2) else pair[::-1]), tuple(full))


def addition(opcode: str, rng, dtype: str) -> Case:
    """Small multiples of one number in most cases: sums are ties, operands are lifted inexactly."""
    left, right, result = _wide_shapes(rng)
    middle = 0.0005 if dtype == "int16" else 0.05
    scales = [float(np.float32(middle * np.exp(rng.uniform(-2, 2)))) for _ in range(2)]
    zeros = [0 if dtype == "int16" else grid(rng, dtype)["zero_point"] for _ in range(3)]
    out_scale = max(scales) * float(rng.choice([0.5, 1, 2, 4]))
    if rng.integers(0, 4):
        unit = int(rng.integers(1, 64)) / 2.0 ** (18 if dtype == "int16" else 12)
        scales = [unit * int(rng.choice([1, 3, 5, 7])) for _ in range(2)]
        out_scale = unit * int(rng.choice([2, 4, 8]))
    out = TensorSpec(dtype, result, out_scale, zeros[2])
    inputs = [
        TensorSpec(dtype, size, s, z)
        for size, s, z in zip((left, right), scales, zeros, strict=False)
    ]
    options = {"fused_activation_function": str(rng.choice(FUSED)), "pot_scale_int16": False}
    return case(rng, opcode, inputs, [out], options)


def product(rng, dtype: str) -> Case:
    left, right, result = _wide_shapes(rng)
    middle = 2.0**-11 if dtype == "int16" else 2.0**-4
    first, second = (TensorSpec(dtype, s, **grid(rng, dtype, middle)) for s in (left, right))
    size = float(rng.choice([60.0, 1.0, 1 / 128])) * (200.0 if dtype == "int16" else 1.0)
    out = TensorSpec(dtype, result, **grid(rng, dtype, first.scale * second.scale * size))
    if rng.integers(0, 2):  # ties
        first = TensorSpec(dtype, left, middle, first.zero_point)
        second = TensorSpec(dtype, right, middle, second.zero_point)
        out_scale = middle * middle * float(rng.choice([2, 8, 64]))
        out = TensorSpec(dtype, result, out_scale, out.zero_point)
    options = {"fused_activation_function": str(rng.choice(FUSED))}
    return case(rng, "MUL", [first, second], [out], options)


def mean(rng, dtype: str) -> Case:
    """Over the image, with as many channels as classifiers have."""
    n, h, w = shape(rng, 3, 1, 8)
    channels = int(rng.integers(1, 80))
    data = TensorSpec(dtype, (n, h, w, channels), **grid(rng, dtype))
    keep = bool(rng.integers(0, 3))
    out = TensorSpec(
        dtype,
        (n, 1, 1, channels) if keep else (n, channels),
        **grid(rng, dtype, data.scale * 0.5, 0.5),
    )
    axes = index(*(rng.permutation([1, 2]) if rng.integers(0, 2) else (1, 2)))
    return case(rng, "MEAN", [data, axes], [out], {"keep_dims": keep})


def fully_connected(rng, dtype: str) -> Case:
    ties = bool(rng.integers(0, 2))
    depth = int(rng.integers(1, 9 if ties else 300))
    rows, count = int(rng.integers(1, 20)), 40
    data = TensorSpec(dtype, (rows, depth), **grid(rng, dtype))
    per_axis = dtype != "uint8" and bool(rng.integers(0, 2))
    weights = _weights(rng, dtype, (count, depth), 0, per_axis, True)
    if ties:
        scales = 2.0 ** np.round(np.log2(weights.scale))
        weights = replace(weights, scale=scales.tolist())
        data = replace(data, scale=2.0 ** round(float(np.log2(data.scale))))
    wide = dtype == "int16" and bool(rng.integers(0, 2))
    options = {"fused_activation_function": str(rng.choice(FUSED))}
    if dtype == "int16":
        options["quantized_bias_type"] = "INT64" if wide else "INT32"
    bias = _bias(rng, data, weights, count, wide) if rng.integers(0, 2) else None
    out = TensorSpec(dtype, (rows, count), **_output(rng, dtype, data, weights, depth))
    if ties:
        steps = int(rng.integers(5, 8)) + (8 if dtype == "int16" else 0)
        out = replace(out, scale=data.scale * float(np.max(weights.scale)) * 2.0**steps)
    return case(rng, "FULLY_CONNECTED", [data, weights, bias], [out], options)


def _plain(opcode: str, rng, dtype: str) -> Case:
    """Two operands without quantization."""
    size = shape(rng, 3, 1, 9)
    specs = [TensorSpec(dtype, size) for _ in range(2)]
    return case(rng, opcode, specs, [TensorSpec(dtype, size)])


def _plain_of_one(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 3, 1, 9)
    return case(rng, opcode, [TensorSpec(dtype, size)], [TensorSpec(dtype, size)])


def plain_concatenation(rng, dtype: str) -> Case:
    size = shape(rng, 2, 1, 9)
    specs = [TensorSpec(dtype, size) for _ in range(2)]
    return case(
        rng, "CONCATENATION", specs, [TensorSpec(dtype, (size[0], 2 * size[1]))], {"axis": 1}
    )


def tile(rng, dtype: str) -> Case:
    size, times, same = shape(rng, 3, 1, 4), shape(rng, 3, 1, 3), grid(rng, dtype)
    result = [a * b for a, b in zip(size, times, strict=True)]
    inputs = [TensorSpec(dtype, size, **same), index(*times)]
    return case(rng, "TILE", inputs, [TensorSpec(dtype, result, **same)])


def long_softmax(rng, dtype: str) -> Case:
    """Rows of nearly equal logits, whose exponentials sum to more than 512."""
    size = (int(rng.integers(1, 3)), int(rng.integers(600, 1100)))
    data = TensorSpec(dtype, size, **grid(rng, dtype, 0.02, 1.5))
    out = TensorSpec(dtype, size, 1 / 256, 0 if dtype == "uint8" else -128)
    model = one_operator_model("SOFTMAX", [data], [out], {"beta": 1.0})
    return Case(model, [[values(rng, dtype, size)] for _ in range(2)], f"SOFTMAX {dtype}{size}")


GROUPS = (
    Group("ADD_WIDE", QUANTIZED, partial(addition, "ADD"), 16),
    Group("SUB_WIDE", QUANTIZED, partial(addition, "SUB"), 6),
    Group("MUL_WIDE", QUANTIZED, product, 16),
    Group("MEAN_WIDE", QUANTIZED, mean, 12),
    Group("FULLY_CONNECTED_WIDE", QUANTIZED, fully_connected, 12),
    *(
        Group(f"{opcode}_PLAIN", ("float32", "int32"), partial(_plain, opcode), 3)
        for opcode in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")
    ),
    *(
        Group(opcode, ("float32",), partial(_plain_of_one, opcode), 3)
        for opcode in ("RELU", "RELU6", "ABS", "NEG")
    ),
    Group("CONCATENATION", ("float32", "int32", "int64"), plain_concatenation, 3),
    Group("RESHAPE", ("int64", "bool"), reshape, 3),
    Group("SQUEEZE", ("int64", "bool"), squeeze, 3),
    Group("EXPAND_DIMS", ("int64", "bool"), expand_dims, 3),
    Group("SHAPE", ("uint8", "int8", "int16", "int32", "int64"), shape_of, 2),
    Group("GATHER", ("int32",), gather, 4),
    Group("SLICE", ("int64", "bool"), slice_, 3),
    Group("PACK", ("int64",), pack, 3),
    Group("REVERSE_V2", ("int8",), reverse, 3),
)

# LiteRT's reference resolver has not got these, or its process ends.
BEYOND_REFERENCE = (
    Group("ELU", ("int8",), partial(_table, "ELU", 0.03), 12),
    Group("TILE", ("int8", "int16"), tile, 4),
    Group("SOFTMAX_LONG", EIGHT_BIT, long_softmax, 6),
    *(
        Group(opcode, ("float32",), partial(_plain_of_one, opcode), 3)
        for opcode in ("CEIL", "ROUND")
    ),
)
