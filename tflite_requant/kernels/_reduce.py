"""Which axes a reduction runs over, and the shape it leaves."""

from __future__ import annotations

import math

import numpy as np

from tflite_requant.kernels._types import Attributes, KernelError, Operands


def reduced_axes(operands: Operands) -> tuple[int, ...]:
    """The axes of the second operand, counted from 0, each once, ascending.

    Raises KernelError for axes that the operand does not have, or results of no elements.
    """
    data = operands.input(0).integers
    wanted = sorted({int(a) for a in operands.input(1).integers.reshape(-1)})
    if data.ndim and any(not -data.ndim <= a < data.ndim for a in wanted):
        raise KernelError(f"axes {wanted} of an operand of rank {data.ndim}")
    axes = tuple(sorted({a % data.ndim for a in wanted})) if data.ndim else ()
    if not data.size and all(n for a, n in enumerate(data.shape) if a not in axes):
        raise KernelError(f"nothing to reduce in shape {list(data.shape)}: LiteRT writes no result")
    return axes


def keep_dims(attributes: Attributes) -> bool:
    """Whether reduced axes stay as sizes of one."""
    return bool(attributes.get("keep_dims", False))


def count(values: np.ndarray, axes: tuple[int, ...]) -> int:
    """How many elements go into one result; 1 where there is no result."""
    return max(math.prod(values.shape[a] for a in axes), 1)
