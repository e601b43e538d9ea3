"""MEAN and SUM of 8-bit operands by other laws than the reference kernel's."""

from __future__ import annotations

import numpy as np

from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._rescale import rescale
from tflite_requant.kernels._types import OutputType, QArray

ONE = np.float32


def one_product(total: np.ndarray, data: QArray, output: OutputType, n: int) -> np.ndarray:
    """The sum times s / (n * s_out), plus z_out - round(z * s / s_out); int64.

    total: sums of stored integers, channels last; blocks of 16 channels are rounded ties up.
    """
    scale, out_scale = ONE(data.scale), ONE(output.qparams.scale)
    offset = ONE(ONE(zero_point(data)) * scale) / out_scale
    bias = int(output.qparams.zero_point) - int(round_half_away(ONE(offset)))
    real = float(scale / ONE(ONE(n) * out_scale))
    return rescale(total, real, "double-up-16-channels") + bias


def half_even(
    total: np.ndarray, data: QArray, output: OutputType, n: int, divisor: int
) -> np.ndarray:
    """round(sum * r + (z_out - n * z * r)) in float32, r = s / s_out * (1 / divisor), ties even."""
    ratio = ONE(data.scale) / ONE(output.qparams.scale) * (ONE(1) / ONE(divisor))
    offset = ONE(output.qparams.zero_point) - ONE(n * zero_point(data)) * ratio
    return np.rint(total.astype(np.float32) * ratio + offset).astype(np.int64)


def half_away(total: np.ndarray, data: QArray, output: OutputType, n: int) -> np.ndarray:
    """round(sum * r + -z * r * n) + z_out in float32, r = s / s_out, ties away from zero."""
    ratio = ONE(data.scale) / ONE(output.qparams.scale)
    offset = ONE(-zero_point(data)) * ratio * ONE(n)
    rounded = round_half_away(total.astype(np.float32) * ratio + offset)
    return rounded.astype(np.int64) + output.qparams.zero_point
