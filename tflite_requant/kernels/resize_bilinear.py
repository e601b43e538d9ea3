"""RESIZE_BILINEAR on NHWC stored integers; scales are not looked at.

uint8 and float: float32 weights. int8 and int16: positions and weights in units of 1/1024, the sum
of the four products rounded by 20 bits, ties away from zero.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.rounding import divide_truncated
from tflite_requant.kernels import _resize_11bit
from tflite_requant.kernels._types import Attributes, Operands, Stage

UNIT = 1 << 10


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0).integers
    own = arithmetic.law(str(data.dtype))
    height, width = (int(n) for n in operands.input(1).integers.reshape(-1))
    if own == "11-bit":
        yield "output", _resize_11bit.resized(data, height, width, attributes)
        return
    integer = data.dtype.kind == "i"
    place = _integer_places if integer else _real_places
    y = place(data.shape[1], height, attributes)
    x = place(data.shape[2], width, attributes)
    row_major = own == "row-major-sum"
    yield "output", _integer(data, y, x) if integer else _real(data, y, x, row_major)


def _real_places(size: int, out: int, attributes: Attributes):
    """(lower index, upper index, weight of the lower, weight of the upper) of each output index."""
    one = np.float32
    scale = one(size) / one(out)
    if attributes.get("align_corners") and out > 1:
        scale = one(size - 1) / one(out - 1)
    index = np.arange(out).astype(np.float32)
    half = attributes.get("half_pixel_centers")
    position = (index + one(0.5)) * scale - one(0.5) if half else index * scale
    lower = np.maximum(np.floor(position).astype(np.int64), 0)
    upper = np.minimum(np.ceil(position).astype(np.int64), size - 1)
    fraction = position - lower.astype(np.float32)
    return lower, upper, one(1) - fraction, fraction


def _integer_places(size: int, out: int, attributes: Attributes):
    """As `_real_places`, in units of 1/1024."""
    scale = (UNIT * size + out // 2) // out
    if attributes.get("align_corners") and out > 1:
        scale = (UNIT * (size - 1) + (out - 1) // 2) // (out - 1)
    position = np.arange(out, dtype=np.int64) * scale
    if attributes.get("half_pixel_centers"):
        position += scale // 2 - UNIT // 2
    lower = np.maximum(divide_truncated(position, UNIT), 0)
    upper = np.minimum(divide_truncated(position + UNIT - 1, UNIT), size - 1)
    fraction = position - UNIT * lower
    return lower, upper, UNIT - fraction, fraction


def _corners(data: np.ndarray, y, x):
    """(values, vertical weight, horizontal weight) of the four neighbours, in summation order."""
    for column, wx in ((x[0], x[2]), (x[1], x[3])):
        for row, wy in ((y[0], y[2]), (y[1], y[3])):
            yield data[:, row][:, :, column], wy[:, None, None], wx[:, None]


def _real(data: np.ndarray, y, x, row_major: bool) -> np.ndarray:
    """row_major: the upper row's neighbours are summed first, weights multiplied beforehand."""
    total = None
    corners = list(_corners(data, y, x))
    for values, wy, wx in [corners[i] for i in (0, 2, 1, 3)] if row_major else corners:
        real = values.astype(np.float32)
        product = real * (wy * wx) if row_major else real * wy * wx
        total = product if total is None else total + product
    if data.dtype.kind == "f":
        return total + np.float32(0)
    return (total + np.float32(0.5)).astype(np.int64).astype(data.dtype)


def _integer(data: np.ndarray, y, x) -> np.ndarray:
    total = sum(v.astype(np.int64) * wy * wx for v, wy, wx in _corners(data, y, x))
    half = np.where(total > 0, 1 << 19, -(1 << 19))
    return divide_truncated(total + half, 1 << 20).astype(data.dtype)
