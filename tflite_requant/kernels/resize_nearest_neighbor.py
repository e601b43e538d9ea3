"""RESIZE_NEAREST_NEIGHBOR: rows and columns picked by position * (in / out) in float32.

The law "corners-only" knows no half-pixel centres: it takes them for the default.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0).integers
    if arithmetic.law(operands.output.dtype) == "corners-only":
        attributes = {**attributes, "half_pixel_centers": False}
    height, width = (int(n) for n in operands.input(1).integers.reshape(-1))
    rows = _nearest(data.shape[1], height, attributes)
    columns = _nearest(data.shape[2], width, attributes)
    yield "output", data[:, rows][:, :, columns]


def _nearest(size: int, out: int, attributes: Attributes) -> np.ndarray:
    one, align = np.float32, attributes.get("align_corners")
    scale = one(size - 1) / one(out - 1) if align and out > 1 else one(size) / one(out)
    offset = one(0.5 if attributes.get("half_pixel_centers") else 0.0)
    position = (np.arange(out).astype(np.float32) + offset) * scale
    index = round_half_away(position) if align else np.floor(position)
    return np.clip(index.astype(np.int64), 0, size - 1)
