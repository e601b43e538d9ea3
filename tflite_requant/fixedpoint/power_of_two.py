"""Accumulators times a power of two: nothing but a shift, rounded by name.

`rescale_shift_*` take the multiplier and shift that `quantize_multiplier` makes of a real number,
so that they stand beside the other rescalings: M * 2**(e - 31) with M = 2**30, hence 2**(e - 1).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from tflite_requant.fixedpoint.rounding import (
    shift_down,
    shift_half_away,
    shift_half_even,
    shift_half_up,
)

POWER_OF_TWO = 1 << 30  # the multiplier of every power of two
FLOAT32_NOISE = 2.0**-22  # of a ratio of float32 scales, as far as these can hold it
DEEPEST = 61  # bits; a shift this deep leaves nothing but the sign of a 48-bit accumulator

SHIFTS: dict[str, Callable[..., np.ndarray]] = {
    "shift-half-up": shift_half_up,
    "shift-half-even": shift_half_even,
    "shift-half-away": shift_half_away,
    "shift-truncate": shift_down,
}


def is_power_of_two(real: np.ndarray | float) -> np.ndarray:
    """Which positive float64 numbers are exactly 2**k for a whole k; bool array of real's shape."""
    return np.frexp(np.asarray(real, np.float64))[0] == 0.5


def told_shifts(real: np.ndarray | float) -> tuple[np.ndarray, bool]:
    """The shifts of multipliers as people read them, positive to the left; and what they say.

    real: positive float64 (n,). True with k where each is 2**k, as closely as ratios of float32
    scales can say; else False with the k of M * 2**k, M in [0.5, 1). Shifts: int64 (n,).
    """
    fraction, exponent = np.frexp(np.asarray(real, np.float64))
    exponent = exponent.astype(np.int64)
    above = np.abs(2 * fraction - 1) <= FLOAT32_NOISE
    if (above | (np.abs(fraction - 1) <= FLOAT32_NOISE)).all():
        return exponent - above, True
    return exponent, False


def rescale_shift(
    values: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int, rounding: str
) -> np.ndarray:
    """values * 2**(shift - 1), rounded where that shifts right by a name of SHIFTS; int64.

    values: integers, |value| < 2**47; multiplier: POWER_OF_TWO, or 0 for less than 2**-32;
    shift: -31..14; both broadcast against values. Raises ValueError for another multiplier.
    """
    multiplier = np.asarray(multiplier, np.int64)
    if not np.isin(multiplier, (0, POWER_OF_TWO)).all():
        raise ValueError("a multiplier is no power of two")
    left = np.where(multiplier == 0, -DEEPEST, np.asarray(shift, np.int64) - 1)
    values = np.asarray(values, np.int64) << np.maximum(left, 0)
    return SHIFTS[rounding](values, np.maximum(-left, 0))


SHIFT_RESCALES: dict[str, Callable[..., np.ndarray]] = {
    name: partial(rescale_shift, rounding=name) for name in SHIFTS
}
