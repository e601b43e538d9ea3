"""L2_NORMALIZATION along the last axis; 8-bit output in units of 1/128 around zero."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.gemmlowp import inverse_sqrt_multiplier
from tflite_requant.fixedpoint.multiplier import INTEGER_RESCALES
from tflite_requant.fixedpoint.ranges import saturate
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    if data.dtype.kind == "f":
        yield "output", _real(data.integers)
        return
    centred = centred32(data).astype(np.int64)
    accumulator = (centred * centred).sum(axis=-1, keepdims=True)
    yield "accumulator", accumulator
    multiplier, shift = inverse_sqrt_multiplier(accumulator)
    rescaled = INTEGER_RESCALES[arithmetic.rescaling(output.dtype).rounding]
    if output.dtype == "uint8":
        yield "output", saturate(128 + rescaled(128 * centred, multiplier, shift), np.uint8)
    else:
        yield "output", saturate(rescaled(centred, multiplier, shift + 7), output.numpy)


def _real(values: np.ndarray) -> np.ndarray:
    total = np.zeros((*values.shape[:-1], 1), np.float32)
    for i in range(values.shape[-1]):  # in element order, as a float sum depends on it
        total += values[..., i : i + 1] * values[..., i : i + 1]
    return values / np.maximum(np.sqrt(total), np.float32(1e-6))
