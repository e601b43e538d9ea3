"""BITWISE_XOR, RIGHT_SHIFT, BITCAST: operators on the bits of stored values."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage


def xor(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield "output", np.bitwise_xor(operands.inputs[0].integers, operands.inputs[1].integers)


def right_shift(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """Arithmetic for signed types; counts are clipped to the type's bits."""
    values, counts = operands.inputs[0].integers, operands.inputs[1].integers
    most = values.dtype.itemsize * 8 - 1
    yield "output", np.right_shift(values, np.clip(counts, 0, most).astype(values.dtype))


def bitcast(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    """A smaller type adds a last axis of parts, a larger one joins such an axis."""
    values, wanted = operands.input(0).integers, operands.output.numpy
    flat = np.ascontiguousarray(values).reshape(-1).view(wanted)
    parts = values.dtype.itemsize // wanted.itemsize
    if parts > 1:
        shape = (*values.shape, parts)
    else:
        shape = values.shape if parts else values.shape[:-1]
    yield "output", flat.reshape(shape)
