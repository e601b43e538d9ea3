"""ADD: both operands brought to a common, finer grid, summed, and rescaled to the output's."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._addition import add_stages
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield from add_stages(operands, attributes, arithmetic, sign=1)
