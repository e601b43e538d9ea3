"""MAXIMUM and MINIMUM of stored integers; scales are not looked at.

Of equals, and where a float is no number, the second operand is taken.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage


def maximum(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    first, second = operands.inputs[0].integers, operands.inputs[1].integers
    yield "output", np.where(first > second, first, second)


def minimum(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    first, second = operands.inputs[0].integers, operands.inputs[1].integers
    yield "output", np.where(first < second, first, second)
