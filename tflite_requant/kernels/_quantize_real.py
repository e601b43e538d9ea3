"""Floats to a grid and back as vector code does it, and integers to another grid by a ratio."""

from __future__ import annotations

import numpy as np

from tflite_requant.fixedpoint.ranges import limits, real_to_int32, wrap32
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._types import OutputType, QArray

ONE = np.float32
FRACTION = 8


def in_whole_blocks(values: np.ndarray, size: int = 8) -> np.ndarray:
    """Which elements of the flat array lie in whole blocks; bool of the array's shape."""
    index = np.arange(values.size).reshape(values.shape)
    return index < values.size // size * size


def quantized_in_blocks(values: np.ndarray, output: OutputType) -> np.ndarray:
    """Blocks of 8: round(x * (1 / s)) in float32, ties even; the rest x / s in float64, ties away.

    Beyond int32 the type's minimum.
    """
    scale = ONE(output.qparams.scale)
    with np.errstate(all="ignore"):
        vector = np.rint(values * (ONE(1) / scale)).astype(np.float64)
        scalar = round_half_away(values.astype(np.float64) / float(scale))
    rounded = real_to_int32(np.where(in_whole_blocks(values), vector, scalar))
    low, high = limits(output.numpy)
    shifted = wrap32(rounded.astype(np.int64) + output.qparams.zero_point)
    return np.clip(shifted, low, high).astype(output.numpy)


def quantized_half_even(values: np.ndarray, output: OutputType) -> np.ndarray:
    """round(x * (1 / s)) in float32, ties even, saturated; NaN becomes the type's maximum."""
    low, high = limits(output.numpy)
    zero = output.qparams.zero_point
    with np.errstate(all="ignore"):
        rounded = np.rint(values * (ONE(1) / ONE(output.qparams.scale)))
        kept = np.where(np.isnan(rounded), high - zero, np.clip(rounded, low - zero, high - zero))
    return (kept.astype(np.int64) + zero).astype(output.numpy)


def by_ratio(values: np.ndarray, ratio: np.ndarray, output: OutputType) -> np.ndarray:
    """(values * round(256 * ratio) + 128) >> 8 plus z_out, saturated.

    values: integers less their zero point; ratio: float32, broadcast against them.
    """
    multiplier = np.rint(np.asarray(ratio, np.float32) * ONE(1 << FRACTION)).astype(np.int64)
    rescaled = (values.astype(np.int64) * multiplier + (1 << (FRACTION - 1))) >> FRACTION
    low, high = limits(output.numpy)
    return np.clip(rescaled + output.qparams.zero_point, low, high).astype(output.numpy)


def dequantized_in_blocks(data: QArray) -> np.ndarray:
    """Blocks of 8: q * s + -z * s, all in float32; the rest s * (q - z), rounded once."""
    scale = ONE(data.scale)
    vector = data.integers.astype(np.float32) * scale + ONE(-zero_point(data)) * scale
    return np.where(in_whole_blocks(data.integers), vector, data.real().astype(np.float32))
