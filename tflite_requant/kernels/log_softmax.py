"""LOG_SOFTMAX along the last axis. 8 bits in fixed point: differences to the row's maximum minus
the logarithm of their exponentials' sum, with 5 integer bits, brought to units of 1/16.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint import gemmlowp
from tflite_requant.fixedpoint.c_functions import c_function
from tflite_requant.fixedpoint.multiplier import (
    INTEGER_RESCALES,
    doubling_high_mul,
    quantize_multiplier,
)
from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.fixedpoint.rounding import shift_half_away
from tflite_requant.kernels import _softmax_real
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage
from tflite_requant.kernels.softmax import INPUT_BITS, SUM_BITS, exponentials

OUTPUT_BITS = 4


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    top = data.integers.max(axis=-1, keepdims=True)
    if data.dtype.kind == "f":
        yield "output", _real(data.integers, top)
        return
    if arithmetic.law(output.dtype) == "float32-table":
        yield from _softmax_real.log_softmax(data, output)
        return
    multiplier, shift, lowest = _scaling(data.scale)
    difference = data.integers.astype(np.int64) - top
    table, counted = exponentials(multiplier, shift, lowest)
    inside = counted[-difference]
    exps = np.where(inside, shift_half_away(table[-difference], SUM_BITS), 0)
    logarithm = gemmlowp.log_at_least_one(exps.sum(axis=-1, keepdims=True), SUM_BITS, INPUT_BITS)
    yield "log_sum", logarithm
    back, back_shift = quantize_multiplier(2.0 ** (31 - shift) / multiplier)
    rescale = INTEGER_RESCALES[arithmetic.rescaling(output.dtype).rounding]
    deepest = np.maximum(lowest - 1, rescale(logarithm - 2**31, back, back_shift))
    low, high = limits(output.numpy)
    scaled = doubling_high_mul(np.where(difference > deepest, difference, 0) << shift, multiplier)
    result = shift_half_away(scaled - logarithm, 31 - INPUT_BITS - OUTPUT_BITS) + high
    kept = np.where(difference > deepest, np.clip(result, low, high), low)
    yield "output", kept.astype(output.numpy)


def _scaling(scale: float) -> tuple[int, int, int]:
    """(multiplier, left shift, smallest difference that counts), to 5 integer bits."""
    real = min(scale * 2.0 ** (31 - INPUT_BITS), 2.0**31 - 1.0)
    multiplier, shift = (int(v) for v in quantize_multiplier(real))
    if shift < 1:
        raise KernelError(f"input scale {scale} is too small: LiteRT aborts")
    lowest = -math.floor((2**INPUT_BITS - 1) * 2.0 ** (31 - INPUT_BITS) / 2.0**shift)
    return multiplier, shift, lowest


def _real(values: np.ndarray, top: np.ndarray) -> np.ndarray:
    exps = c_function("expf", values - top)
    total = np.zeros(top.shape, np.float32)
    for i in range(values.shape[-1]):  # in element order, as a float sum depends on it
        total += exps[..., i : i + 1]
    return values - top - c_function("logf", total)
