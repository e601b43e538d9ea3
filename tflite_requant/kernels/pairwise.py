"""MAXIMUM and MINIMUM of stored integers; scales are not looked at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage


def maximum(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield "output", np.maximum(operands.inputs[0].integers, operands.inputs[1].integers)


def minimum(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield "output", np.minimum(operands.inputs[0].integers, operands.inputs[1].integers)
