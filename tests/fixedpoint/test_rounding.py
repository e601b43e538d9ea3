"""Roundings against exact rationals."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from exact import half_away, half_even, half_up
from hypothesis import given
from hypothesis import strategies as st

from tflite_requant.fixedpoint import ranges, rounding

REALS = st.floats(-(2.0**40), 2.0**40) | st.integers(-100, 100).map(lambda i: i / 2)
SMALL_REALS = st.floats(-(2.0**30), 2.0**30, width=32) | st.integers(-99, 99).map(lambda i: i / 2)
INTEGERS = st.integers(-(2**60), 2**60)


@pytest.mark.parametrize(
    ("ours", "exact"),
    [
        (rounding.round_half_away, half_away),
        (rounding.round_half_even, half_even),
        (rounding.round_half_up, half_up),
    ],
    ids=["away", "even", "up"],
)
@given(value=REALS, small=SMALL_REALS)
def test_reals(ours, exact, value, small):
    assert ours(np.float64(value)) == exact(Fraction(value))
    assert ours(np.float32(small)) == exact(Fraction(small))


def test_half_away_keeps_infinities_and_is_not_fooled_below_a_half():
    just_below = np.nextafter(np.float32(0.5), np.float32(0))
    assert rounding.round_half_away(just_below) == 0
    assert rounding.round_half_away(np.float32(8388607.5)) == 8388608
    with np.errstate(invalid="ignore"):
        assert rounding.round_half_away(np.float32(-np.inf)) == -np.inf


@given(value=INTEGERS, bits=st.integers(0, 61))
def test_shifts(value, bits):
    ratio = Fraction(value, 2**bits)
    assert int(rounding.shift_half_away(value, bits)) == half_away(ratio)
    assert int(rounding.shift_half_up(value, bits)) == half_up(ratio)
    assert int(rounding.shift_half_even(value, bits)) == half_even(ratio)
    assert int(rounding.shift_down(value, bits)) == math.floor(ratio)


def test_shifts_of_all_small_integers_by_a_vector_of_counts():
    values = np.arange(-128, 128)[:, None]
    bits = np.arange(0, 9)
    away = rounding.shift_half_away(values, bits)
    up = rounding.shift_half_up(values, bits)
    even = rounding.shift_half_even(values, bits)
    for i, value in enumerate(range(-128, 128)):
        for j in range(9):
            assert away[i, j] == half_away(Fraction(value, 2**j))
            assert up[i, j] == half_up(Fraction(value, 2**j))
            assert even[i, j] == half_even(Fraction(value, 2**j))


@given(value=st.integers(-(2**40), 2**40), divisor=st.integers(1, 2**20))
def test_divisions(value, divisor):
    assert int(rounding.divide_half_away(value, divisor)) == half_away(Fraction(value, divisor))
    truncated = math.trunc(Fraction(value, divisor))
    assert int(rounding.divide_truncated(value, divisor)) == truncated
    assert int(rounding.divide_truncated(value, -divisor)) == -truncated


def test_halves_of_odd_divisors_follow_c():
    """C adds half the divisor, rounded down, and truncates; both signs."""
    for divisor in range(1, 12):
        for value in range(-60, 61):
            toward = value + divisor // 2 if value > 0 else value - divisor // 2
            c = math.trunc(Fraction(toward, divisor))
            assert int(rounding.divide_half_away(value, divisor)) == c


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.9, 1),
        (-1.9, -1),
        (2147483647.0, 2147483647),
        (2147483648.0, -(2**31)),
        (-2147483649.0, -(2**31)),
        (-2147483648.5, -(2**31)),
        (math.inf, -(2**31)),
        (-math.inf, -(2**31)),
        (math.nan, -(2**31)),
    ],
)
def test_float_to_int32_as_x86_converts(value, expected):
    assert int(ranges.real_to_int32(np.float64(value))) == expected


@given(st.integers(-(2**62), 2**62))
def test_wrap_and_saturate(value):
    assert int(ranges.wrap32(np.int64(value))) == (value + 2**31) % 2**32 - 2**31
    for dtype in ("int8", "uint8", "int16"):
        low, high = ranges.limits(dtype)
        assert int(ranges.saturate(np.int64(value), dtype)) == min(max(value, low), high)


def test_largest_magnitude_counts_the_negative_end():
    assert ranges.largest_magnitude(np.array([-128, 3], np.int8)) == 128
    assert ranges.largest_magnitude(np.zeros(0, np.int8)) == 0
