"""SHAPE, RANK, FILL, RANGE, BROADCAST_TO, REVERSE_V2: operators on shapes and order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage


def shape(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield "output", np.array(operands.input(0).shape, operands.output.numpy)


def rank(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield "output", np.array(operands.input(0).integers.ndim, np.int32)


def fill(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    sizes = operands.input(0).integers.reshape(-1).tolist()
    yield "output", np.full(sizes, operands.input(1).integers.reshape(-1)[0])


def arange(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    start, limit, delta = (operands.input(i).integers.reshape(-1)[0] for i in range(3))
    if not delta:
        raise KernelError("steps of 0")
    count = max(0, int(np.ceil((limit - start) / delta)))
    steps = np.full(count, delta)
    steps[:1] = start  # added up one by one, as a float sum depends on it
    yield "output", np.add.accumulate(steps).astype(operands.output.numpy)


def broadcast_to(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    sizes = operands.input(1).integers.reshape(-1).tolist()
    yield "output", np.broadcast_to(operands.input(0).integers, sizes).copy()


def reverse(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, axes = operands.input(0).integers, tuple(operands.input(1).integers.reshape(-1).tolist())
    if not data.size:
        raise KernelError(f"an operand of shape {list(data.shape)}: LiteRT aborts")
    yield "output", np.flip(data, axes)
