"""BATCH_MATMUL: matrix products over leading axes that broadcast; adj_x and adj_y transpose.

An int32 output holds the products of stored integers, zero points not subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.matmul import exact_matmul
from tflite_requant.fixedpoint.ranges import wrap32
from tflite_requant.kernels._accumulate import centred32, need_per_tensor
from tflite_requant.kernels._real_products import dot
from tflite_requant.kernels._types import Attributes, Operands, Stage
from tflite_requant.kernels._weighted import weighted_stages


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    first, second, output = operands.inputs[0], operands.inputs[1], operands.output
    if output.numpy.kind == "f":
        yield "output", dot(*_turned(first.integers, second.integers, attributes))
        return
    if output.dtype == "int32":
        stored = first.integers.astype(np.int32), second.integers.astype(np.int32)
        yield "output", wrap32(exact_matmul(*_turned(*stored, attributes))).astype(np.int32)
        return
    need_per_tensor(second, "the right-hand side")
    left, right = _turned(centred32(first), centred32(second), attributes)
    wide = output.dtype == "int16"
    yield from weighted_stages(
        exact_matmul(left, right), first, second, None, output, {}, arithmetic, wide
    )


def _turned(left: np.ndarray, right: np.ndarray, attributes: Attributes):
    """Both operands as a product takes them: (..., n, k) and (..., k, m)."""
    left = np.swapaxes(left, -1, -2) if attributes.get("adj_x") else left
    return left, np.swapaxes(right, -1, -2) if attributes.get("adj_y") else right
