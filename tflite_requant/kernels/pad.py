"""PAD: the input in a frame of the output's zero point (0 for unquantized elements)."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._pads import framed
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    quantized = output.qparams is not None and data.dtype.kind in "iu" and data.dtype.itemsize <= 2
    fill = output.qparams.zero_points[0] if quantized else 0
    yield "output", framed(data.integers, operands.input(1), constant_values=fill)
