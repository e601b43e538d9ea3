"""DIV, FLOOR_DIV, FLOOR_MOD, POW and SQUARED_DIFFERENCE, LOGICAL_AND, LOGICAL_OR."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.ranges import saturate, wrap32
from tflite_requant.fixedpoint.rounding import divide_truncated
from tflite_requant.kernels import _activation
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._addition import integer_bounds
from tflite_requant.kernels._rescale import rescale
from tflite_requant.kernels._types import Attributes, KernelError, Operands, QArray, Stage


def divide(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    first, second = _plain(operands)
    if first.dtype.kind == "f":
        with np.errstate(all="ignore"):
            yield "output", _activation.clamp_real(first / second, attributes)
        return
    _no_zero(second)
    quotient = divide_truncated(first, second)
    yield "output", np.clip(quotient, *integer_bounds(first.dtype, attributes)).astype(first.dtype)


def floor_divide(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    first, second = _plain(operands)
    _no_zero(second)
    if first.dtype.kind == "f":
        quotient = np.floor(first.astype(np.float64) / second.astype(np.float64))
        yield "output", quotient.astype(first.dtype)
    else:
        yield "output", np.floor_divide(first, second)


def floor_modulo(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    first, second = _plain(operands)
    _no_zero(second)
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
    rescaled = rescale(accumulator, real, rounding)
    yield "output", saturate(rescaled + output.qparams.zero_point, output.numpy)


def power(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    first, second = np.broadcast_arrays(*_plain(operands))
    if first.dtype.kind != "f":
        yield "output", np.power(first, second)
        return
    results = [
        _pow(a, b) for a, b in zip(first.ravel().tolist(), second.ravel().tolist(), strict=True)
    ]
    with np.errstate(over="ignore"):
        yield "output", np.array(results, np.float64).astype(first.dtype).reshape(first.shape)


def _pow(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan if base else math.inf


def _plain(operands: Operands) -> tuple[np.ndarray, np.ndarray]:
    return operands.inputs[0].integers, operands.inputs[1].integers


def _no_zero(divisor: np.ndarray) -> None:
    if not divisor.all():
        raise KernelError("division by 0: LiteRT refuses")
