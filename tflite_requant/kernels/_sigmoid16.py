"""How LOGISTIC and TANH bring int16 input to the grid of the sigmoid table."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflite_requant.kernels._types import QArray


def power_of_two_shift(data: QArray, shifts: tuple[int, ...]) -> int | None:
    """The one of `shifts` with which the input's scale is 2**(shift - 12), or None."""
    log = math.log2(data.scale)
    shift = round(log) + 12
    return shift if abs(log - round(log)) < 1e-3 and shift in shifts else None


def fixed_point(data: QArray, function: Callable, shifts: tuple[int, ...]) -> np.ndarray:
    """A function of 16-bit words with 3 integer bits, the input saturated there; int16."""
    raw = data.integers.astype(np.int64) << power_of_two_shift(data, shifts)
    return function(np.clip(raw, -32768, 32767), 3).astype(np.int16)


def lifted(data: QArray, power_of_two_shifts: tuple[int, ...]) -> np.ndarray:
    """Integers in units of 1 / 12288, int64.

    Input scales 2**(shift - 12) for the shifts named are multiplied by 3 << shift exactly; any
    other scale by scale * 12288, doubled until it needs 15 bits, truncated, and rounded back.
    """
    values = data.integers.astype(np.int64)
    shift = power_of_two_shift(data, power_of_two_shifts)
    if shift is not None:
        return values * (3 << shift)
    multiplier, left = data.scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and left <= 30:
        multiplier *= 2.0
        left += 1
    rounding = (1 << (left - 1)) if left else 0
    product = values * int(multiplier) + rounding
    return product.astype(np.int32).astype(np.int64) >> left
