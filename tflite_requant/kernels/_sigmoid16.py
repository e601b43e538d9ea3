"""How LOGISTIC and TANH bring int16 input to the grid of the sigmoid table."""

from __future__ import annotations

import math

import numpy as np

from tflite_requant.kernels._types import QArray


def lifted(data: QArray, power_of_two_shifts: tuple[int, ...]) -> np.ndarray:
    """Integers in units of 1 / 12288, int64.

    Input scales 2**(shift - 12) for the shifts named are multiplied by 3 << shift exactly; any
    other scale by scale * 12288, doubled until it needs 15 bits, truncated, and rounded back.
    """
    values = data.integers.astype(np.int64)
    log = math.log2(data.scale)
    shift = round(log) + 12
    if abs(log - round(log)) < 1e-3 and shift in power_of_two_shifts:
        return values * (3 << shift)
    multiplier, left = data.scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and left <= 30:
        multiplier *= 2.0
        left += 1
    rounding = (1 << (left - 1)) if left else 0
    product = values * int(multiplier) + rounding
    return product.astype(np.int32).astype(np.int64) >> left
