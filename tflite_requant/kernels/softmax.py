"""SOFTMAX along the last axis, beta * s times the difference to the row's maximum.

8-bit input: exponentials in fixed point with 5 integer bits, their sum with 12, and a Newton
reciprocal; the output's own parameters are not used. 16-bit: two interpolated tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint import gemmlowp
from tflite_requant.fixedpoint.c_functions import c_function
from tflite_requant.fixedpoint.lut import interpolate, interpolation_table
from tflite_requant.fixedpoint.multiplier import (
    INTEGER_RESCALES,
    doubling_high_mul,
    quantize_multiplier,
)
from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.fixedpoint.rounding import shift_half_away
from tflite_requant.fixedpoint.transcendental import elementwise, exp32
from tflite_requant.kernels import _softmax_real
from tflite_requant.kernels._types import Attributes, KernelError, Operands, OutputType, Stage

INPUT_BITS = 5
SUM_BITS = 12


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    beta = float(np.float32(attributes.get("beta", 1.0)))
    if data.dtype.kind == "f":
        yield "output", _real(data.integers, np.float32(beta))
        return
    if arithmetic.law(str(data.dtype)) == "float32-table":
        yield from _softmax_real.softmax(data, output, beta)
        return
    top = data.integers.max(axis=-1, keepdims=True).astype(np.int64)
    difference = data.integers.astype(np.int64) - top
    if data.dtype == np.int16:
        yield from _stages16(difference, data.scale, beta, arithmetic)
    else:
        yield from _stages8(difference, data.scale, beta, output)


def _real(values: np.ndarray, beta: np.float32) -> np.ndarray:
    exps = c_function("expf", (values - values.max(axis=-1, keepdims=True)) * beta)
    total = np.zeros((*exps.shape[:-1], 1), np.float32)
    for i in range(exps.shape[-1]):  # in element order, as a float sum depends on it
        total += exps[..., i : i + 1]
    return exps / total


def _stages8(difference, scale: float, beta: float, output: OutputType) -> Iterator[Stage]:
    table, counted = tables(scale, beta)
    exps, inside = table[-difference], counted[-difference]
    yield "exp", exps
    total = np.where(inside, summands(exps), 0).sum(axis=-1, keepdims=True) & 0xFFFFFFFF
    yield "sum", total
    result = quotients(exps, *gemmlowp.reciprocal(total, SUM_BITS), output.numpy)
    yield "output", np.where(inside, result, limits(output.numpy)[0]).astype(output.numpy)


def summands(exps: np.ndarray) -> np.ndarray:
    """Exponentials as they are added up."""
    return shift_half_away(exps, SUM_BITS)


def quotients(exps: np.ndarray, reciprocal, over_unit, dtype) -> np.ndarray:
    """Outputs for exponentials whose sum has this reciprocal; int64.

    Raises KernelError where LiteRT aborts.
    """
    low, high = limits(dtype)
    exponent = np.asarray(over_unit) + 31 - 8 * np.dtype(dtype).itemsize
    if ((exponent < 0) | (exponent > 31)).any():
        raise KernelError("the sum of exponentials reaches 512: LiteRT aborts")
    result = shift_half_away(doubling_high_mul(exps, reciprocal), exponent) + low
    return np.minimum(result, high)  # exponentials are not negative


def tables(scale: float, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """`exponentials` of beta * scale times the difference. Raises KernelError as LiteRT aborts."""
    real = min(beta * scale * 2.0 ** (31 - INPUT_BITS), 2.0**31 - 1.0)
    multiplier, shift = (int(v) for v in quantize_multiplier(real))
    if real <= 1.0 or shift < 0:
        raise KernelError(f"beta * scale = {beta * scale} is too small: LiteRT aborts")
    lowest = -math.floor((2**INPUT_BITS - 1) * 2.0 ** (31 - INPUT_BITS) / 2.0**shift)
    return exponentials(multiplier, shift, lowest)


@cache
def exponentials(multiplier: int, shift: int, lowest: int) -> tuple[np.ndarray, np.ndarray]:
    """exp of the differences 0, -1, .. -255 (0 integer bits), and which of them are counted."""
    difference = -np.arange(256, dtype=np.int64)
    counted = difference >= lowest
    kept = np.where(counted, difference, 0)
    scaled = doubling_high_mul(kept << shift, multiplier)
    return gemmlowp.exp_on_negative(scaled, INPUT_BITS), counted


def _stages16(difference, scale: float, beta: float, arithmetic: Arithmetic) -> Iterator[Stage]:
    micro = arithmetic.law("int16") == "float32-tables"
    product = scale * beta if micro else float(np.float32(scale) * np.float32(beta))
    multiplier, shift = quantize_multiplier(product / (10.0 / 65535.0))
    rounding = arithmetic.rescaling("int16").rounding
    scaled = INTEGER_RESCALES[rounding](difference, multiplier, shift) + 32767
    exp_table, reciprocal_table = _tables16(np.float32 if micro else np.float64)
    exps = interpolate(np.clip(scaled, -32768, 32767), exp_table)
    yield "exp", exps
    total = exps.sum(axis=-1, keepdims=True)
    yield "sum", total
    headroom = gemmlowp.leading_zeros(np.maximum(total, 1))
    shifted = ((total << (headroom - 1)) + (1 << 13)) >> 14
    index = np.clip(shifted - (1 << 15) - (1 << 16), -32768, 32767)
    reciprocal = interpolate(index, reciprocal_table)
    right = 31 - headroom
    result = (exps * reciprocal + (np.int64(1) << (right - 1))) >> right
    yield "output", np.clip(result, 0, 32767).astype(np.int16)


@cache
def _tables16(kind: type) -> tuple[np.ndarray, np.ndarray]:
    """exp on [-10, 0] and 1 / (1 + x) on [0, 1], both over an output range of [-1, 1].

    kind: np.float64 with ends that are multiples of 1/65535, or np.float32 with whole ends.
    """
    if kind is np.float32:
        ends, past, unit = (-1.0, 1.0), (-10.0, 0.0), (0.0, 1.0)
        exp_table = interpolation_table(exp32, past, ends, kind)
    else:
        ends = 2.0 / 65535 * -32768, 2.0 / 65535 * 32767
        past, unit = (10.0 / 65535 * -65535, 0.0), (0.0, 1.0 / 65535 * 65535)
        exp_table = interpolation_table(lambda x: elementwise(math.exp, x), past, ends, kind)
    return exp_table, interpolation_table(lambda x: kind(1) / (kind(1) + x), unit, ends, kind)
