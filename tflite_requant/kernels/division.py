"""DIV: of integers, truncated; of floats; and of quantized operands by a reciprocal.

Quantized: a = x1 - z1, b = x2 - z2 > 0 (else both negated), 1 / b as a 31-bit fraction f and a
shift; a, lifted by its headroom, times f, times M of s1 / (s2 * s_out), shifted back once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.gemmlowp import leading_zeros, reciprocal
from tflite_requant.fixedpoint.multiplier import doubling_high_mul, quantize_multiplier
from tflite_requant.fixedpoint.ranges import wrap32
from tflite_requant.fixedpoint.rounding import divide_truncated, shift_half_away
from tflite_requant.kernels import _activation
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._addition import integer_bounds
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage

DIGITS = 31


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    first, second, output = operands.inputs[0], operands.inputs[1], operands.output
    if output.numpy.kind == "f":
        with np.errstate(all="ignore"):
            quotient = first.integers / second.integers
        yield "output", _activation.clamp_real(quotient, attributes)
    elif output.numpy.itemsize > 2:
        need_no_zero(second.integers)
        quotient = divide_truncated(first.integers, second.integers)
        bounds = integer_bounds(output.numpy, attributes)
        yield "output", np.clip(quotient, *bounds).astype(output.numpy)
    else:
        yield from _quantized(first, second, output, attributes)


def need_no_zero(divisor: np.ndarray) -> None:
    """Raise KernelError where a divisor holds 0."""
    if not divisor.all():
        raise KernelError("division by 0: LiteRT refuses")


def _quantized(first, second, output, attributes: Attributes) -> Iterator[Stage]:
    numerator, denominator = np.broadcast_arrays(
        centred32(first).astype(np.int64), centred32(second).astype(np.int64)
    )
    need_no_zero(denominator)
    numerator = np.where(denominator < 0, -numerator, numerator)
    fraction, digits = reciprocal(np.abs(denominator), DIGITS)
    headroom = _headroom(numerator)
    quotient = doubling_high_mul(numerator << headroom, fraction)
    yield "quotient", quotient
    product = np.float32(second.scale) * np.float32(output.qparams.scale)
    multiplier, shift = quantize_multiplier(float(np.float32(first.scale) / product))
    right = digits + headroom - int(shift)
    if (right < 0).any():
        raise KernelError("a quotient leaves 32 bits: LiteRT's shift is undefined")
    rescaled = _shifted(doubling_high_mul(quotient, multiplier), right)
    yield "rescaled", rescaled
    shifted = wrap32(rescaled + output.qparams.zero_point)
    yield "output", _activation.clamp(shifted, attributes, output)


def _headroom(values: np.ndarray) -> np.ndarray:
    """By how many bits a 32-bit word can be shifted left without loss."""
    magnitude = np.where(values < 0, -values - 1, values)
    return np.where(magnitude > 0, leading_zeros(np.maximum(magnitude, 1)) - 1, DIGITS)


def _shifted(values: np.ndarray, right: np.ndarray) -> np.ndarray:
    """values / 2**right, ties away; beyond 31 bits as x86 counts shifts, modulo 32, plus one."""
    near = shift_half_away(values, np.minimum(right, DIGITS))
    far = (values >> (right & DIGITS)) + (values > np.where(values < 0, 0, -1))
    return np.where(right > DIGITS, far, near)
