"""RESIZE_BILINEAR with weights in units of 1/2048, their products rounded by 22 bits, ties up."""

from __future__ import annotations

import numpy as np

from tflite_requant.kernels._types import Attributes

BITS = 11


def resized(data: np.ndarray, height: int, width: int, attributes: Attributes) -> np.ndarray:
    """NHWC integers resized; the input's dtype."""
    y = _places(data.shape[1], height, attributes)
    x = _places(data.shape[2], width, attributes)
    total = sum(
        data[:, rows][:, :, columns].astype(np.int64) * wy[:, None, None] * wx[:, None]
        for rows, wy in y
        for columns, wx in x
    )
    return ((total + (1 << (2 * BITS - 1))) >> (2 * BITS)).astype(data.dtype)


def _places(size: int, out: int, attributes: Attributes):
    """((lower index, its weight), (upper index, its weight)) of each output index."""
    one = np.float32
    inner = 1 if attributes.get("align_corners") and out > 1 else 0
    scale = one(size - inner) / one(out - inner)
    position = np.arange(out).astype(np.float32) * scale
    if attributes.get("half_pixel_centers"):
        position = position + (one(0.5) * scale - one(0.5))
    position = np.clip(position, one(0), one(size - 1))
    lower = position.astype(np.int64)
    upper = np.minimum(lower + 1, size - 1)
    fraction = np.rint((position - lower.astype(np.float32)) * one(1 << BITS)).astype(np.int64)
    return (lower, (1 << BITS) - fraction), (upper, fraction)
