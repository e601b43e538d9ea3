"""MUL: product of centred integers, rescaled by s1 * s2 / s_out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels import _activation
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._addition import integer_bounds
from tflite_requant.kernels._mul_blocks import emptied_in_blocks, shifted_in_blocks
from tflite_requant.kernels._rescale import leaves_words, rescale_by_scales
from tflite_requant.kernels._types import Attributes, Operands, Stage

BLOCKS = {"blocks-of-8": 8, "blocks-of-16": 16}


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    first, second, output = operands.inputs[0], operands.inputs[1], operands.output
    if output.qparams is None or output.numpy.kind == "f" or output.numpy.itemsize > 2:
        with np.errstate(over="ignore", invalid="ignore"):
            product = first.integers * second.integers
        if product.dtype.kind == "f":
            yield "output", _activation.clamp_real(product, attributes)
        else:
            yield "output", _within(product, attributes)
        return
    accumulator = centred32(first) * centred32(second)
    yield "accumulator", accumulator
    law = arithmetic.rescaling(output.dtype)
    rescaled = rescale_by_scales(accumulator, first.scale, second.scale, output.qparams.scale, law)
    yield "rescaled", rescaled
    zero, own = output.qparams.zero_point, arithmetic.law(output.dtype)
    if own:
        size = BLOCKS[own]
        if leaves_words(first.scale, second.scale, output.qparams.scale, law):
            rescaled = emptied_in_blocks(rescaled, first.shape, second.shape, size)
        shifted = shifted_in_blocks(rescaled, zero, first.shape, second.shape, size)
    else:
        shifted = rescaled + zero
    yield "output", _activation.clamp(shifted, attributes, output, arithmetic.bounds)


def _within(product: np.ndarray, attributes: Attributes) -> np.ndarray:
    """Integers between the fused activation's bounds; a bound below an unsigned type wraps."""
    low, high = np.array(integer_bounds(product.dtype, attributes), np.int64).astype(product.dtype)
    return np.minimum(np.maximum(product, low), high)
