"""SOFTMAX of a few rows of 8-bit integers: all that depends on one integer comes from tables."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.engine.law import byte_shift
from tflite_requant.engine.weighted import BYTES
from tflite_requant.fixedpoint.gemmlowp import reciprocal_of
from tflite_requant.kernels import KernelError, Operands
from tflite_requant.kernels import softmax as kernel
from tflite_requant.kernels._types import Attributes

MOST_ROWS = 16  # that are looked up one by one; the plain kernel takes all at once
LONGEST = (1 << 13) - 1  # elements of a row whose sum is within 32 bits


def reader(
    operator: str, operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Callable[[np.ndarray], np.ndarray] | None:
    """The operator as a function of its data, or None where it is no such SOFTMAX."""
    data = operands.inputs[0] if len(operands.inputs) == 1 else None
    if operator != "SOFTMAX" or data is None or data.qparams is None or not data.shape:
        return None
    if str(data.dtype) not in BYTES or operands.output.dtype not in BYTES:
        return None
    if math.prod(data.shape[:-1]) > MOST_ROWS or not 0 < data.shape[-1] <= LONGEST:
        return None
    if arithmetic.law(str(data.dtype)) == "float32-table":
        return None
    try:
        beta = float(np.float32(attributes.get("beta", 1.0)))
        return Softmax(*kernel.tables(data.scale, beta), data.dtype, operands.output.numpy).read
    except KernelError:
        return None


class Softmax:
    """exps, counted: by the difference to the row's maximum, as the kernel tabulates them.

    What is not counted is as an exponential of zero: nothing is added, the least output is written.
    """

    def __init__(self, exps: np.ndarray, counted: np.ndarray, data, output) -> None:
        self._exps = np.where(counted, exps, 0)
        self._summands = kernel.summands(self._exps)
        self._flip = np.uint8(byte_shift(data))
        self._output = np.dtype(output)

    def read(self, values: np.ndarray) -> np.ndarray:
        """Outputs for data of any number of rows; raises KernelError where LiteRT aborts."""
        rows = np.bitwise_xor(values.view(np.uint8), self._flip).reshape(-1, values.shape[-1])
        found = np.empty(rows.shape, self._output)
        for row, target in zip(rows, found, strict=True):
            difference = row.max() - row
            total = int(self._summands.take(difference).sum())
            self._quotients(total).take(difference, out=target)
        return found.reshape(values.shape)

    def _quotients(self, total: int) -> np.ndarray:
        """Outputs by difference for a row whose exponentials have this sum."""
        reciprocal = reciprocal_of(total, kernel.SUM_BITS)
        return kernel.quotients(self._exps, *reciprocal, self._output).astype(self._output)
