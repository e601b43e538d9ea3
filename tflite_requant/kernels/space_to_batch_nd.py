"""SPACE_TO_BATCH_ND: spatial axes padded with the output's zero point, blocks become batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._pads import amounts
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0).integers, operands.output
    block = operands.input(1).integers.reshape(-1).tolist()
    spatial = len(block)
    pads = [(0, 0), *amounts(operands.input(2))]
    pads += [(0, 0)] * (data.ndim - len(pads))
    fill = output.qparams.zero_points[0] if output.qparams else 0
    padded = np.pad(data, pads, constant_values=fill)
    n, rest = padded.shape[0], padded.shape[1 + spatial :]
    split = [n]
    for size, b in zip(padded.shape[1 : 1 + spatial], block, strict=True):
        split += [size // b, b]
    inner = [2 + 2 * i for i in range(spatial)]
    outer = [1 + 2 * i for i in range(spatial)]
    order = [*inner, 0, *outer, *range(1 + 2 * spatial, 1 + 2 * spatial + len(rest))]
    moved = padded.reshape(*split, *rest).transpose(order)
    sizes = [size // b for size, b in zip(padded.shape[1 : 1 + spatial], block, strict=True)]
    yield "output", moved.reshape(int(np.prod(block)) * n, *sizes, *rest)
