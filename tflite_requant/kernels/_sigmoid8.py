"""LOGISTIC and TANH of int8 in 32-bit fixed point, as TFLite Micro computes them.

The input is brought to 4 integer bits; beyond the radius there the output is an end of its range.
The output's own parameters are not looked at: it is in units of 1/256 from -128 on, or of 1/128.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflite_requant.fixedpoint import gemmlowp
from tflite_requant.fixedpoint.lut import through_table
from tflite_requant.fixedpoint.multiplier import INTEGER_RESCALES, quantize_multiplier
from tflite_requant.fixedpoint.rounding import shift_half_away
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._types import QArray

INPUT_BITS = 4


def logistic8(data: QArray, rounding: str) -> np.ndarray:
    """round(256 / (1 + exp(-x))) - 128; int8. rounding: how the input is rescaled."""
    return _through(data, rounding, gemmlowp.logistic, 8, -128)


def tanh8(data: QArray, rounding: str) -> np.ndarray:
    """round(128 * tanh(x)); int8."""
    return _through(data, rounding, gemmlowp.tanh, 7, 0)


def _through(
    data: QArray, rounding: str, function: Callable, output_bits: int, output_zero: int
) -> np.ndarray:
    multiplier, shift = quantize_multiplier(data.scale * 2.0 ** (31 - INPUT_BITS))
    top = (2**INPUT_BITS - 1) * 2.0 ** (31 - INPUT_BITS)
    radius = math.floor(top / 2.0 ** int(shift))

    def convert(values: np.ndarray) -> np.ndarray:
        centred = values - zero_point(data)
        inside = np.abs(centred) < radius
        raw = INTEGER_RESCALES[rounding](np.where(inside, centred, 0), multiplier, shift)
        found = shift_half_away(function(raw, INPUT_BITS, 32), 31 - output_bits) + output_zero
        ends = np.where(centred < 0, -128, 127)
        return np.where(inside, np.clip(found, -128, 127), ends).astype(np.int8)

    return through_table(data.integers, convert)
