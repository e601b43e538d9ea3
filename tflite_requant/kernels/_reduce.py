"""Which axes a reduction runs over, and the shape it leaves."""

from __future__ import annotations

import math

import numpy as np

from tflite_requant.kernels._types import Attributes, Operands


def reduced_axes(operands: Operands) -> tuple[int, ...]:
    """The axes of the second operand, counted from 0, each once, ascending."""
    rank = operands.input(0).integers.ndim
    wanted = operands.input(1).integers.reshape(-1)
    return tuple(sorted({int(a) % rank for a in wanted})) if rank else ()


def keep_dims(attributes: Attributes) -> bool:
    """Whether reduced axes stay as sizes of one."""
    return bool(attributes.get("keep_dims", False))


def count(values: np.ndarray, axes: tuple[int, ...]) -> int:
    """How many elements go into one result."""
    return math.prod(values.shape[a] for a in axes)
