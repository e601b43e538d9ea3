"""ABS, NEG, SQRT, RSQRT, EXP, LOG, GELU, ELU of quantized or float operands.

EXP, LOG, GELU and ELU of integers go through tables made in float32. NEG negates stored integers;
ABS rescales |q - z| by s / s_out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.c_functions import c_function
from tflite_requant.fixedpoint.gemmlowp import inverse_sqrt_multiplier
from tflite_requant.fixedpoint.multiplier import INTEGER_RESCALES, quantize_multiplier
from tflite_requant.fixedpoint.ranges import limits, saturate
from tflite_requant.fixedpoint.rational_tanh import rational_tanh
from tflite_requant.fixedpoint.transcendental import (
    elementwise,
    exp32,
    expm132,
    log32,
    tanh32,
)
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._rescale import rescale_by_scales
from tflite_requant.kernels._table import through
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage

FINE_BITS = 20  # kept below the point while int8 inverse roots are brought to the output's grid


def absolute(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    if data.qparams is None or data.dtype.itemsize > 2 or data.dtype.kind == "f":
        yield "output", np.abs(data.integers)
        return
    magnitude = np.abs(centred32(data))
    law = arithmetic.rescaling(output.dtype)
    rescaled = rescale_by_scales(magnitude, data.scale, 1.0, output.qparams.scale, law)
    yield "output", saturate(rescaled + output.qparams.zero_point, output.numpy)


def negative(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield "output", np.negative(operands.input(0).integers)


def exponential(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    data = operands.input(0)
    if data.dtype.kind == "f":
        yield "output", c_function("expf", data.integers)
    else:
        yield "output", through(data, operands.output, exp32)


def logarithm(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """Quantized operands that are not positive give the least real number of the output's grid."""
    output = operands.output
    if output.qparams is None or output.numpy.kind == "f":
        yield "output", c_function("logf", operands.input(0).integers)
        return
    steps = limits(output.numpy)[0] - output.qparams.zero_points[0]
    least = np.float32(steps) * np.float32(output.qparams.scale)
    yield "output", through(operands.input(0), output, lambda x: np.where(x <= 0, least, log32(x)))


def elu(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    rule = arithmetic.law(output.dtype)
    yield "output", through(data, output, lambda x: np.where(x < 0, expm132(x), x), rule)


def gelu(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    if operands.input(0).dtype.kind == "f":
        yield "output", _real_gelu(operands.input(0).integers, attributes)
        return
    function = _gelu_tanh if attributes.get("approximate") else _gelu
    yield "output", through(operands.input(0), operands.output, function)


def square_root(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """Quantized operands give sqrt(x) / s_out in float32, truncated."""
    data, output = operands.input(0), operands.output
    if data.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            yield "output", np.sqrt(data.integers)
        return
    one, centred = np.float32, centred32(data)
    _need_at_least_zero(centred)
    real = np.sqrt(one(data.scale) * centred.astype(np.float32)) / one(output.qparams.scale)
    shifted = np.trunc(real).astype(np.int64) + output.qparams.zero_point
    yield "output", saturate(shifted, output.numpy)


def inverse_square_root(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """int8: 1 / sqrt(q - z) in fixed point; int16: a table; 0 gives the largest output."""
    data, output = operands.input(0), operands.output
    one = np.float32
    if data.dtype.kind == "f":
        with np.errstate(all="ignore"):
            yield "output", one(1) / np.sqrt(data.integers)
        return
    centred = centred32(data)
    _need_at_least_zero(centred)
    low, high = limits(output.numpy)
    if data.dtype == np.int16:
        most = one(high) * one(output.qparams.scale)
        with np.errstate(all="ignore"):
            table = through(data, output, lambda x: np.where(x <= 0, most, one(1) / np.sqrt(x)))
        yield "output", table
        return
    rounding = arithmetic.rescaling(output.dtype).rounding
    multiplier, shift = inverse_sqrt_multiplier(np.maximum(centred, 1))
    fine = INTEGER_RESCALES[rounding](np.ones(centred.shape, int), multiplier, shift + FINE_BITS)
    real = 1.0 / float(np.sqrt(one(data.scale)) * one(output.qparams.scale))
    back, back_shift = quantize_multiplier(real)
    rescaled = INTEGER_RESCALES[rounding](fine, back, back_shift - FINE_BITS)
    result = saturate(rescaled + output.qparams.zero_point, output.numpy)
    yield "output", np.where(centred == 0, output.numpy.type(high), result)


def _need_at_least_zero(centred: np.ndarray) -> None:
    if (centred < 0).any():
        raise KernelError("the root of a negative number: LiteRT refuses")


def _gelu(x: np.ndarray) -> np.ndarray:
    one = np.float32
    argument = x * -one(math.sqrt(0.5))
    return one(0.5) * x * elementwise(math.erfc, argument).astype(np.float32)


def _real_gelu(x: np.ndarray, attributes: Attributes) -> np.ndarray:
    """Floats by their tanh approximation; for erfc LiteRT has a formula that is not known here."""
    if not attributes.get("approximate"):
        raise KernelError("GELU of float32 is computed with the option approximate only")
    one = np.float32
    inner = one(2.0 / math.sqrt(math.pi) * math.sqrt(0.5)) * (x + one(0.044715) * (x * x * x))
    return one(0.5) * x * (one(1) + rational_tanh(inner))


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    one = np.float32
    inner = one(2.0 / math.sqrt(math.pi) * math.sqrt(0.5)) * (x + one(0.044715) * x * x * x)
    return one(0.5) * x * (one(1) + tanh32(inner))
