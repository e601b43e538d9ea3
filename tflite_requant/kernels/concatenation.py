"""CONCATENATION along an axis. uint8 operands of another scale are brought to the output's.

That happens in float32: round(x * c + b) + z_out with c = s * (1 / s_out), b = -z * c. int16
operands are copied whatever their scale; int8 ones must have the output's parameters.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.lut import through_table
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.kernels._types import (
    Attributes,
    KernelError,
    Operands,
    OutputType,
    QArray,
    Stage,
)


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    present = [operand for operand in operands.inputs if operand is not None]
    parts = [_on_output_grid(operand, operands.output) for operand in present]
    yield "output", np.concatenate(parts, axis=int(attributes.get("axis", 0)))


def _on_output_grid(operand: QArray, output: OutputType) -> np.ndarray:
    if operand.qparams is None or output.qparams is None or operand.qparams == output.qparams:
        return operand.integers
    if output.dtype == "uint8":
        return through_table(operand.integers, lambda x: _rescaled(x, operand, output))
    if output.dtype == "int8":
        raise KernelError(
            "int8 operands need the output's scale and zero point; put QUANTIZE before"
        )
    return operand.integers


def _rescaled(values: np.ndarray, operand: QArray, output: OutputType) -> np.ndarray:
    one = np.float32
    factor = one(operand.scale) * (one(1) / one(output.qparams.scale))
    bias = one(-operand.zero_point) * factor
    rounded = round_half_away(values.astype(np.float32) * factor + bias)
    shifted = rounded.astype(np.int64) + output.qparams.zero_point
    return np.clip(shifted, 0, 255).astype(np.uint8)
