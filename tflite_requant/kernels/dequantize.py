"""DEQUANTIZE: s * (q - z), the product in float64, rounded to float32; float16 is widened."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._quantize_real import dequantized_in_blocks
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0)
    if data.dtype.kind == "f":
        yield "output", data.integers.astype(np.float32)
        return
    if arithmetic.law(str(data.dtype)) == "blocks-of-8" and not data.qparams.per_axis:
        yield "output", dequantized_in_blocks(data)
        return
    yield "output", data.real().astype(np.float32)
