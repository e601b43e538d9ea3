"""Fixed-point functions: constants, accuracy, ends of their ranges, and a scalar restatement."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from exact import half_away, half_up
from hypothesis import example, given
from hypothesis import strategies as st

from tflite_requant.fixedpoint import gemmlowp

RNG = np.random.default_rng(11)


@given(a=st.integers(-(2**15), 2**15 - 1), b=st.integers(-(2**15), 2**15 - 1))
def test_high_mul_of_16_bit_words(a, b):
    assert int(gemmlowp.high_mul(a, b, 16)) == min(half_up(Fraction(a * b, 2**15)), 2**15 - 1)


@given(value=st.integers(-(2**31), 2**31 - 1), exponent=st.integers(-31, 31))
def test_saturating_shift(value, exponent):
    exact = half_away(Fraction(value) * Fraction(2) ** exponent)
    expected = min(max(exact, -(2**31)), 2**31 - 1)
    assert int(gemmlowp.saturating_shift(value, exponent)) == expected


@pytest.mark.parametrize(
    ("value", "integer_bits", "expected"),
    [
        (math.exp(-0.25), 0, 1672461947),
        (math.exp(-1 / 8), 0, 1895147668),
        (1 / 3, 0, 715827883),
        (48 / 17, 2, 1515870810),
        (-32 / 17, 2, -1010580540),
        (math.exp(-16), 0, 242),
        (1.0, 0, 2**31 - 1),
    ],
)
def test_constants(value, integer_bits, expected):
    assert gemmlowp.constant(value, integer_bits) == expected


def test_16_bit_constants_are_32_bit_ones_rounded_again():
    assert gemmlowp.constant(48 / 17, 2, 16) == half_away(Fraction(1515870810, 2**16))


@pytest.mark.parametrize(
    ("bits", "integer_bits", "tolerance"), [(32, 5, 5e-7), (16, 3, 3e-4), (16, 4, 3e-4)]
)
def test_exp_is_accurate(bits, integer_bits, tolerance):
    unit = 2.0 ** (bits - 1 - integer_bits)
    raw = RNG.integers(-(2 ** (bits - 1)), 1, 20000)
    result = gemmlowp.exp_on_negative(raw, integer_bits, bits) / 2.0 ** (bits - 1)
    assert np.abs(result - np.exp(raw / unit)).max() < tolerance


def test_exp_of_zero_is_the_largest_word():
    assert int(gemmlowp.exp_on_negative(0, 5)) == 2**31 - 1


@pytest.mark.parametrize(("bits", "tolerance"), [(32, 4e-9), (16, 2e-4)])
def test_reciprocals_are_accurate(bits, tolerance):
    raw = RNG.integers(0, 2 ** (bits - 1), 20000)
    a = raw / 2.0 ** (bits - 1)
    one_over = gemmlowp.one_over_one_plus(raw, bits) / 2.0 ** (bits - 1)
    assert np.abs(one_over - 1 / (1 + a)).max() < tolerance
    ratio = gemmlowp.one_minus_over_one_plus(raw, bits) / 2.0 ** (bits - 1)
    assert np.abs(ratio - (1 - a) / (1 + a)).max() < 2 * tolerance


@pytest.mark.parametrize("integer_bits", [3, 4])
def test_logistic_and_tanh_on_all_words(integer_bits):
    raw = np.arange(-32768, 32768)
    x = raw / 2.0 ** (15 - integer_bits)
    logistic = gemmlowp.logistic(raw, integer_bits)
    tanh = gemmlowp.tanh(raw, integer_bits)
    assert np.abs(logistic - 32768 / (1 + np.exp(-x))).max() < 8
    assert np.abs(tanh - 32768 * np.tanh(x)).max() < 12
    assert logistic[32768] == 16384
    assert tanh[32768] == 0
    np.testing.assert_array_equal(tanh[32769:], -tanh[1:32768][::-1])


@given(st.integers(1, 2**31 - 1))
def test_reciprocal_of_a_sum(value):
    raw, over_unit = gemmlowp.reciprocal(np.int64(value), 12)
    exact = Fraction(2**19, value)
    ours = Fraction(int(raw), 2**31) / Fraction(2) ** int(over_unit)
    assert abs(ours / exact - 1) < 1e-8


@given(st.integers(1, 2**32 - 1))
@example(1)
@example(2**31)
@example(2**32 - 1)
def test_reciprocal_of_one_number(value):
    raw, over_unit = gemmlowp.reciprocal(np.int64(value), 12)
    assert gemmlowp.reciprocal_of(value, 12) == (int(raw), int(over_unit))


@given(st.integers(1, 2**32 - 1))
def test_leading_zeros(value):
    assert int(gemmlowp.leading_zeros(np.int64(value))) == 32 - value.bit_length()


def test_log_is_accurate():
    raw = np.concatenate([[2**19, 2**19 + 1, 2**31 - 1], RNG.integers(2**19, 2**31, 20000)])
    result = gemmlowp.log_at_least_one(raw, 12, 5) / 2.0**26
    assert np.abs(result - np.log(raw / 2.0**19)).max() < 1e-6


def test_inverse_square_roots():
    values = np.concatenate([np.arange(2, 3000), RNG.integers(2, 2**31, 20000)])
    multiplier, shift = gemmlowp.inverse_sqrt_multiplier(values)
    ours = multiplier * 2.0 ** (shift - 31.0)
    assert np.abs(ours * np.sqrt(values) - 1).max() < 1e-4
    first, none = gemmlowp.inverse_sqrt_multiplier(np.array([0, 1]))
    assert first.tolist() == [2**31 - 1] * 2
    assert none.tolist() == [0, 0]
