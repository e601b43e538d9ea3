"""FLOOR_DIV, FLOOR_MOD, POW, ATAN2, SQUARED_DIFFERENCE, LOGICAL_AND, LOGICAL_OR."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.c_functions import c_angle, c_power
from tflite_requant.fixedpoint.power_of_two import SHIFTS
from tflite_requant.fixedpoint.ranges import saturate, wrap32
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._rescale import rescale
from tflite_requant.kernels._types import Attributes, KernelError, Operands, QArray, Stage
from tflite_requant.kernels.division import need_no_zero


def floor_divide(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    first, second = _plain(operands)
    need_no_zero(second)
    if first.dtype.kind == "f":
        quotient = np.floor(first.astype(np.float64) / second.astype(np.float64))
        yield "output", quotient.astype(first.dtype)
    else:
        quotient = np.floor_divide(first.astype(np.int64), second)
        yield "output", _narrowed(quotient, first.dtype, first.shape == second.shape)


def _narrowed(quotients: np.ndarray, dtype: np.dtype, alike: bool) -> np.ndarray:
    """The least by -1 leaves the type: it wraps, but saturates in whole blocks of 8, as vectors do.

    alike: whether nothing was broadcast, and the element type is of 8 or 16 bits: then there are
    such blocks.
    """
    found = quotients.astype(dtype)
    if alike and dtype.itemsize < 4:
        whole = found.size // 8 * 8
        found.reshape(-1)[:whole] = saturate(quotients.reshape(-1)[:whole], dtype)
    return found


def floor_modulo(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    first, second = _plain(operands)
    if first.dtype.kind != "f":
        need_no_zero(second)
    with np.errstate(all="ignore"):
        rest = np.fmod(first, second)
    opposite = (rest != 0) & ((rest < 0) != (second < 0))
    yield "output", np.where(opposite, rest + second, rest)


def logical_and(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    yield "output", np.logical_and(operands.inputs[0].integers, operands.inputs[1].integers)


def logical_or(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    yield "output", np.logical_or(operands.inputs[0].integers, operands.inputs[1].integers)


def squared_difference(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """int8: both operands lifted by 7 bits to a common grid, the difference squared, rescaled."""
    first, second, output = operands.inputs[0], operands.inputs[1], operands.output
    if output.qparams is None or first.dtype != np.int8:
        difference = first.integers - second.integers
        yield "output", difference * difference
        return
    rounding = arithmetic.rescaling(output.dtype).rounding
    common = 2.0 * max(first.scale, second.scale)

    def lift(operand: QArray) -> np.ndarray:
        return rescale(centred32(operand).astype(np.int64) << 7, operand.scale / common, rounding)

    difference = lift(first) - lift(second)
    accumulator = wrap32(difference * difference)
    yield "accumulator", accumulator
    real = common * common / ((1 << 14) * float(np.float32(output.qparams.scale)))
    if real >= 1.0 and rounding not in SHIFTS:
        raise KernelError(
            f"output scale {output.qparams.scale} is too small for input scales {first.scale} and "
            f"{second.scale}: LiteRT aborts"
        )
    rescaled = rescale(accumulator, real, rounding)
    yield "output", saturate(rescaled + output.qparams.zero_point, output.numpy)


def power(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    first, second = _plain(operands)
    if first.dtype.kind == "f":
        yield "output", c_power(first, second)
        return
    if (second < 0).any():
        raise KernelError("a negative exponent of int32: LiteRT refuses")
    with np.errstate(over="ignore"):
        real = np.power(first.astype(np.float64), second)
    if (np.abs(real) >= 2.0**31).any():
        raise KernelError("a power beyond int32: what LiteRT makes of it depends on the shapes")
    yield "output", real.astype(first.dtype)


def angle(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield "output", c_angle(*_plain(operands))


def _plain(operands: Operands) -> tuple[np.ndarray, np.ndarray]:
    return operands.inputs[0].integers, operands.inputs[1].integers
