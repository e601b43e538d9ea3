"""Constants on an activation grid: operands of ADD and MUL, PRELU slopes, PADV2 values, tables."""

from __future__ import annotations

import numpy as np

from tflite_requant.correction.rounding import round_half_away
from tflite_requant.model import QArray, TensorType
from tflite_requant.model.dtypes import RANGES


def rewrite(constant: QArray, new: TensorType, gain: float = 1.0) -> np.ndarray:
    """The constant's real values, times a gain, on a new grid: nearest integers, saturated; int64,
    same shape."""
    low, high = RANGES[new.dtype]
    same = constant.qparams.scales == new.qparams.scales and not constant.qparams.per_axis
    if same and gain == 1:
        integers = constant.centred() + new.qparams.zero_point
    else:
        steps = round_half_away(constant.real() * gain / new.qparams.scale)
        integers = steps.astype(np.int64) + new.qparams.zero_point
    return np.clip(integers, low, high)
