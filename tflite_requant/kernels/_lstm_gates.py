"""What enters the gates of an int8 LSTM: products with the weights of all gates, rescaled."""

from __future__ import annotations

import numpy as np

from tflite_requant.catalog.arithmetic import Rescaling
from tflite_requant.fixedpoint.matmul import float_type_for
from tflite_requant.fixedpoint.ranges import wrap32
from tflite_requant.kernels._accumulate import reach
from tflite_requant.kernels._rescale import effective_scale, prepared_rescale
from tflite_requant.kernels._types import KernelError, Operands, QArray, QParams

GATE_SCALE = 2.0**-12
HIDDEN = 4  # the inner tensor of what a cell shows, before a projection


class GateProducts:
    """Products of one operand with the weights of all gates, side by side, in the gates' units."""

    def __init__(self, weights: list[QArray], data: QArray, law: Rescaling, biases=()) -> None:
        count = weights[0].shape[0]
        scales = [effective_scale(data.scale, w.scale, GATE_SCALE, law) for w in weights]
        real = np.repeat(np.array(scales, np.float64), count)
        self.matrix = np.concatenate([w.integers.T for w in weights], axis=1)
        bound = reach(data) * int(np.abs(self.matrix.astype(np.int64)).sum(axis=0).max(initial=0))
        self.matrix = self.matrix.astype(float_type_for(bound))
        self.bias = np.concatenate(
            [np.zeros(count, np.int64) if b is None else b.integers.astype(np.int64)
             for b in biases or [None] * len(weights)]
        )  # fmt: skip
        self.rescale = prepared_rescale(real, law.rounding)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """values: (..., rows, in), centred integers; int64 (..., rows, gates * units)."""
        products = np.matmul(values.astype(self.matrix.dtype), self.matrix).astype(np.int64)
        return self.rescale(wrap32(products + self.bias))


def words(values: np.ndarray) -> np.ndarray:
    """Saturated to 16 bits."""
    return np.minimum(np.maximum(values, -32768), 32767)


def inner_grid(operands: Operands, number: int) -> QParams:
    """Quantization of an inner tensor. Raises KernelError where the file gives none."""
    inner = operands.intermediates
    if number >= len(inner) or inner[number].qparams is None:
        raise KernelError(f"inner tensor {number} of the LSTM has no scale")
    return inner[number].qparams
