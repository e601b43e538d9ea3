"""MEAN over axes: (sum - n * z) rescaled by s / (n * s_out); n divides the multiplier."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.multiplier import INTEGER_RESCALES, quantize_multiplier
from tflite_requant.fixedpoint.ranges import wrap32
from tflite_requant.fixedpoint.rounding import divide_truncated
from tflite_requant.kernels import _activation, _reduce_real
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._reduce import count, keep_dims, reduced_axes
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    axes, keep = reduced_axes(operands), keep_dims(attributes)
    n = count(data.integers, axes)
    if data.dtype.kind == "f":
        total = float_sum(data.integers, axes, keep)
        yield "output", (total / np.float32(n)).astype(np.float32)
        return
    total = data.integers.astype(np.int64).sum(axis=axes, keepdims=keep)
    if data.qparams is None or data.dtype.itemsize > 2:
        yield "output", np.asarray(divide_truncated(total, n)).astype(data.dtype)
        return
    own = arithmetic.law(output.dtype)
    if own == "one-product" and keep and data.integers.ndim == 4 and axes == (1, 2):
        shifted = _reduce_real.one_product(total, data, output, n)
        yield "output", _activation.clamp(shifted, {}, output)
        return
    if own == "float32":
        shifted = _reduce_real.half_even(np.asarray(total), data, output, n, n)
        yield "output", _activation.clamp(shifted, {}, output)
        return
    accumulator = wrap32(np.asarray(total - n * zero_point(data)))
    yield "accumulator", accumulator
    multiplier, shift = quantize_multiplier(data.scale / output.qparams.scale)
    by_count = min(n.bit_length() - 1, 32, 31 + int(shift))
    rounding = arithmetic.rescaling(output.dtype).rounding
    rescaled = INTEGER_RESCALES[rounding](
        accumulator, (int(multiplier) << by_count) // n, int(shift) - by_count
    )
    yield "rescaled", rescaled
    yield "output", _activation.clamp(rescaled + output.qparams.zero_point, {}, output)


def float_sum(values: np.ndarray, axes: tuple[int, ...], keep: bool) -> np.ndarray:
    """A float32 sum in memory order, which its rounding depends on."""
    moved = np.moveaxis(values, axes, range(values.ndim - len(axes), values.ndim))
    kept = moved.shape[: values.ndim - len(axes)]
    rows = moved.reshape(*kept, math.prod(moved.shape[len(kept) :]))
    total = np.zeros(rows.shape[:-1], np.float32)
    for i in range(rows.shape[-1]):
        total = total + rows[..., i]
    return np.expand_dims(total, axes) if keep else total
