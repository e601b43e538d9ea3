"""GATHER_ND: the last axis of the indices names a position in the leading axes of the data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, indices = operands.input(0).integers, operands.input(1).integers.astype(np.int64)
    sizes = np.array(data.shape[: indices.shape[-1]])
    if indices.size and ((indices < 0) | (indices >= sizes)).any():
        raise KernelError(f"an index leaves the sizes {sizes.tolist()}")
    yield "output", data[tuple(np.moveaxis(indices, -1, 0))]
