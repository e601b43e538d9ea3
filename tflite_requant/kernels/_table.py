"""Functions of one quantized operand, through tables: 256 entries for 8 bits, 513 for 16."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflite_requant.fixedpoint.lut import apply_table, every, interpolate, interpolation_table
from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._types import KernelError, OutputType, QArray

Function32 = Callable[[np.ndarray], np.ndarray]


def table_8bit(
    data: QArray, output: OutputType, function: Function32, rule: str = ""
) -> np.ndarray:
    """The 256 output integers for the input integers ascending; all steps in float32.

    round(function(s * (q - z)) * (1 / s_out)) + z_out, ties away, added in float32, clipped; by
    the rule "half-even" the sum is rounded instead, ties to even.
    """
    one = np.float32
    real = one(data.scale) * (every(data.dtype) - zero_point(data)).astype(np.float32)
    with np.errstate(all="ignore"):
        scaled = function(real) * (one(1) / one(output.qparams.scale))
        zero = one(output.qparams.zero_point)
        shifted = np.rint(scaled + zero) if rule == "half-even" else round_half_away(scaled) + zero
    low, high = limits(output.numpy)
    return np.clip(np.where(np.isnan(shifted), low, shifted), low, high).astype(output.numpy)


def table_16bit(data: QArray, output: OutputType, function: Function32) -> np.ndarray:
    """The 513 samples over the whole int16 range of the input's grid, built in float32.

    Raises KernelError where the function leaves float32.
    """
    one = np.float32

    def finite(x: np.ndarray) -> np.ndarray:
        values = function(x)
        if not np.isfinite(values).all():
            raise KernelError(
                f"the function is infinite on a grid of scale {data.scale}: what LiteRT makes of "
                "that is not defined"
            )
        return values

    def ends(scale: float, zero: int) -> tuple[np.float32, np.float32]:
        return one(scale) * one(-32768 - zero), one(scale) * one(32767 - zero)

    out = ends(output.qparams.scale, output.qparams.zero_points[0])
    with np.errstate(all="ignore"):
        return interpolation_table(finite, ends(data.scale, zero_point(data)), out, np.float32)


def through(data: QArray, output: OutputType, function: Function32, rule: str = "") -> np.ndarray:
    """function on the operand's real values, on the output's grid, in its dtype.

    rule: how 8-bit results are rounded; see `table_8bit`.
    """
    if data.dtype == np.int16:
        return interpolate(data.integers, table_16bit(data, output, function)).astype(np.int16)
    return apply_table(data.integers, table_8bit(data, output, function, rule))
