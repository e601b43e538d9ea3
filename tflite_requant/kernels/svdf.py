"""SVDF, int8 with int16 state: operands are input, feature weights, time weights, bias, state.

The flat state moves on by one element; each filter's newest element is its feature product; each
unit sums `rank` filters' products of state and time weights. A fused activation is ignored.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.matmul import exact_matmul
from tflite_requant.fixedpoint.ranges import saturate, wrap32
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._rescale import rescale_by_scales
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, feature, time, bias, state = (operands.input(i) for i in range(5))
    output = operands.output
    if state.dtype != np.int16 or time.dtype != np.int16:
        raise KernelError(f"state is {state.dtype}, time weights {time.dtype}; int16 is supported")
    law = arithmetic.rescaling(output.dtype)
    batch, filters, memory = data.shape[0], feature.shape[0], time.shape[1]
    moved = state.integers.reshape(-1).copy()
    moved[:-1] = moved[1:]
    moved = moved.reshape(batch, filters, memory)
    products = exact_matmul(centred32(data), feature.integers.T)
    newest = rescale_by_scales(products, data.scale, feature.scale, state.scale, law)
    moved[:, :, -1] = saturate(newest, np.int16)
    yield "state4", moved.reshape(state.shape)
    dots = wrap32((moved.astype(np.int64) * time.integers).sum(axis=-1))
    units = dots.reshape(batch, -1, attributes["rank"]).sum(axis=-1)
    if bias is not None:
        units = units + bias.integers
    accumulator = wrap32(units)
    yield "accumulator", accumulator
    rescaled = rescale_by_scales(accumulator, state.scale, time.scale, output.qparams.scale, law)
    yield "rescaled", rescaled
    yield "output", saturate(rescaled + output.qparams.zero_point, output.numpy)
