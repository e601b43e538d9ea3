"""Which scale and zero point an activation gets: numbers in, numbers out.

A grid is a dtype with a scale and a zero point. Lossless first: a legal grid stays, a shift of the
zero point between 8-bit types is exact; only then is a new scale computed, wide enough for the
old range.
"""

from __future__ import annotations

import math

import numpy as np

from tflite_requant.model import QParams, TensorType
from tflite_requant.model.dtypes import RANGES
from tflite_requant.schemes import POWER_OF_TWO, ActivationLaw

SHIFT = {("uint8", "int8"): -128, ("int8", "uint8"): 128}


def is_power_of_two(value: float) -> bool:
    """Whether a float is 2**k for an integer k."""
    return value > 0 and math.isfinite(value) and math.frexp(value)[0] == 0.5


def power_of_two_at_least(value: float) -> float:
    """The least power of two that is not below `value` (> 0)."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(1.0, exponent - 1 if mantissa == 0.5 else exponent)


def real_range(grid: TensorType) -> tuple[float, float]:
    """The real numbers of the least and greatest stored integer."""
    low, high = RANGES[grid.dtype]
    scale, zero = grid.qparams.scale, grid.qparams.zero_point
    return (low - zero) * scale, (high - zero) * scale


def shifted(grid: TensorType, dtype: str) -> TensorType | None:
    """The same grid in the other 8-bit type, integer for integer; None where that is no shift."""
    if grid.dtype == dtype:
        return grid
    shift = SHIFT.get((grid.dtype, dtype))
    if shift is None:
        return None
    zero = grid.qparams.zero_point + shift
    return TensorType(dtype, QParams((grid.qparams.scale,), (zero,)))


def is_legal(grid: TensorType, law: ActivationLaw) -> bool:
    """Whether a grid is what the law asks for."""
    return (
        grid.dtype == law.dtype
        and law.takes(grid.qparams.zero_point)
        and (law.scale != POWER_OF_TWO or is_power_of_two(grid.qparams.scale))
    )


def same_integers(old: TensorType, new: TensorType) -> bool:
    """Whether every real number of the old grid is on the new one, one stored step a step."""
    low, high = RANGES[old.dtype]
    new_low, new_high = RANGES[new.dtype]
    move = new.qparams.zero_point - old.qparams.zero_point
    return (
        old.qparams.scale == new.qparams.scale and new_low <= low + move and high + move <= new_high
    )


def can_hold(law: ActivationLaw, low: float, high: float) -> bool:
    """Whether a zero point of the law leaves integers on each side of 0 that the range reaches."""
    if law.zero_points is None:
        return True
    return any(_holds(law.dtype, zero, low, high) for zero in law.zero_points)


def _holds(dtype: str, zero: int, low: float, high: float) -> bool:
    least, greatest = RANGES[dtype]
    return (low >= 0 or zero > least) and (high <= 0 or zero < greatest)


def fit(source: TensorType, law: ActivationLaw, low: float, high: float) -> TensorType:
    """The law's grid for values that `source` stores, which lie in [low, high] (real).

    Exact where the law permits; else the least legal scale that covers the range and zero.
    """
    exact = shifted(source, law.dtype)
    if exact is not None and is_legal(exact, law):
        return exact
    least, greatest = RANGES[law.dtype]
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        zero = (law.zero_points or (0,))[0]
        return _grid(law, _allowed(law, source.qparams.scale), zero)
    if law.zero_points is None:
        scale = _allowed(law, (high - low) / (greatest - least))
        zero = int(np.clip(math.floor(least - low / scale + 0.5), least, greatest))
        return _grid(law, scale, zero)
    zeros = [zero for zero in law.zero_points if _holds(law.dtype, zero, low, high)]
    return min((_symmetric(law, zero, low, high) for zero in zeros), key=lambda g: g.qparams.scale)


def _symmetric(law: ActivationLaw, zero: int, low: float, high: float) -> TensorType:
    """The least legal scale at a zero point that can hold the range."""
    least, greatest = RANGES[law.dtype]
    above = high / (greatest - zero) if high > 0 else 0.0
    below = low / (least - zero) if low < 0 else 0.0
    return _grid(law, _allowed(law, max(above, below)), zero)


def _allowed(law: ActivationLaw, scale: float) -> float:
    # The scale is stored as float32: let a rounding down not cost the range's end.
    if law.scale == POWER_OF_TWO:
        return power_of_two_at_least(scale * (1 - 2.0**-20))
    return scale


def _grid(law: ActivationLaw, scale: float, zero: int) -> TensorType:
    scale = max(scale, float(np.finfo(np.float32).tiny))
    return TensorType(law.dtype, QParams.of(scale, zero))
