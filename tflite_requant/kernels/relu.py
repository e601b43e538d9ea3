"""RELU, RELU6, RELU_N1_TO_1, RELU_0_TO_1: rescaled by s / s_out, then bounded.

Bounds are zero_point + round(bound / s_out), ties away from zero, the division in float32.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.lut import through_table
from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._activation import bounded_real, on_grid
from tflite_requant.kernels._rescale import rescale_by_scales
from tflite_requant.kernels._types import Attributes, Operands, QArray, Stage


def relu(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield from _bounded(operands, arithmetic, 0.0, None)


def relu6(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    if arithmetic.law(operands.output.dtype) == "input-grid":
        yield "output", _on_input_grid(operands.input(0), 6.0)
        return
    yield from _bounded(operands, arithmetic, 0.0, 6.0)


def relu_n1_to_1(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    yield from _bounded(operands, arithmetic, -1.0, 1.0)


def relu_0_to_1(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    yield from _bounded(operands, arithmetic, 0.0, 1.0)


def _on_input_grid(data: QArray, high: float) -> np.ndarray:
    """The stored integers between those of 0 and `high`, whatever the output's grid is."""
    zero = zero_point(data)
    largest = zero + int(round_half_away(np.float32(high) / np.float32(data.scale)))
    return np.clip(data.integers, zero, min(largest, limits(data.dtype)[1]))


def _bounded(operands: Operands, arithmetic: Arithmetic, low: float, high) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    if data.dtype.kind == "f":
        yield "output", bounded_real(data.integers, low, np.inf if high is None else high)
        return
    smallest, largest = limits(output.numpy)
    smallest = max(smallest, on_grid(low, output))
    largest = largest if high is None else min(largest, on_grid(high, output))
    law = arithmetic.rescaling(output.dtype)

    def convert(values: np.ndarray) -> np.ndarray:
        centred = values.astype(np.int64) - zero_point(data)
        rescaled = rescale_by_scales(centred, data.scale, 1.0, output.qparams.scale, law)
        shifted = rescaled + output.qparams.zero_point
        return np.minimum(np.maximum(shifted, smallest), largest).astype(output.numpy)

    small = data.dtype.itemsize == 1
    yield "output", through_table(data.integers, convert) if small else convert(data.integers)
