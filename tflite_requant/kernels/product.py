"""REDUCE_PROD over axes, element by element in memory order.

Quantized: (q - z) * (q - z) ... with every product, and the last one once more, rescaled by
s / s_out ** (1 / n); 64-bit products, 16-bit multipliers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.multiplier import INTEGER_RESCALES, quantize_multiplier
from tflite_requant.fixedpoint.ranges import saturate
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._reduce import keep_dims, reduced_axes
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output = operands.input(0), operands.output
    axes, keep = reduced_axes(operands), keep_dims(attributes)
    if data.qparams is None or data.dtype.itemsize > 2:
        rows = _rows(data.integers, axes)
        with np.errstate(all="ignore"):
            total = np.multiply.accumulate(rows, axis=-1, dtype=rows.dtype)[..., -1]
        yield "output", np.expand_dims(total, axes) if keep else np.asarray(total)
        return
    rows = _rows(centred32(data).astype(np.int64), axes)
    real = data.scale / float(np.float32(output.qparams.scale)) ** (1.0 / rows.shape[-1])
    multiplier, shift = quantize_multiplier(real)
    rescale = INTEGER_RESCALES[arithmetic.rescaling(output.dtype).rounding]
    total = rows[..., 0]
    for k in range(1, rows.shape[-1]):
        total = rescale(total * rows[..., k], multiplier, shift)
    yield "accumulator", total
    rescaled = rescale(total, multiplier, shift)
    yield "rescaled", rescaled
    result = saturate(rescaled + output.qparams.zero_point, output.numpy)
    yield "output", np.expand_dims(result, axes) if keep else result


def _rows(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """What goes into each result, in memory order along the last axis."""
    kept = values.ndim - len(axes)
    moved = np.moveaxis(values, axes, range(kept, values.ndim))
    return moved.reshape(*moved.shape[:kept], math.prod(moved.shape[kept:]))
