"""Roundings of exact rationals and fixed-point steps on Python ints: what tests compare with."""

from __future__ import annotations

import math
from fractions import Fraction

HALF = Fraction(1, 2)


def half_up(value: Fraction) -> int:
    return math.floor(value + HALF)


def half_away(value: Fraction) -> int:
    return math.floor(value + HALF) if value >= 0 else -math.floor(-value + HALF)


def half_even(value: Fraction) -> int:
    return round(value)


def wrapped(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def twice_rounded(value: int, multiplier: int, shift: int, last=half_away) -> int:
    """Left shift wrapped at 32 bits, product / 2**31 rounded half up, right shift by `last`."""
    shifted = wrapped(value << (max(shift, 0) % 32))
    high = min(half_up(Fraction(shifted * multiplier, 2**31)), 2**31 - 1)
    return last(Fraction(high, 2 ** max(-shift, 0)))
