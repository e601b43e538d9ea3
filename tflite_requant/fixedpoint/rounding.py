"""Named roundings, of reals to integers and of integers shifted right."""

from __future__ import annotations

import numpy as np


def round_half_away(values: np.ndarray) -> np.ndarray:
    """Nearest integer, ties away from zero, in the same float dtype: C's `round`."""
    values = np.asarray(values)
    whole = np.trunc(values)
    with np.errstate(invalid="ignore"):  # infinity minus infinity; infinities stay what they are
        # The remainder of a truncation is exact, so no tie is made or lost here.
        away = np.abs(values - whole) >= 0.5
    return whole + np.copysign(away, values).astype(values.dtype)


def round_half_even(values: np.ndarray) -> np.ndarray:
    """Nearest integer, ties to even, in the same float dtype: C's `rint`."""
    return np.rint(values)


def round_half_up(values: np.ndarray) -> np.ndarray:
    """Nearest integer, ties towards plus infinity, in the same float dtype."""
    values = np.asarray(values)
    whole = np.floor(values)
    return whole + (values - whole >= 0.5).astype(values.dtype)


def shift_half_away(values: np.ndarray, bits: np.ndarray | int) -> np.ndarray:
    """values / 2**bits, nearest integer, ties away from zero; int64.

    values: integers, |value| < 2**62; bits: 0..62, broadcast against values.
    """
    values = np.asarray(values, np.int64)
    bits = np.asarray(bits, np.int64)
    half = (np.int64(1) << bits) >> 1
    sign = (values >> 63) * (bits > 0)
    return (values + half + sign) >> bits


def shift_half_up(values: np.ndarray, bits: np.ndarray | int) -> np.ndarray:
    """values / 2**bits, nearest integer, ties towards plus infinity; int64."""
    values = np.asarray(values, np.int64)
    bits = np.asarray(bits, np.int64)
    half = (np.int64(1) << bits) >> 1
    return (values + half) >> bits


def shift_half_even(values: np.ndarray, bits: np.ndarray | int) -> np.ndarray:
    """values / 2**bits, nearest integer, ties to even; int64."""
    values = np.asarray(values, np.int64)
    bits = np.asarray(bits, np.int64)
    # Half of the last kept bit, less one where that bit is 0: ties then stay below it.
    odd = (values >> bits) & 1
    almost_half = ((np.int64(1) << bits) >> 1) - (bits > 0) + odd * (bits > 0)
    return (values + almost_half) >> bits


def shift_down(values: np.ndarray, bits: np.ndarray | int) -> np.ndarray:
    """values / 2**bits with the bits dropped, that is, towards minus infinity; int64."""
    return np.asarray(values, np.int64) >> np.asarray(bits, np.int64)


def divide_half_away(values: np.ndarray, divisor: np.ndarray | int) -> np.ndarray:
    """values / divisor, nearest integer, ties away from zero; int64. divisor: positive integers.

    C truncates towards zero after half the divisor was added away from zero, which for an odd
    divisor rounds the same way.
    """
    values = np.asarray(values, np.int64)
    divisor = np.asarray(divisor, np.int64)
    magnitude = (np.abs(values) + divisor // 2) // divisor
    return np.where(values < 0, -magnitude, magnitude)


def divide_truncated(values: np.ndarray, divisor: np.ndarray | int) -> np.ndarray:
    """values / divisor, the fraction dropped, as C divides; int64. divisor: nonzero integers."""
    values = np.asarray(values, np.int64)
    divisor = np.asarray(divisor, np.int64)
    magnitude = np.abs(values) // np.abs(divisor)
    return np.where((values < 0) != (divisor < 0), -magnitude, magnitude)
