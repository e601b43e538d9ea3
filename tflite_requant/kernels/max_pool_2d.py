"""MAX_POOL_2D: largest stored integer under each window; scales are not looked at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.kernels import _activation
from tflite_requant.kernels._types import Attributes, Operands, Stage
from tflite_requant.kernels._window import axes_2d, padded, tap


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    y, x = axes_2d(data.shape, attributes["filter_height"], attributes["filter_width"], attributes)
    real = data.dtype.kind == "f"
    lowest = np.finfo(data.dtype).min if real else limits(data.dtype)[0]
    image = padded(data.integers, y, x, lowest)
    best = np.full((data.shape[0], y.out, x.out, data.shape[3]), lowest, data.dtype)
    for row in range(y.kernel):
        for column in range(x.kernel):
            seen = tap(image, y, x, row, column)
            np.copyto(best, seen, where=best < seen)  # keeps -0 and passes over NaN
    if real:
        yield "output", _activation.clamp_real(best, attributes)
        return
    clamped = _activation.clamp(best.astype(np.int32), attributes, output, arithmetic.bounds)
    yield "output", clamped
