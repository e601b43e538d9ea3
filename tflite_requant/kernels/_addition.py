"""What ADD and SUB share.

With t = 2 * max(s1, s2) and L = 20 bits (15 for int16): a = rescale((x1 - z1) << L, s1 / t),
b likewise, sum = a +- b, output = rescale(sum, t / (2**L * s_out)) + z_out. int16 tensors whose
scales are all powers of two may be added by shifts instead (option pot_scale_int16).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic, Rescaling
from tflite_requant.fixedpoint.lut import through_table
from tflite_requant.fixedpoint.power_of_two import SHIFTS
from tflite_requant.fixedpoint.ranges import limits, wrap32
from tflite_requant.fixedpoint.rounding import shift_half_away
from tflite_requant.kernels import _activation
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._addition_blocks import lifted_in_blocks, wrapped_in_blocks
from tflite_requant.kernels._addition_ratios import ratio_stages
from tflite_requant.kernels._rescale import effective_scale, rescale
from tflite_requant.kernels._types import Attributes, KernelError, Operands, QArray, Stage


def add_stages(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic, sign: int
) -> Iterator[Stage]:
    """ADD with sign = 1, SUB with sign = -1."""
    first, second, output = operands.inputs[0], operands.inputs[1], operands.output
    kind = output.numpy.kind
    if output.dtype in ("int8", "uint8", "int16") and output.qparams is not None:
        own = arithmetic.law(output.dtype)
        shifts = None if own == "general" else _power_of_two_shifts(operands, attributes)
        if shifts is None:
            yield from _general(first, second, output, attributes, arithmetic, sign)
        else:
            if sign > 0 and first.shape != second.shape:
                raise KernelError("ADD of int16 by shifts does not broadcast: LiteRT aborts")
            left = shift_half_away(first.integers, shifts[0])
            right = shift_half_away(second.integers, shifts[1])
            total = left + sign * right
            yield "accumulator", total
            yield "output", _activation.clamp(total, attributes, output)
    elif kind == "f":
        total = first.integers + second.integers if sign > 0 else first.integers - second.integers
        yield "output", _activation.clamp_real(total, attributes)
    else:
        with np.errstate(over="ignore"):
            total = first.integers + first.dtype.type(sign) * second.integers
        yield "output", np.clip(total, *integer_bounds(total.dtype, attributes))


def integer_bounds(dtype: np.dtype, attributes: Attributes) -> tuple[int, int]:
    """What a fused activation leaves of plain integers."""
    low, high = limits(dtype)
    real_low, real_high = _activation.REAL_BOUNDS.get(_activation.fused(attributes), (None, None))
    low = low if real_low is None else int(real_low)
    return low, high if real_high is None else int(real_high)


def _general(first, second, output, attributes, arithmetic, sign) -> Iterator[Stage]:
    own = arithmetic.law(output.dtype)
    bits = 15 if output.dtype == "int16" else 20
    common = 2.0 * max(first.scale, second.scale)
    real = common / ((1 << bits) * float(np.float32(output.qparams.scale)))
    if real >= 1.0 and (sign > 0 or arithmetic.rescaling(output.dtype).rounding not in SHIFTS):
        raise KernelError(
            f"output scale {output.qparams.scale} is too small for input scales {first.scale} and "
            f"{second.scale}: LiteRT aborts, or shifts by a negative count"
        )
    if own == "integer-ratios":
        yield from ratio_stages(first, second, output, attributes, arithmetic.bounds, sign)
        return
    law = arithmetic.rescaling(output.dtype)
    if law.scale_product == "float32-throughout":
        real = float(np.float32(real))  # no other than the quotient of floats
    plain = partial(_on_common_grid, bits=bits, common=common, law=law)
    if own not in ("", "general"):
        left, right = lifted_in_blocks(first, second, bits, common, own, plain)
    else:
        left, right = plain(first), plain(second)
    yield "left", left
    yield "right", right
    total = wrap32(left + sign * right)
    yield "accumulator", total
    rescaled = rescale(total, real, law.rounding)
    yield "rescaled", rescaled
    shifted = rescaled + output.qparams.zero_point
    if own and output.numpy.itemsize == 1:
        shifted = wrapped_in_blocks(shifted, first.shape, second.shape, own)
    yield "output", _activation.clamp(shifted, attributes, output)


def _on_common_grid(operand: QArray, bits: int, common: float, law: Rescaling) -> np.ndarray:
    zero, ratio = zero_point(operand), effective_scale(operand.scale, 1.0, common, law)

    def lift(values: np.ndarray) -> np.ndarray:
        return rescale((values.astype(np.int64) - zero) << bits, ratio, law.rounding)

    if operand.dtype.itemsize == 1:
        return through_table(operand.integers, lift)
    return lift(operand.integers)


def _power_of_two_shifts(operands: Operands, attributes: Attributes) -> tuple[int, int] | None:
    """Right shifts of both operands where int16 scales are all powers of two, else None."""
    output = operands.output
    if output.dtype != "int16" or not attributes.get("pot_scale_int16", True):
        return None
    logs = []
    for scale in (operands.inputs[0].scale, operands.inputs[1].scale, output.qparams.scale):
        log = math.log2(scale)
        if abs(log - round(log)) > 1e-3:
            return None
        logs.append(round(log))
    left, right = logs[2] - logs[0], logs[2] - logs[1]
    if min(left, right) != 0 or left < 0 or right < 0:
        raise KernelError(
            "int16 power-of-two scales: the output's must be the larger of the inputs' scales; "
            "clear pot_scale_int16"
        )
    return left, right
