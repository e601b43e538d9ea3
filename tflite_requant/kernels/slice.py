"""SLICE: a box by first positions and sizes; a size of -1 reaches to the end."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    begin = operands.input(1).integers.reshape(-1)
    size = operands.input(2).integers.reshape(-1)
    box = tuple(
        slice(int(b), None if n < 0 else int(b) + int(n)) for b, n in zip(begin, size, strict=True)
    )
    yield "output", operands.input(0).integers[box]
