"""GATHER: slices along an axis by index; leading batch_dims axes of both operands go together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, indices = operands.input(0).integers, operands.input(1).integers.astype(np.int64)
    axis = int(attributes.get("axis", 0)) % data.ndim
    batch = int(attributes.get("batch_dims", 0) or 0)
    batch += indices.ndim if batch < 0 else 0
    if indices.size and (indices.min() < 0 or indices.max() >= data.shape[axis]):
        raise KernelError(f"an index leaves 0..{data.shape[axis] - 1}")
    yield "output", _gather(data, indices, axis, batch)


def _gather(data: np.ndarray, indices: np.ndarray, axis: int, batch: int) -> np.ndarray:
    if batch == 0:
        return np.take(data, indices, axis=axis)
    return np.stack(
        [_gather(d, i, axis - 1, batch - 1) for d, i in zip(data, indices, strict=True)]
    )
