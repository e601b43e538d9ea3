"""LEAKY_RELU: rescaled by s / s_out, below zero by s * |alpha| / s_out, with the sign of alpha.

The sign is applied after the rescaling, which tells where it rounds ties up; "sign-first" before.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.lut import through_table
from tflite_requant.fixedpoint.ranges import saturate
from tflite_requant.kernels._accumulate import centred32, zero_point
from tflite_requant.kernels._quantize_real import by_ratio
from tflite_requant.kernels._rescale import rescale_by_scales
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    alpha = np.float32(attributes.get("alpha", 0.0))
    if data.dtype.kind == "f":
        yield "output", np.where(data.integers > 0, data.integers, data.integers * alpha)
        return
    law, out_scale = arithmetic.rescaling(output.dtype), output.qparams.scale
    own, sign = arithmetic.law(output.dtype), -1 if alpha < 0 else 1
    if own == "ratios-of-256":
        ratio = np.float32(data.scale) / np.float32(out_scale)
        centred = centred32(data)
        yield "output", by_ratio(centred, np.where(centred > 0, ratio, ratio * alpha), output)
        return

    def convert(values: np.ndarray) -> np.ndarray:
        centred = values.astype(np.int64) - zero_point(data)
        above = rescale_by_scales(centred, data.scale, 1.0, out_scale, law)
        first, then = (sign, 1) if own == "sign-first" else (1, sign)
        below = rescale_by_scales(first * centred, data.scale, abs(alpha), out_scale, law)
        rescaled = np.where(centred >= 0, above, then * below)
        return saturate(rescaled + output.qparams.zero_point, output.numpy)

    small = data.dtype.itemsize == 1
    yield "output", through_table(data.integers, convert) if small else convert(data.integers)
