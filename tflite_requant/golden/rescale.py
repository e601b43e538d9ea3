"""The constants by which an operator rescales, as the kernels form them from scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tflite_requant.fixedpoint.multiplier import (
    INTEGER_RESCALES,
    quantize_multiplier,
    rescale_real,
)
from tflite_requant.fixedpoint.power_of_two import is_power_of_two
from tflite_requant.golden.unit import Unit
from tflite_requant.kernels import _activation
from tflite_requant.kernels._reduce import count, reduced_axes
from tflite_requant.kernels._rescale import effective_scale
from tflite_requant.model.qparams import QParams

WEIGHTED = {
    "CONV_2D": (0, 1, 2),
    "DEPTHWISE_CONV_2D": (0, 1, 2),
    "FULLY_CONNECTED": (0, 1, 2),
    "TRANSPOSE_CONV": (2, 1, 3),
}
BOUNDED = (*WEIGHTED, "ADD", "SUB", "MUL", "AVERAGE_POOL_2D", "MAX_POOL_2D")
QUANTIZED = ("uint8", "int8", "int16")


@dataclass(frozen=True, slots=True, eq=False)
class Rescale:
    """values of stage `source` times a real number, rounded, are stage `result`.

    real: float64 (C,), C = 1 where all channels share it; multiplier, shift: int64 (C,), the number
    is multiplier * 2**(shift - 31), positive shifts to the left. rounding: of catalog/arithmetic.
    left: bits by which operands are shifted to the left before (ADD, SUB), else 0.
    """

    source: str
    result: str
    real: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    rounding: str
    left: int = 0

    @property
    def only_shifts(self) -> bool:
        """Whether every multiplier is a power of two."""
        return bool(is_power_of_two(self.real).all())

    @property
    def right_shift(self) -> np.ndarray:
        """Where it only shifts: by how many bits to the right, int64 (C,)."""
        return 1 - np.frexp(self.real)[1].astype(np.int64)

    def apply(self, values: np.ndarray, rounding: str | None = None) -> np.ndarray:
        """values (..., C), rescaled by this rounding or another one; int64."""
        name = rounding or self.rounding
        values = np.asarray(values).astype(np.int64) << self.left
        if name == "real":
            return rescale_real(values, self.real)
        if name == "float32-half-even":
            product = values.astype(np.float32) * self.real.astype(np.float32)
            return np.rint(product).astype(np.int64)
        return INTEGER_RESCALES[name](values, self.multiplier, self.shift)


def rescales_of(unit: Unit) -> tuple[Rescale, ...]:
    """Every rescaling that an operator's stages make visible; () for others."""
    name, output = unit.op.name, unit.outputs[0] if unit.outputs else None
    if output is None or output.qparams is None or output.dtype not in QUANTIZED:
        return ()
    scale = _input_scale(unit)
    if scale is None:
        return ()
    if name in WEIGHTED:
        return (_weighted(unit, output),)
    if name == "MUL":
        second = unit.tensor(1).qparams
        law = unit.law.rescaling(output.dtype)
        real = effective_scale(scale, second.scale, output.qparams.scale, law)
        return (_made("accumulator", "rescaled", real, law.rounding),)
    if name in ("ADD", "SUB") and unit.law.law(output.dtype) in ("", "general"):
        return _additive(unit, output)
    if name == "MEAN" and not unit.law.law(output.dtype):
        return _mean(unit, output)
    if name == "QUANTIZE" and not unit.law.law(output.dtype):
        size = np.dtype(unit.tensor(0).dtype).itemsize
        rounding = unit.law.rescaling(output.dtype, wide=size > 1).rounding
        return (_made("input", "output", scale / output.qparams.scale, rounding),)
    return ()


def _input_scale(unit: Unit) -> float | None:
    position = WEIGHTED.get(unit.op.name, (0,))[0]
    if position >= len(unit.op.inputs) or unit.op.inputs[position] < 0:
        return None
    tensor = unit.tensor(position)
    if tensor.qparams is None or tensor.dtype not in QUANTIZED or tensor.qparams.per_axis:
        return None
    return tensor.qparams.scale


def _weighted(unit: Unit, output) -> Rescale:
    data, weights, bias = WEIGHTED[unit.op.name]
    qparams: QParams = unit.tensor(weights).qparams
    law = unit.law.rescaling(output.dtype, qparams.per_axis, is_wide(unit), is_grouped(unit))
    scale = unit.tensor(data).qparams.scale
    real = effective_scale(scale, qparams.scale, output.qparams.scale, law)
    return _made("accumulator", "rescaled", real, law.rounding)


def is_wide(unit: Unit) -> bool:
    """Whether a weighted operator accumulates in 64 bits, as its kernel decides."""
    data, _, position = WEIGHTED[unit.op.name]
    bias = unit.op.input(position)
    if unit.op.name == "TRANSPOSE_CONV":
        if unit.tensor(data).dtype != "int16":
            return False
        if bias < 0:
            narrow = unit.attributes.get("quantized_bias_type") == "INT32"
            return unit.law.law("int16") == "unclamped" or not narrow
        return unit.tensor(position).dtype == "int64"
    if bias >= 0:
        return unit.tensor(position).dtype == "int64"
    if unit.op.name != "FULLY_CONNECTED" or unit.tensor(data).dtype != "int16":
        return False
    if unit.law.law(unit.outputs[0].dtype) == "narrow-without-bias":
        return False
    return unit.attributes.get("quantized_bias_type") == "INT64"


def is_grouped(unit: Unit) -> bool:
    """Whether it is a convolution in groups."""
    if unit.op.name != "CONV_2D":
        return False
    return unit.tensor(1).shape[3] != unit.tensor(0).shape[3]


def _additive(unit: Unit, output) -> tuple[Rescale, ...]:
    first, second = (unit.tensor(p).qparams for p in (0, 1))
    law = unit.law.rescaling(output.dtype)
    bits = 15 if output.dtype == "int16" else 20
    common = 2.0 * max(first.scale, second.scale)
    if _adds_by_shifts(unit, output):
        return ()
    real = common / ((1 << bits) * float(np.float32(output.qparams.scale)))
    if law.scale_product == "float32-throughout":
        real = float(np.float32(real))
    ratios = (effective_scale(q.scale, 1.0, common, law) for q in (first, second))
    lifts = (
        _made(source, result, ratio, law.rounding, bits)
        for (source, result), ratio in zip(
            (("input0", "left"), ("input1", "right")), ratios, strict=True
        )
    )
    return (*lifts, _made("accumulator", "rescaled", real, law.rounding))


def _adds_by_shifts(unit: Unit, output) -> bool:
    """Whether int16 operands are added by the shifts of `pot_scale_int16`."""
    if output.dtype != "int16" or unit.law.law("int16") == "general":
        return False
    if not unit.attributes.get("pot_scale_int16", True):
        return False
    scales = [unit.tensor(0).qparams.scale, unit.tensor(1).qparams.scale, output.qparams.scale]
    logs = np.log2(np.array(scales))
    return bool((np.abs(logs - np.rint(logs)) <= 1e-3).all())


def _mean(unit: Unit, output) -> tuple[Rescale, ...]:
    """n divides the multiplier; see kernels/mean.py."""
    if 1 not in unit.constants:
        return ()
    data = unit.tensor(0)
    empty = {0: np.zeros(data.shape, np.dtype(data.dtype))}
    operands = unit.operands(empty)
    n = count(operands.input(0).integers, reduced_axes(operands))
    real = data.qparams.scale / output.qparams.scale
    multiplier, shift = quantize_multiplier(real)
    by_count = min(n.bit_length() - 1, 32, 31 + int(shift))
    rounding = unit.law.rescaling(output.dtype).rounding
    return (
        Rescale(
            "accumulator",
            "rescaled",
            np.array([real / n]),
            np.array([(int(multiplier) << by_count) // n], np.int64),
            np.array([int(shift) - by_count], np.int64),
            rounding,
        ),
    )


def _made(source: str, result: str, real, rounding: str, left: int = 0) -> Rescale:
    real = np.atleast_1d(np.asarray(real, np.float64))
    multiplier, shift = quantize_multiplier(real)
    return Rescale(source, result, real, multiplier, shift, rounding, left)


def bounds_of(unit: Unit) -> tuple[int, int] | None:
    """(smallest, largest) integer that output and fused activation leave; None for no grid."""
    if not unit.outputs or unit.outputs[0].dtype not in QUANTIZED:
        return None
    output = unit.output_types()[0]
    if unit.op.name not in BOUNDED or output.qparams is None:
        return _activation.bounds("NONE", output)
    unclamped = unit.op.name == "TRANSPOSE_CONV" and unit.law.law(output.dtype) == "unclamped"
    activation = "NONE" if unclamped else _activation.fused(unit.attributes)
    return _activation.bounds(activation, output, unit.law.bounds)


def zero_points(unit: Unit) -> Mapping[str, int]:
    """Zero points of the per-tensor operands and outputs with a grid, by file name."""
    found = {}
    for position, t in enumerate(unit.op.inputs):
        tensor = unit.subgraph.tensors[t] if t >= 0 else None
        if tensor is not None and tensor.qparams is not None and tensor.dtype in QUANTIZED:
            found[unit.operand_name(position)] = int(tensor.qparams.zero_points[0])
    for place, tensor in enumerate(unit.outputs):
        if tensor.qparams is not None and tensor.dtype in QUANTIZED:
            found["output" if place == 0 else f"output{place}"] = tensor.qparams.zero_points[0]
    return found
