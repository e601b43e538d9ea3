"""BATCH_MATMUL: matrix products over leading axes that broadcast; adj_x and adj_y transpose."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.matmul import exact_matmul
from tflite_requant.kernels._accumulate import centred32, need_per_tensor
from tflite_requant.kernels._types import Attributes, Operands, Stage
from tflite_requant.kernels._weighted import weighted_stages


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    first, second, output = operands.inputs[0], operands.inputs[1], operands.output
    need_per_tensor(second, "the right-hand side")
    left, right = centred32(first), centred32(second)
    left = np.swapaxes(left, -1, -2) if attributes.get("adj_x") else left
    right = np.swapaxes(right, -1, -2) if attributes.get("adj_y") else right
    wide = output.dtype == "int16"
    yield from weighted_stages(
        exact_matmul(left, right), first, second, None, output, {}, arithmetic, wide
    )
