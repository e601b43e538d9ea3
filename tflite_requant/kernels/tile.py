"""TILE: the data repeated along each axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    repeats = operands.input(1).integers.reshape(-1).tolist()
    yield "output", np.tile(operands.input(0).integers, repeats)
