"""TOPK_V2, ONE_HOT, WHERE, CUMSUM: operators on stored values that make or use positions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage


def top_k(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    """The k largest of the last axis and where they stand; the first of equals comes first."""
    data = operands.input(0).integers
    k = int(operands.input(1).integers.reshape(-1)[0])
    wide = data if data.dtype.kind == "f" else data.astype(np.int64)
    order = np.argsort(-wide, axis=-1, kind="stable")[..., :k]
    yield "output", np.take_along_axis(data, order, axis=-1)
    yield "output1", order.astype(operands.outputs[1].numpy)


def one_hot(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    """On value where a position equals the index, off value elsewhere."""
    indices, depth, on, off = (operands.input(i).integers for i in range(4))
    axis = int(attributes.get("axis", -1))
    axis = indices.ndim if axis < 0 else axis
    sizes = [1] * (indices.ndim + 1)
    sizes[axis] = int(depth.reshape(-1)[0])
    positions = np.arange(sizes[axis]).reshape(sizes)
    chosen = np.expand_dims(indices, axis) == positions
    yield "output", np.where(chosen, on.reshape(-1)[0], off.reshape(-1)[0])


def where(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    """Coordinates of what is not zero, one row each, in memory order."""
    yield "output", np.argwhere(operands.input(0).integers).astype(np.int64)


def cumulative_sum(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """Sums up to each position, in order, since a float sum depends on it."""
    data = operands.input(0).integers
    axis = int(operands.input(1).integers.reshape(-1)[0])
    data = np.flip(data, axis) if attributes.get("reverse") else data
    sums = np.cumsum(data, axis=axis, dtype=data.dtype) + data.dtype.type(0)  # no -0
    if attributes.get("exclusive"):
        sums = np.roll(sums, 1, axis)
        np.moveaxis(sums, axis, 0)[:1] = 0
    yield "output", np.flip(sums, axis) if attributes.get("reverse") else sums
