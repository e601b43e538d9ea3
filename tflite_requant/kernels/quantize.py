"""QUANTIZE: floats to a grid, or integers from one grid to another.

Floats: round(float32(x / s)) + z, ties away; beyond int32 the type's minimum. Integers: q - z
rescaled by s / s_out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.lut import through_table
from tflite_requant.fixedpoint.ranges import limits, real_to_int32, wrap32
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.kernels import _quantize_real
from tflite_requant.kernels._accumulate import centred32, zero_point
from tflite_requant.kernels._rescale import rescale
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    own = arithmetic.law(output.dtype)
    if data.dtype.kind == "f":
        function = _from_real if output.qparams.per_axis else FROM_REAL[own]
        yield "output", function(data.integers, output)
        return
    if own == "half-even":
        ratio = np.float32(data.scale) / np.float32(output.qparams.scale)
        yield "output", _quantize_real.by_ratio(centred32(data), ratio, output)
        return
    low, high = limits(output.numpy)
    rounding = arithmetic.rescaling(output.dtype, wide=data.dtype.itemsize > 1).rounding

    def convert(values: np.ndarray) -> np.ndarray:
        centred = values.astype(np.int64) - zero_point(data)
        rescaled = rescale(wrap32(centred), data.scale / output.qparams.scale, rounding)
        return np.clip(wrap32(rescaled + output.qparams.zero_point), low, high).astype(output.numpy)

    small = data.dtype.itemsize == 1 and not rounding.endswith("elements")
    yield "output", through_table(data.integers, convert) if small else convert(data.integers)


def _from_real(values: np.ndarray, output) -> np.ndarray:
    scales, zeros = output.qparams.along(values.ndim)
    with np.errstate(all="ignore"):
        rounded = round_half_away(values.astype(np.float32) / scales.astype(np.float32))
    low, high = limits(output.numpy)
    shifted = wrap32(real_to_int32(rounded).astype(np.int64) + zeros)
    return np.clip(shifted, low, high).astype(output.numpy)


FROM_REAL = {
    "": _from_real,
    "blocks-of-8": _quantize_real.quantized_in_blocks,
    "half-even": _quantize_real.quantized_half_even,
}
