"""TRANSPOSE: axes in the order of the second operand."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0).integers
    if not data.ndim:
        raise KernelError("a scalar: LiteRT writes nothing")
    order = [int(a) for a in operands.input(1).integers.reshape(-1)]
    yield "output", data.transpose(order)
