"""AVERAGE_POOL_2D: mean of the stored integers over the taps inside the image, ties away from zero.

Scales and zero points are not looked at; only the fused activation uses the output's.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.rounding import divide_half_away
from tflite_requant.kernels import _activation
from tflite_requant.kernels._types import Attributes, Operands, Stage
from tflite_requant.kernels._window import axes_2d, padded, tap, taps_inside, windows


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    y, x = axes_2d(data.shape, attributes["filter_height"], attributes["filter_width"], attributes)
    real = data.dtype.kind == "f"
    image = padded(data.integers.astype(np.float32 if real else np.int32), y, x, 0)
    if not real and y.kernel * x.kernel > y.out * x.out:
        total = windows(image, y, x).sum(axis=(3, 4), dtype=image.dtype)
    else:  # tap by tap, in the order that a float sum depends on
        total = np.zeros((data.shape[0], y.out, x.out, data.shape[3]), image.dtype)
        for row in range(y.kernel):
            for column in range(x.kernel):
                total += tap(image, y, x, row, column)
    yield "accumulator", total
    count = (taps_inside(y)[:, None] * taps_inside(x))[None, :, :, None]
    if real:
        yield "output", _activation.clamp_real(total / count.astype(np.float32), attributes)
        return
    yield "output", _activation.clamp(divide_half_away(total, count), attributes, output)
