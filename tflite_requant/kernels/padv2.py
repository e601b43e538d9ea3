"""PADV2: the input in a frame of the third operand's stored value, which needs the same grid."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._pads import framed
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, fill, output = operands.input(0), operands.input(2), operands.output
    grids = fill.qparams, output.qparams
    if None not in grids and zero_point(fill) != output.qparams.zero_points[0]:
        raise KernelError(
            f"the pad value's zero point {zero_point(fill)} must be the output's, "
            f"{output.qparams.zero_points[0]}"
        )
    value = fill.integers.reshape(-1)[0]
    yield "output", framed(data.integers, operands.input(1), constant_values=value)
