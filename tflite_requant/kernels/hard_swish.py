"""HARD_SWISH: x * clamp(x + 3, 0, 6) / 6 in 16-bit fixed point, on 8-bit operands.

The input is shifted up by 7 bits. One product brings it to the output's grid before its final
shift, another to units where 32768 stands for 3, saturating; half of that plus one half is the
gate.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.gemmlowp import high_mul
from tflite_requant.fixedpoint.lut import through_table
from tflite_requant.fixedpoint.multiplier import quantize_multiplier
from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.fixedpoint.rounding import divide_truncated, shift_half_away
from tflite_requant.kernels._types import (
    Attributes,
    KernelError,
    Operands,
    OutputType,
    QArray,
    Stage,
)


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    if data.dtype.kind == "f":
        x, one = data.integers, np.float32
        yield "output", x * np.minimum(one(6), np.maximum(one(0), x + one(3))) / one(6)
        return
    multipliers = _multipliers(data, output)
    zero = data.qparams.zero_point
    yield "output", through_table(data.integers, lambda x: _gate(x - zero, multipliers, output))


def _multipliers(data: QArray, output: OutputType) -> tuple[int, int, int, int]:
    """(output multiplier, its exponent, gate multiplier, its exponent); 16-bit multipliers."""
    one = np.float32
    fine = one(one(1.0 / 128.0) * one(data.scale))
    to_output, output_exponent = quantize_multiplier(float(fine / one(output.qparams.scale)))
    to_gate, gate_exponent = quantize_multiplier(float(fine / one(3.0 / 32768.0)))
    if output_exponent > 0:
        raise KernelError(
            f"input scale {data.scale} / 128 must not exceed output scale {output.qparams.scale}"
        )
    return _reduced(to_output), int(output_exponent), _reduced(to_gate), int(gate_exponent)


def _reduced(multiplier: np.ndarray) -> int:
    """A 32-bit multiplier as 16 bits, rounded half up, saturated."""
    return min((int(multiplier) + (1 << 15)) >> 16, 0x7FFF)


def _saturated_shift(values: np.ndarray, bits: int) -> np.ndarray:
    return np.clip(values << bits, -32768, 32767)


def _shifted(values: np.ndarray, bits: int) -> np.ndarray:
    """16-bit numbers shifted right, ties away from zero; by 16 bits and more LiteRT's masks are all
    ones, which leaves the sign."""
    return np.where(values < 0, -1, 1) if bits > 15 else shift_half_away(values, bits)


def _gate(centred: np.ndarray, multipliers, output: OutputType) -> np.ndarray:
    to_output, output_exponent, to_gate, gate_exponent = multipliers
    fine = centred * 128
    scaled = high_mul(fine, to_output, 16)
    gate = fine
    if gate_exponent > 0:
        gate = _saturated_shift(gate, gate_exponent - 1)
    gate = high_mul(gate, to_gate, 16)
    if gate_exponent > 0:
        gate = _saturated_shift(gate, 1)
    if gate_exponent < 0:
        gate = _shifted(gate, -gate_exponent)
    gate = (gate + (1 << 15)) >> 1
    product = divide_truncated(gate * scaled, 1 << 15)
    shifted = _shifted(product, -output_exponent) + output.qparams.zero_point
    low, high = limits(output.numpy)
    return np.clip(shifted, low, high).astype(output.numpy)
