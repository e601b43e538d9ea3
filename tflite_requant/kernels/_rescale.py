"""From accumulator to output integer, by the laws that an arithmetic profile names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflite_requant.catalog.arithmetic import Rescaling
from tflite_requant.fixedpoint.multiplier import (
    INTEGER_RESCALES,
    quantize_multiplier,
    rescale_real,
)
from tflite_requant.fixedpoint.power_of_two import SHIFTS, is_power_of_two
from tflite_requant.kernels._types import KernelError


def effective_scale(
    input_scale: float, weight_scale: float | np.ndarray, output_scale: float, law: Rescaling
) -> np.ndarray:
    """input_scale * weight_scale / output_scale as float64, in the precision that `law` names.

    weight_scale: a number, or a vector along the last axis.
    """
    if law.scale_product == "float64":
        product = np.float64(input_scale) * np.asarray(weight_scale, np.float64)
        return product / np.float64(output_scale)
    product = np.float32(input_scale) * np.asarray(weight_scale, np.float32)
    if law.scale_product == "float32":
        return np.asarray(product, np.float64) / np.float64(output_scale)
    return np.asarray(product / np.float32(output_scale), np.float64)


def rescale(values: np.ndarray, real: np.ndarray | float, rounding: str) -> np.ndarray:
    """values * real, rounded by name; int64. real: float64, scalar or along the last axis."""
    return prepared_rescale(real, rounding)(values)


def prepared_rescale(real: np.ndarray | float, rounding: str) -> Callable[[np.ndarray], np.ndarray]:
    """`rescale` for the same multiplier again and again."""
    if rounding == "real":
        return lambda values: rescale_real(values, real)
    if rounding == "float32-half-even":
        single = np.asarray(real).astype(np.float32)
        return lambda values: np.rint(np.asarray(values).astype(np.float32) * single).astype(
            np.int64
        )
    if rounding in SHIFTS:
        _need_powers_of_two(np.atleast_1d(real), rounding)
    multiplier, shift = quantize_multiplier(real)
    function = INTEGER_RESCALES[rounding]
    return lambda values: function(values, multiplier, shift)


def _need_powers_of_two(real: np.ndarray, rounding: str) -> None:
    exact = is_power_of_two(real)
    if not exact.all():
        channel = int(np.flatnonzero(~exact)[0])
        where = f" of channel {channel}" if real.size > 1 else ""
        found = float(real[channel])
        raise KernelError(f"multiplier {found!r}{where} is no power of two: {rounding} only shifts")


def rescale_by_scales(
    values: np.ndarray,
    input_scale: float,
    weight_scale: float | np.ndarray,
    output_scale: float,
    law: Rescaling,
) -> np.ndarray:
    """values * input_scale * weight_scale / output_scale, zero point not added; int64."""
    real = effective_scale(input_scale, weight_scale, output_scale, law)
    return rescale(values, real, law.rounding)


def leaves_words(
    input_scale: float, weight_scale: float, output_scale: float, law: Rescaling
) -> bool:
    """Whether a rescale by these scales shifts left by more bits than an int32 has."""
    _, shift = quantize_multiplier(effective_scale(input_scale, weight_scale, output_scale, law))
    return bool((shift > 31).any())
