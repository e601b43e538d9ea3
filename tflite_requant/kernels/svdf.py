"""SVDF: operands are input, feature weights, time weights, bias, state; int8 with int16 state, or
floats, where both weights may be int8 (hybrid).

The flat state moves on by one element; each filter's newest element is its feature product; each
unit sums `rank` filters' products of state and time weights. int8 ignores a fused activation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.matmul import exact_matmul
from tflite_requant.fixedpoint.ranges import saturate, wrap32
from tflite_requant.fixedpoint.rational_tanh import rational_tanh
from tflite_requant.kernels import _hybrid
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._activation import fused
from tflite_requant.kernels._lanes import accumulated, dots
from tflite_requant.kernels._rescale import rescale_by_scales
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage
from tflite_requant.kernels.rnn import activated


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, feature, time, bias, state = (operands.input(i) for i in range(5))
    output = operands.output
    if data.dtype.kind == "f":
        yield from _real(operands, attributes)
        return
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


def _real(operands: Operands, attributes: Attributes) -> Iterator[Stage]:
    """Floats; products in lanes, the sum of a unit's filters from the first to the last."""
    data, feature, time, bias, state = (operands.input(i) for i in range(5))
    batch, filters, memory = data.shape[0], feature.shape[0], time.shape[1]
    moved = state.integers.reshape(-1).copy()
    moved[:-1] = moved[1:]
    moved = moved.reshape(batch, filters, memory)
    newest = np.zeros((batch, filters), np.float32)
    if feature.dtype.kind == "f":
        newest = accumulated(newest, feature.integers, data.integers)
    elif data.integers.any():
        wide = bool(attributes.get("asymmetric_quantize_inputs"))
        newest = newest + _hybrid.row_products(data.integers, feature, wide)
    moved[:, :, -1] = newest
    yield "state4", moved.reshape(state.shape)
    weights = time.integers
    if weights.dtype.kind != "f":
        weights = weights.astype(np.float32) * np.float32(time.scale)
    products = dots(weights, moved).reshape(batch, -1, attributes["rank"])
    units = np.zeros(products.shape[:2], np.float32)
    for place in range(products.shape[2]):
        units = units + products[:, :, place]
    units = units if bias is None else units + bias.integers
    name = fused(attributes)
    yield "output", rational_tanh(units) if name == "TANH" else activated(units, name)
