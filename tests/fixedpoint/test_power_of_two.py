"""Rescaling by shifts, against exact rationals. Governs A4 of docs/arithmetic.md."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from exact import half_away, half_even, half_up
from hypothesis import given
from hypothesis import strategies as st

from tflite_requant.fixedpoint import power_of_two as p
from tflite_requant.fixedpoint.multiplier import INTEGER_RESCALES, quantize_multiplier

EXACT = {
    "shift-half-up": half_up,
    "shift-half-even": half_even,
    "shift-half-away": half_away,
    "shift-truncate": math.floor,
}


def test_every_shift_has_its_exact_counterpart():
    assert set(EXACT) == set(p.SHIFTS) == set(p.SHIFT_RESCALES)


@pytest.mark.parametrize("name", sorted(EXACT))
@given(value=st.integers(-(2**46), 2**46), power=st.integers(-32, 13))
def test_shifts_of_every_power(name, value, power):
    multiplier, shift = quantize_multiplier(2.0**power)
    exact = EXACT[name](Fraction(value) * Fraction(2) ** power)
    assert int(INTEGER_RESCALES[name](value, multiplier, shift)) == exact


@pytest.mark.parametrize("name", sorted(EXACT))
@given(st.integers(-300, 300))
def test_ties(name, value):
    multiplier, shift = quantize_multiplier(0.5)
    assert int(INTEGER_RESCALES[name](value, multiplier, shift)) == EXACT[name](Fraction(value, 2))


@pytest.mark.parametrize("name", sorted(EXACT))
def test_what_vanishes_leaves_its_sign_at_most(name):
    values = np.array([-(2**31), -1, 0, 1, 2**31 - 1])
    found = INTEGER_RESCALES[name](values, *quantize_multiplier(2.0**-40))
    assert found.tolist() == [EXACT[name](Fraction(int(v), 2**40)) for v in values]


@given(st.floats(2.0**-60, 2.0**60))
def test_powers_of_two_are_told_from_neighbours(real):
    exact = Fraction(real)
    single_bits = exact.numerator & (exact.numerator - 1) == 0  # the denominator always is
    assert bool(p.is_power_of_two(real)) == single_bits
    power = 2.0 ** math.frexp(real)[1]
    assert p.is_power_of_two(power)
    assert not p.is_power_of_two(np.nextafter(power, 0.0))


def test_other_multipliers_are_refused():
    with pytest.raises(ValueError, match="no power of two"):
        p.rescale_shift(np.arange(3), 2**30 + 1, 0, "shift-half-up")
