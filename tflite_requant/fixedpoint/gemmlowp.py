"""Fixed-point exponential, reciprocal, logistic and tanh on 16- or 32-bit words.

A word of `bits` bits, `integer_bits` of them integer, stands for
raw / 2**(bits - 1 - integer_bits). Formulas: exp through a degree-4 Taylor polynomial around -1/8
on (-1/4, 0] and a product of constants exp(-2**k); reciprocals through Newton-Raphson from
48/17 - 32/17 * d. Everything takes and returns int64 arrays of raw words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from tflite_requant.fixedpoint.rounding import divide_truncated, shift_half_away


def high_mul(a, b, bits: int = 32) -> np.ndarray:
    """round(a * b / 2**(bits - 1)), ties up, saturated at the top: product of two fractions."""
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    result = (product + (1 << (bits - 2))) >> (bits - 1)
    return np.minimum(result, (1 << (bits - 1)) - 1)


def saturating_shift(raw: np.ndarray, exponent: int, bits: int = 32) -> np.ndarray:
    """raw * 2**exponent: saturated to the left, rounded with ties away from zero to the right."""
    raw = np.asarray(raw, np.int64)
    if exponent < 0:
        return shift_half_away(raw, -exponent)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return np.clip(raw << exponent, low, high)


def constant(value: float, integer_bits: int, bits: int = 32) -> int:
    """The 32-bit word nearest to a real number, saturated; a 16-bit word is that one rounded again.

    Ties go away from zero both times.
    """
    raw = math.floor(abs(value) * 2.0 ** (31 - integer_bits) + 0.5)
    raw = min(raw, 2**31 - 1) if value >= 0 else -raw
    return raw if bits == 32 else int(shift_half_away(raw, 32 - bits))


def half_sum(a, b) -> np.ndarray:
    """(a + b) / 2 rounded, ties away from zero, without overflow."""
    total = np.asarray(a, np.int64) + np.asarray(b, np.int64)
    return divide_truncated(total + np.where(total >= 0, 1, -1), 2)


def exp_on_quarter(raw: np.ndarray, bits: int = 32) -> np.ndarray:
    """exp(a) for a in [-1/4, 0), both with 0 integer bits."""
    eighth = 1 << (bits - 1 - 3)
    x = np.asarray(raw, np.int64) + eighth
    x2 = high_mul(x, x, bits)
    x3 = high_mul(x2, x, bits)
    x4 = high_mul(x2, x2, bits)
    x4_over_4 = saturating_shift(x4, -2, bits)
    third = constant(1.0 / 3.0, 0, bits)
    tail = saturating_shift(high_mul(x4_over_4 + x3, third, bits) + x2, -1, bits)
    term = constant(math.exp(-1.0 / 8.0), 0, bits)
    top = (1 << (bits - 1)) - 1
    return np.minimum(term + high_mul(term, x + tail, bits), top)


def exp_on_negative(raw: np.ndarray, integer_bits: int, bits: int = 32) -> np.ndarray:
    """exp(a) for a <= 0 with `integer_bits`; the result has 0 integer bits."""
    raw = np.asarray(raw, np.int64)
    fraction_bits = bits - 1 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    in_quarter = (raw & (quarter - 1)) - quarter
    result = exp_on_quarter(in_quarter << integer_bits, bits)
    remainder = in_quarter - raw
    for exponent in range(-2, min(integer_bits, 5)):
        factor = constant(math.exp(-(2.0**exponent)), 0, bits)
        present = (remainder & (1 << (fraction_bits + exponent))) != 0
        result = np.where(present, high_mul(result, factor, bits), result)
    if integer_bits > 5:
        result = np.where(raw < -(1 << (fraction_bits + 5)), 0, result)
    return np.where(raw == 0, (1 << (bits - 1)) - 1, result)


def one_over_one_plus(raw: np.ndarray, bits: int = 32) -> np.ndarray:
    """1 / (1 + a) for a in [0, 1], both with 0 integer bits."""
    return np.clip(_newton(raw, bits) << 1, None, (1 << (bits - 1)) - 1)


def one_minus_over_one_plus(raw: np.ndarray, bits: int = 32) -> np.ndarray:
    """(1 - a) / (1 + a) for a in [0, 1], both with 0 integer bits."""
    x = _newton(raw, bits)
    return saturating_shift(x - (1 << (bits - 1 - 2)), 2, bits)


def _newton(raw: np.ndarray, bits: int) -> np.ndarray:
    """1 / ((1 + a) / 2) with 2 integer bits, three Newton-Raphson steps."""
    top = (1 << (bits - 1)) - 1
    half_denominator = half_sum(raw, top)
    offset = constant(48.0 / 17.0, 2, bits)
    slope = constant(-32.0 / 17.0, 2, bits)
    x = offset + high_mul(half_denominator, slope, bits)
    one = 1 << (bits - 1 - 2)
    for _ in range(3):
        error = one - high_mul(half_denominator, x, bits)
        x = x + saturating_shift(high_mul(x, error, bits), 2, bits)
    return x


def logistic(raw: np.ndarray, integer_bits: int, bits: int = 16) -> np.ndarray:
    """1 / (1 + exp(-a)); the result has 0 integer bits."""
    raw = np.asarray(raw, np.int64)
    positive = one_over_one_plus(exp_on_negative(-np.abs(raw), integer_bits, bits), bits)
    top = (1 << (bits - 1)) - 1
    result = np.where(raw > 0, positive, top - positive)
    return np.where(raw == 0, 1 << (bits - 2), result)


def tanh(raw: np.ndarray, integer_bits: int, bits: int = 16) -> np.ndarray:
    """tanh(a); the result has 0 integer bits."""
    raw = np.asarray(raw, np.int64)
    negative = np.maximum(-np.abs(raw), -(1 << (bits - 1)))
    # One integer bit more reads the same word as twice the number.
    magnitude = one_minus_over_one_plus(exp_on_negative(negative, integer_bits + 1, bits), bits)
    return np.where(raw == 0, 0, np.where(raw < 0, -magnitude, magnitude))


@cache
def word_table(function: Callable[[np.ndarray, int], np.ndarray], integer_bits: int) -> np.ndarray:
    """`logistic` or `tanh` of every 16-bit word, int64; words are indices, negative ones too."""
    words = np.arange(1 << 16).astype(np.uint16).view(np.int16)
    return function(words, integer_bits)


def leading_zeros(values: np.ndarray) -> np.ndarray:
    """Leading zero bits of a 32-bit word; values: integers in 1 .. 2**32 - 1."""
    return 32 - np.frexp(np.asarray(values, np.float64))[1].astype(np.int64)


def reciprocal(values: np.ndarray, integer_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """(raw, bits over unit): 1 / value = raw / 2**31 / 2**(bits over unit).

    values: positive raw 32-bit words with `integer_bits`; raw has 0 integer bits.
    """
    values = np.asarray(values, np.int64)
    headroom = leading_zeros(values)
    shifted = (values << headroom) - (1 << 31)
    return one_over_one_plus(shifted), integer_bits - headroom


def reciprocal_of(value: int, integer_bits: int) -> tuple[int, int]:
    """As `reciprocal`, of one number in 1 .. 2**32 - 1; arrays of one take ten times as long."""
    headroom = 32 - value.bit_length()
    top, two = (1 << 31) - 1, 1 << 29
    half_denominator = ((value << headroom) - (1 << 31) + top + 1) >> 1
    x = constant(48.0 / 17.0, 2) + _high(half_denominator, constant(-32.0 / 17.0, 2))
    for _ in range(3):
        step = _high(x, two - _high(half_denominator, x)) << 2
        x += max(-top - 1, min(step, top))
    return min(x << 1, top), integer_bits - headroom


def _high(a: int, b: int) -> int:
    """As `high_mul`, of factors that are not both the least."""
    return (a * b + (1 << 30)) >> 31


def log_at_least_one(raw: np.ndarray, integer_bits: int, output_bits: int) -> np.ndarray:
    """log(a) for a >= 1 with `integer_bits`; the result has `output_bits`; words of 32 bits.

    a = r * 2**k with r around sqrt(sqrt(1/2)); log r through a rational function of r minus that
    number, k * log 2 added with one more integer bit.
    """
    z = np.asarray(raw, np.int64)
    root = math.sqrt(math.sqrt(2.0))
    sqrt_half, middle = constant(math.sqrt(0.5), 0), constant(math.sqrt(math.sqrt(0.5)), 0)
    fraction = 31 - (output_bits + 1)
    quarter = 1 << (fraction - 2)
    r, power = _reduced_argument(z, integer_bits, sqrt_half, fraction, quarter)
    p = half_sum(r, middle)
    q = 2 * (r - middle)
    square = high_mul(q, q)
    numerator = high_mul(q, r) + high_mul(high_mul(q, square), constant(11.0 / 240.0 * root, 0))
    inner = constant(2.0 / root - root, 0) + q + high_mul(constant(root / 20.0, 0), square)
    denominator = high_mul(p, inner) + high_mul(constant(root / 4.0, 0), q)
    quotient = high_mul(shift_half_away(numerator, output_bits + 1), one_over_one_plus(denominator))
    return saturating_shift(high_mul(power, constant(math.log(2.0), 0)) + quotient, 1)


def _reduced_argument(z, integer_bits, sqrt_half, fraction, quarter):
    """(r, exponent): the smaller of two scalings of z, and the larger of their exponents."""
    headroom = leading_zeros(z)
    scaled = np.minimum(z << (headroom - 1), 2**31 - 1)
    first = saturating_shift(high_mul(scaled, sqrt_half), 1)
    first_power = ((integer_bits - headroom) << fraction) + quarter
    other_headroom = leading_zeros(high_mul(z, sqrt_half)) - 1
    second = np.minimum(z << other_headroom, 2**31 - 1)
    second_power = ((integer_bits - other_headroom) << fraction) - quarter
    return np.minimum(first, second), np.maximum(first_power, second_power)


def inverse_sqrt_multiplier(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(multiplier, shift) with multiplier * 2**(shift - 31) near 1 / sqrt(value); int64 arrays.

    values: integers in 0 .. 2**31 - 1; 0 and 1 both give the largest multiplier. Five
    Newton-Raphson steps x = x * (3 - a * x * x) / 2 from x = 1, on words with 3 integer bits.
    """
    values = np.asarray(values, np.int64)
    small = values <= 1
    a = np.where(small, 2, values)
    down = np.full(a.shape, 11, np.int64)
    for _ in range(2):
        large = a >= 1 << 29
        a, down = np.where(large, a // 4, a), down + large
    pairs = (leading_zeros(a) - 1) // 2 - 1
    a, down = a << (2 * pairs), down - pairs
    half = saturating_shift(a >> 1, -1)
    x = np.full(a.shape, 1 << 28, np.int64)
    for _ in range(5):
        cube = saturating_shift(high_mul(high_mul(x, x), x), 6)
        x = saturating_shift(high_mul((1 << 28) + (1 << 27), x) - high_mul(half, cube), 3)
    multiplier = high_mul(x, constant(math.sqrt(2.0) / 2.0, 0))
    multiplier = multiplier << np.maximum(-down, 0)
    shift = -np.maximum(down, 0)
    return np.where(small, 2**31 - 1, multiplier), np.where(small, 0, shift)
