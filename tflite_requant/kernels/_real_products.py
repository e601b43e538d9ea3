"""Sums of products of floats in the order in which LiteRT's reference kernels form them.

Every product and every sum is rounded to float32; the order decides the bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.kernels import _activation
from tflite_requant.kernels._types import Attributes, QArray, Stage
from tflite_requant.kernels._window import Axis, padded, windows

ROWS_AT_ONCE = 1 << 14


def dot(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """rows (..., n, k) times matrix (..., k, columns), summed over k from the first to the last."""
    shape = np.broadcast_shapes(rows.shape[:-2], matrix.shape[:-2])
    total = np.zeros((*shape, rows.shape[-2], matrix.shape[-1]), np.float32)
    product = np.empty_like(total)
    with np.errstate(all="ignore"):
        for k in range(rows.shape[-1]):
            np.multiply(rows[..., :, k, None], matrix[..., k, None, :], out=product)
            total += product
    return total


def convolved(image: np.ndarray, filters: np.ndarray, y: Axis, x: Axis) -> np.ndarray:
    """Convolution of an NHWC image with OHWI filters, over row, column, and channel in turn."""
    view = windows(padded(image, y, x, 0), y, x)
    matrix = filters.reshape(filters.shape[0], -1).T
    n, count = image.shape[0], matrix.shape[0]
    step = max(1, ROWS_AT_ONCE // max(1, n * x.out))
    parts = []
    for top in range(0, max(y.out, 1), step):
        part = view[:, top : top + step]
        sums = dot(part.reshape(-1, count), matrix)
        parts.append(sums.reshape(n, part.shape[1], x.out, matrix.shape[1]))
    return np.concatenate(parts, axis=1)


def real_stages(total: np.ndarray, bias: QArray | None, attributes: Attributes) -> Iterator[Stage]:
    """Sums plus bias, clamped by the fused activation."""
    yield "accumulator", total
    if bias is not None:
        total = total + bias.integers
    yield "output", _activation.clamp_real(total, attributes)
