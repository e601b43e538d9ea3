"""PRELU: LEAKY_RELU with a slope per element: (q - z)(a - z_a) rescaled by s * s_a / s_out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.ranges import saturate
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._rescale import rescale_by_scales
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, slope, output = operands.input(0), operands.input(1), operands.output
    if data.dtype.kind == "f":
        x = data.integers
        yield "output", np.where(x >= 0, x, x * slope.integers)
        return
    law, out_scale = arithmetic.rescaling(output.dtype), output.qparams.scale
    centred = centred32(data)
    product = centred * centred32(slope)
    above = rescale_by_scales(centred, data.scale, 1.0, out_scale, law)
    below = rescale_by_scales(product, data.scale, slope.scale, out_scale, law)
    rescaled = np.where(centred >= 0, above, below)
    yield "rescaled", rescaled
    yield "output", saturate(rescaled + output.qparams.zero_point, output.numpy)
