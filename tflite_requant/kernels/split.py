"""SPLIT: the second operand in num_splits equal parts along the axis that the first one names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage, output_name


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    axis = int(operands.input(0).integers.reshape(-1)[0])
    parts = np.split(operands.input(1).integers, len(operands.outputs), axis=axis)
    for i, part in enumerate(parts):
        yield output_name(i), part
