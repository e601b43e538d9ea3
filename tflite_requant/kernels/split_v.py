"""SPLIT_V: parts of the sizes in the second operand, along the third; one size may be -1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage, output_name


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0).integers
    sizes = operands.input(1).integers.astype(np.int64).reshape(-1)
    axis = int(operands.input(2).integers.reshape(-1)[0])
    rest = data.shape[axis] - sizes[sizes >= 0].sum()
    ends = np.cumsum(np.where(sizes < 0, rest, sizes))
    for i, part in enumerate(np.split(data, ends[:-1], axis=axis)):
        yield output_name(i), part
