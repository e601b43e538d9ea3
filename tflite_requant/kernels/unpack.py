"""UNPACK: one output for each index of an axis, which is removed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage, output_name


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    moved = np.moveaxis(operands.input(0).integers, int(attributes.get("axis", 0)), 0)
    for i, part in enumerate(moved):
        yield output_name(i), part
