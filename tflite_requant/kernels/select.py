"""SELECT and SELECT_V2: stored integers of the second or third operand by a bool."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage


def select(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    """A condition of rank 1 may choose whole rows; otherwise all shapes are equal."""
    condition, first, second = (operand.integers for operand in operands.inputs)
    if condition.ndim == 1 and first.ndim > 1:
        condition = condition.reshape(-1, *[1] * (first.ndim - 1))
    yield "output", np.where(condition, first, second)


def select_v2(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """All three operands are broadcast against each other."""
    condition, first, second = (operand.integers for operand in operands.inputs)
    yield "output", np.where(condition, first, second)
