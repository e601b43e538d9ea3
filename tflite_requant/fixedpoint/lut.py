"""Lookup tables: a function of 8-bit integers is 256 numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.fixedpoint.rounding import round_half_away


def every(dtype: np.dtype) -> np.ndarray:
    """All values of an 8-bit dtype in ascending order, int64."""
    low, high = limits(dtype)
    return np.arange(low, high + 1, dtype=np.int64)


def apply_table(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """table[value - min]; values: int8 or uint8, table: 256 entries for the values ascending."""
    unsigned = values.view(np.uint8)
    if values.dtype == np.int8:
        table = np.roll(table, -128)  # indexed by the byte, not by the number
    return table[unsigned]


def through_table(values: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """function(values), computed once for each of the 256 values of an 8-bit dtype."""
    return apply_table(values, function(every(values.dtype)))


def interpolation_table(
    function: Callable[[np.ndarray], np.ndarray],
    input_range: tuple[float, float],
    output_range: tuple[float, float],
    kind: type,
) -> np.ndarray:
    """513 int16 samples of a function over an int16 input range, for `interpolate`.

    function takes and returns `kind` (np.float32 or np.float64) arrays, and all steps are made in
    it. Samples are moved by half the error that linear interpolation makes midway, rounded.
    """
    low, high = kind(input_range[0]), kind(input_range[1])
    out_low, out_high = kind(output_range[0]), kind(output_range[1])
    steps = np.arange(512).astype(kind)
    step = kind(high - low) / kind(512)
    half = step / kind(2)
    inverse = kind(65536) / kind(out_high - out_low)
    here = function(low + steps * step) * inverse
    middle = function(low + steps * step + half) * inverse
    following = function(low + (steps + kind(1)) * step) * inverse
    sample = round_half_away(here)
    interpolated = round_half_away((following + sample) / kind(2))
    bias = round_half_away((interpolated - round_half_away(middle)) / kind(2))
    last = round_half_away(function(np.array([high], kind)) * inverse)
    table = np.concatenate([sample - bias, last])
    # A NaN takes the place of the smallest value, which C's max and min leave of it.
    return np.where(np.isnan(table), -32768, np.clip(table, -32768, 32767)).astype(np.int64)


def interpolate(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """A 513-entry table read at int16 values: nine bits index, seven interpolate; int64."""
    values = np.asarray(values, np.int64)
    index = 256 + (values >> 7)
    base = table[index]
    slope = (table[index + 1] - base).astype(np.int16).astype(np.int64)
    delta = (slope * (values & 127) + 64) >> 7
    return (base + delta).astype(np.int16).astype(np.int64)
