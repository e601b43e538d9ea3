"""DEPTH_TO_SPACE: channels become blocks of NHWC pixels, row by row."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, b = operands.input(0).integers, int(attributes["block_size"])
    n, h, w, c = data.shape
    blocks = data.reshape(n, h, w, b, b, c // (b * b)).transpose(0, 1, 3, 2, 4, 5)
    yield "output", blocks.reshape(n, h * b, w * b, c // (b * b))
