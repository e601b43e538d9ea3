"""EXPAND_DIMS: a size of one put in at an axis; negative axes count from behind the last."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    axis = int(operands.input(1).integers.reshape(-1)[0])
    yield "output", np.expand_dims(operands.input(0).integers, axis)
