"""BATCH_TO_SPACE_ND: blocks moved from the batch to the spatial axes, which are then cropped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._pads import amounts
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0).integers
    block = operands.input(1).integers.reshape(-1).tolist()
    spatial, n = len(block), data.shape[0] // int(np.prod(block))
    sizes, rest = data.shape[1 : 1 + spatial], data.shape[1 + spatial :]
    order = [spatial]
    for i in range(spatial):
        order += [spatial + 1 + i, i]
    order += range(2 * spatial + 1, 2 * spatial + 1 + len(rest))
    moved = data.reshape(*block, n, *sizes, *rest).transpose(order)
    whole = moved.reshape(n, *[s * b for s, b in zip(sizes, block, strict=True)], *rest)
    crops = amounts(operands.input(2))
    box = [slice(a, whole.shape[1 + i] - b) for i, (a, b) in enumerate(crops)]
    yield "output", whole[(slice(None), *box)]
