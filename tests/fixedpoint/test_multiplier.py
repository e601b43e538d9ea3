"""Multipliers and the rescalings that use them, against exact rationals.

Governs A1, A2, A9 of docs/arithmetic.md.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from exact import half_away, half_up, twice_rounded, wrapped
from hypothesis import given
from hypothesis import strategies as st

from tflite_requant.fixedpoint import multiplier as m
from tflite_requant.fixedpoint import power_of_two

INT32 = st.integers(-(2**31), 2**31 - 1)
MULTIPLIERS = st.integers(2**30, 2**31 - 1) | st.just(2**30)
SHIFTS = st.integers(-31, 8)


@given(st.floats(2.0**-31, 2.0**20))
def test_quantize_multiplier_is_the_nearest(real):
    multiplier, shift = (int(v) for v in m.quantize_multiplier(real))
    assert 2**30 <= multiplier < 2**31
    error = abs(Fraction(real) - Fraction(multiplier) * Fraction(2) ** (shift - 31))
    assert error <= Fraction(2) ** (shift - 32)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)),
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (1 - 2.0**-40, (2**30, 1)),
        (2.0**-32, (2**30, -31)),
        (2.0**-33, (0, 0)),
        (0.5 + 2.0**-32, (2**30 + 1, 0)),
    ],
)
def test_quantize_multiplier_at_the_edges(real, expected):
    assert tuple(int(v) for v in m.quantize_multiplier(real)) == expected


def test_quantize_multiplier_of_a_vector_is_elementwise():
    reals = np.array([0.0, 0.3, 1.0, 7.5, 1e-12])
    multipliers, shifts = m.quantize_multiplier(reals)
    for real, multiplier, shift in zip(reals, multipliers, shifts, strict=True):
        assert (multiplier, shift) == tuple(m.quantize_multiplier(real))


@given(a=INT32, b=INT32)
def test_doubling_high_mul(a, b):
    assert int(m.doubling_high_mul(a, b)) == min(half_up(Fraction(a * b, 2**31)), 2**31 - 1)


def test_doubling_high_mul_saturates_only_at_the_corner():
    assert int(m.doubling_high_mul(-(2**31), -(2**31))) == 2**31 - 1


@given(value=INT32, multiplier=MULTIPLIERS, shift=SHIFTS)
def test_double_roundings(value, multiplier, shift):
    assert int(m.rescale_double(value, multiplier, shift)) == twice_rounded(
        value, multiplier, shift, half_away
    )
    assert int(m.rescale_double_up(value, multiplier, shift)) == twice_rounded(
        value, multiplier, shift, half_up
    )


@given(value=INT32, multiplier=MULTIPLIERS, shift=st.integers(32, 60))
def test_left_shifts_beyond_a_word_count_modulo_32(value, multiplier, shift):
    assert int(m.rescale_double(value, multiplier, shift)) == twice_rounded(
        value, multiplier, shift
    )


@given(value=INT32, multiplier=MULTIPLIERS, shift=st.integers(-31, 0))
def test_single_rounding(value, multiplier, shift):
    exact = half_up(Fraction(value * multiplier, 2 ** (31 - shift)))
    assert int(m.rescale_single(value, multiplier, shift)) == exact


@given(value=st.integers(-(2**46), 2**46), multiplier=MULTIPLIERS, shift=st.integers(-31, 7))
def test_wide_accumulators(value, multiplier, shift):
    reduced = min(half_up(Fraction(multiplier, 2**16)), 0x7FFF)
    exact = half_up(Fraction(value * reduced, 2 ** (15 - shift)))
    assert int(m.rescale_int64(value, multiplier, shift)) == wrapped(exact)


@given(value=INT32, real=st.floats(1e-9, 0.9))
def test_real_rounding(value, real):
    product = Fraction(float(value) * real)  # the one rounded float64 product
    assert int(m.rescale_real(np.int64(value), real)) == half_away(product)


# Those in blocks round by place, so a column alone is not the column of a whole.
BY_VALUE = sorted(n for n in m.INTEGER_RESCALES if not n.startswith("double-up-"))


@pytest.mark.parametrize("name", BY_VALUE)
def test_blocks_and_broadcasts_change_nothing(name):
    """Large arrays are worked off in blocks; per-channel vectors go along the last axis."""
    rng = np.random.default_rng(5)
    values = rng.integers(-(2**31), 2**31, (300, 1000), dtype=np.int64)
    reals = rng.uniform(1e-5, 0.9, 1000)
    if name in power_of_two.SHIFTS:
        reals = 2.0 ** np.ceil(np.log2(reals))
    multipliers, shifts = m.quantize_multiplier(reals)
    rescale = m.INTEGER_RESCALES[name]
    whole = rescale(values, multipliers, shifts)
    for c in (0, 17, 999):
        column = rescale(values[:, c], int(multipliers[c]), int(shifts[c]))
        np.testing.assert_array_equal(whole[:, c], column)
    alone = rescale(values, int(multipliers[0]), int(shifts[0]))
    np.testing.assert_array_equal(alone[:, 0], whole[:, 0])
    np.testing.assert_array_equal(alone[7], rescale(values[7], multipliers[0], shifts[0]))


def test_both_double_roundings_differ_at_negative_ties_only():
    values = np.arange(-8, 8)
    away = m.rescale_double(values, 2**30, 0)
    up = m.rescale_double_up(values, 2**30, 0)
    np.testing.assert_array_equal(away, up)  # shift 0: the high product's ties go up in both
    away = m.rescale_double(values * 4, 2**30, -2)
    up = m.rescale_double_up(values * 4, 2**30, -2)
    ties = (values * 2) % 4 == 2
    np.testing.assert_array_equal(away != up, ties & (values < 0))
