"""DEPTHWISE_CONV_2D: NHWC data, filters (1, h, w, channels * multiplier).

Output channel c * multiplier + m sees data channel c only; otherwise as CONV_2D. An int8 or int16
filter's zero point is not subtracted, as LiteRT does not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels import _hybrid
from tflite_requant.kernels._accumulate import centred32, is_wide, zero_point
from tflite_requant.kernels._real_products import real_stages
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage
from tflite_requant.kernels._weighted import weighted_stages
from tflite_requant.kernels._window import axes_2d, padded, tap

BLOCK = 1 << 16  # accumulators summed at a time, so that they stay in the cache


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, filters, bias = operands.input(0), operands.input(1), operands.input(2)
    if data.dtype.kind == "f" and filters.dtype.kind != "f":
        rows = _hybrid.asymmetric(data.integers.reshape(data.shape[0], -1))
        image = rows.centred().reshape(data.shape)
        sums = _sums(image, filters.integers[0].astype(np.int64), attributes).astype(np.float32)
        scales = np.asarray(filters.scale, np.float32) * rows.scales[:, None, None, None]
        yield from real_stages(sums * scales, bias, attributes)
        return
    if data.dtype.kind == "f":
        weights = filters.integers[0]
        total = _sums(data.integers, weights, attributes)
        yield from real_stages(total, bias, attributes)
        return
    wide = is_wide(bias) or (bias is None and data.dtype == np.int16)
    yield from weighted_stages(
        _products(data, filters, attributes, wide),
        data,
        filters,
        bias,
        operands.output,
        attributes,
        arithmetic,
        wide,
    )


def _products(data, filters, attributes, wide: bool) -> np.ndarray:
    # 32-bit sums may wrap, exactly as the accumulator they stand for.
    kind = np.int64 if wide else np.int32
    weights = filters.integers[0].astype(kind)
    if filters.dtype == np.uint8:
        weights = weights - kind(zero_point(filters))
    return _sums(centred32(data).astype(kind, copy=False), weights, attributes)


def _sums(image: np.ndarray, weights: np.ndarray, attributes) -> np.ndarray:
    """Sums over rows and columns of weights (h, w, count), in that order, in the image's type."""
    kernel_h, kernel_w, count = weights.shape
    channels, kind = image.shape[3], image.dtype
    if count % channels:
        raise KernelError(f"{count} filters for {channels} data channels do not divide")
    y, x = axes_2d(image.shape, kernel_h, kernel_w, attributes)
    image = np.repeat(padded(image, y, x, 0), count // channels, axis=3)
    out = np.zeros((image.shape[0], y.out, x.out, count), kind)
    step = max(1, BLOCK // max(1, out.shape[0] * x.out * count))
    scratch = np.empty((out.shape[0], min(step, y.out), x.out, count), kind)
    for top in range(0, y.out, step):
        block = out[:, top : top + step]
        product = scratch[:, : block.shape[1]]
        rows = image[:, top * y.stride :]
        for row in range(kernel_h):
            for column in range(kernel_w):
                seen = tap(rows, y, x, row, column)[:, : block.shape[1]]
                np.multiply(seen, weights[row, column], out=product)
                block += product
    return out
