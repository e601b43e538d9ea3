"""PACK: operands of one shape stacked along a new axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    parts = [operand.integers for operand in operands.inputs]
    yield "output", np.stack(parts, axis=int(attributes.get("axis", 0)))
