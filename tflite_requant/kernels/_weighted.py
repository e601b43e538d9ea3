"""How every operator with weights goes from its products to its output."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels import _activation
from tflite_requant.kernels._accumulate import add_bias
from tflite_requant.kernels._rescale import rescale_by_scales
from tflite_requant.kernels._types import Attributes, OutputType, QArray, Stage


def weighted_stages(
    products: np.ndarray,
    data: QArray,
    weights: QArray,
    bias: QArray | None,
    output: OutputType,
    attributes: Attributes,
    arithmetic: Arithmetic,
    wide: bool,
    grouped: bool = False,
) -> Iterator[Stage]:
    """accumulator = products + bias; rescaled by s_data * s_weights / s_output; output clamped.

    products: integers, output channels last; wide: accumulate in 64 bits instead of 32;
    grouped: this is a convolution in groups.
    """
    accumulator = add_bias(products, bias, wide)
    yield "accumulator", accumulator
    pair = output.dtype if weights.dtype != np.int16 else "int16xint16"
    law = arithmetic.rescaling(pair, weights.qparams.per_axis, wide, grouped)
    rescaled = rescale_by_scales(accumulator, data.scale, weights.scale, output.qparams.scale, law)
    yield "rescaled", rescaled
    shifted = rescaled + output.qparams.zero_point
    yield "output", _activation.clamp(shifted, attributes, output, arithmetic.bounds)
