"""RESHAPE: the same elements under another shape, from the second operand or option new_shape."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0).integers
    shape = _wanted(operands, attributes)
    try:
        yield "output", data.reshape(shape)
    except ValueError:
        raise KernelError(f"cannot reshape {list(data.shape)} to {list(shape)}") from None


def _wanted(operands: Operands, attributes: Attributes) -> tuple[int, ...]:
    operand = operands.input(1)
    if operand is not None and operand.integers.ndim == 1 and operand.dtype == np.int32:
        return tuple(int(n) for n in operand.integers)
    shape = tuple(int(n) for n in attributes.get("new_shape") or ())
    return () if shape == (0,) else shape
