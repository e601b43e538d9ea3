"""SUM over axes: (sum - n * z) rescaled by s / s_out.

LiteRT's reference kernel reads the bytes of int8 operands as uint8, and writes the result as uint8;
so does this. (int16 results are not even defined there.) Two laws of other kernels read int8 right.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.ranges import wrap32
from tflite_requant.kernels import _activation, _reduce_real
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._reduce import count, keep_dims, reduced_axes
from tflite_requant.kernels._rescale import rescale
from tflite_requant.kernels._types import Attributes, Operands, Stage
from tflite_requant.kernels.mean import float_sum


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    axes, keep = reduced_axes(operands), keep_dims(attributes)
    if data.dtype.kind == "f":
        yield "output", float_sum(data.integers, axes, keep)
        return
    if data.dtype == np.bool_:
        yield "output", np.asarray(data.integers.any(axis=axes, keepdims=keep))
        return
    if data.dtype.itemsize > 1:
        total = data.integers.astype(np.int64).sum(axis=axes, keepdims=keep)
        yield "output", np.asarray(total).astype(data.dtype)
        return
    own = arithmetic.law(output.dtype)
    if own in ("float32", "half-even"):
        total = np.asarray(data.integers.astype(np.int64).sum(axis=axes, keepdims=keep))
        yield "accumulator", total
        n = count(data.integers, axes)
        if own == "half-even":
            shifted = _reduce_real.half_even(total, data, output, n, 1)
        else:
            shifted = _reduce_real.half_away(total, data, output, n)
        yield "output", _activation.clamp(shifted, {}, output)
        return
    signed = own == "signed"
    read = (data.integers if signed else data.integers.view(np.uint8)).astype(np.int64)
    total = read.sum(axis=axes, keepdims=keep) - count(read, axes) * zero_point(data)
    accumulator = wrap32(np.asarray(total))
    yield "accumulator", accumulator
    rounding = arithmetic.rescaling(output.dtype).rounding
    rescaled = rescale(accumulator, data.scale / output.qparams.scale, rounding)
    yield "rescaled", rescaled
    if signed:
        yield "output", _activation.clamp(rescaled + output.qparams.zero_point, {}, output)
        return
    written = np.clip(rescaled + output.qparams.zero_point, 0, 255).astype(np.uint8)
    yield "output", written.view(output.numpy)
