"""Real multipliers as an integer and a shift, and accumulators multiplied by them.

A multiplier M (0 or 2**30 <= M < 2**31) with shift e stands for M * 2**(e - 31); e > 0 shifts left.
The functions `rescale_*` differ in how often and how they round; a profile names one of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflite_requant.fixedpoint.power_of_two import SHIFT_RESCALES
from tflite_requant.fixedpoint.ranges import real_to_int32
from tflite_requant.fixedpoint.rounding import round_half_away, shift_half_away, shift_half_up

CHUNK = 1 << 16  # elements of int64 that stay in the second-level cache


def quantize_multiplier(real: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """(multiplier, shift), int64 arrays of real's shape: M * 2**(e - 31) nearest to `real`.

    real: float64, not negative. Below 2**-32 (after rounding) both become 0, as TFLite's do.
    """
    real = np.asarray(real, np.float64)
    fraction, exponent = np.frexp(real)
    multiplier = round_half_away(fraction * 2.0**31).astype(np.int64)
    shift = exponent.astype(np.int64)
    overflow = multiplier == 2**31
    multiplier = np.where(overflow, 2**30, multiplier)
    shift = np.where(overflow, shift + 1, shift)
    tiny = shift < -31
    return np.where(tiny, 0, multiplier), np.where(tiny, 0, shift)


def doubling_high_mul(a: np.ndarray, b: np.ndarray | int) -> np.ndarray:
    """round(a * b / 2**31), ties up, saturated: the high half of the doubled product; int64.

    a, b: integers within int32.
    """
    a = np.asarray(a, np.int64)
    product = (a * b + (1 << 30)) >> 31
    return np.minimum(product, 2**31 - 1)


def rescale_double(
    values: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """Rounded twice: doubling high multiplication (ties up), then right shift (ties away); int64.

    values: integers within int32. A left shift happens first and wraps at 32 bits; as on x86,
    its count is taken modulo 32. multiplier and shift broadcast against values.
    """
    return _two_steps(values, multiplier, shift, ties_away=True)


def rescale_double_up(
    values: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """As `rescale_double`, but ties of the right shift go towards plus infinity."""
    return _two_steps(values, multiplier, shift, ties_away=False)


def rescale_single(
    values: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """Rounded once, ties towards plus infinity: (values * M + 2**(30 - e)) >> (31 - e); int64.

    values: integers within int32; shift: -31..30.
    """
    return _once(values, multiplier, 31 - np.asarray(shift, np.int64))


def rescale_int64(
    values: np.ndarray, multiplier: np.ndarray | int, shift: np.ndarray | int
) -> np.ndarray:
    """For 48-bit accumulators: the multiplier is rounded to 16 bits, the product rounded once.

    values: integers, |value| < 2**47; shift: -31..14. int64, wrapped at 32 bits.
    """
    multiplier = np.asarray(multiplier, np.int64)
    reduced = np.where(multiplier < 0x7FFF0000, (multiplier + (1 << 15)) >> 16, 0x7FFF)
    result = _once(values, reduced, 15 - np.asarray(shift, np.int64))
    return result.astype(np.int32).astype(np.int64)


def rescale_real(values: np.ndarray, real: np.ndarray | float) -> np.ndarray:
    """round(values * real) in float64, ties away from zero; int64.

    Out of int32's range the result is -2**31, as x86 converts.
    """
    product = np.asarray(values).astype(np.float64) * real
    return real_to_int32(round_half_away(product)).astype(np.int64)


def rescale_in_blocks(size: int, flat: bool) -> Callable[..., np.ndarray]:
    """As vector code rounds: "double-up" in whole blocks of `size`, "double" in what is left over.

    Blocks are of channels (the last axis), or of the elements of the whole array if `flat`.
    """

    def rescale_blocks(values, multiplier, shift) -> np.ndarray:
        values, multiplier, shift = np.asarray(values), np.asarray(multiplier), np.asarray(shift)
        shape = values.shape
        if flat:
            values = values.reshape(-1)
            multiplier, shift = (
                v if v.ndim == 0 else np.broadcast_to(v, shape).reshape(-1)
                for v in (multiplier, shift)
            )
        count = values.shape[-1]
        out = np.empty(values.shape, np.int64)
        ends = (0, count // size * size, count)
        for function, first, last in zip(
            (rescale_double_up, rescale_double), ends[:2], ends[1:], strict=True
        ):
            at = slice(first, last)
            part, m, e = (
                v[..., at] if v.ndim and v.shape[-1] == count else v
                for v in (values, multiplier, shift)
            )
            out[..., at] = function(part, m, e)
        return out.reshape(shape)

    return rescale_blocks


INTEGER_RESCALES: dict[str, Callable[..., np.ndarray]] = {
    "double": rescale_double,
    "double-up": rescale_double_up,
    "double-up-8-channels": rescale_in_blocks(8, flat=False),
    "double-up-16-channels": rescale_in_blocks(16, flat=False),
    "double-up-16-elements": rescale_in_blocks(16, flat=True),
    "single": rescale_single,
    "int64": rescale_int64,
    **SHIFT_RESCALES,
}


def _once(values: np.ndarray, multiplier, total: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.int64)
    return (values * multiplier + ((np.int64(1) << total) >> 1)) >> total


def _two_steps(values, multiplier, shift, ties_away: bool) -> np.ndarray:
    values = np.asarray(values)
    multiplier = np.asarray(multiplier, np.int64)
    shift = np.asarray(shift, np.int64)
    if values.size <= CHUNK or multiplier.ndim > 1 or values.ndim == 0:
        return _two_steps_at_once(values, multiplier, shift, ties_away)
    # Row blocks: ten passes over an array are cheap only while it stays in the cache.
    rows = values.reshape(-1, values.shape[-1]) if multiplier.size > 1 else values.reshape(-1, 1)
    out = np.empty(rows.shape, np.int64)
    step = max(1, CHUNK // rows.shape[1])
    for start in range(0, rows.shape[0], step):
        block = rows[start : start + step]
        out[start : start + step] = _two_steps_at_once(block, multiplier, shift, ties_away)
    return out.reshape(values.shape)


def _two_steps_at_once(values, multiplier, shift, ties_away: bool) -> np.ndarray:
    left = np.maximum(shift, 0) & 31
    if left.any():
        values = (values.astype(np.int64) << left).astype(np.int32)
    high = values.astype(np.int64) * multiplier
    high += 1 << 30
    high >>= 31
    right = np.maximum(-shift, 0)
    shifted = shift_half_away if ties_away else shift_half_up
    return shifted(high, right) if right.any() else high
