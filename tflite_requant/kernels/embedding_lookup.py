"""EMBEDDING_LOOKUP: rows of a table by index; integers may come out as floats, f32(q) * s.

For that, LiteRT reads the bytes of uint8 tables as int8; so does this.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    indices, table = operands.input(0).integers.reshape(-1), operands.input(1)
    count = table.shape[0]
    if indices.size and (indices.min() < 0 or indices.max() >= count):
        raise KernelError(f"an index leaves 0..{count - 1}")
    rows = table.integers[indices]
    if operands.output.numpy.kind != "f" or rows.dtype.kind == "f":
        yield "output", rows
        return
    scales = np.broadcast_to(np.float32(table.scale), count)[indices]
    scales = scales.reshape(-1, *[1] * (rows.ndim - 1))
    rows = rows.view(np.int8) if rows.dtype == np.uint8 else rows
    yield "output", rows.astype(np.float32) * scales
