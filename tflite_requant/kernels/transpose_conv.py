"""TRANSPOSE_CONV: operands are output shape, OHWI filters, NHWC data, optional bias.

Every data element adds its value times the filter to a window of the output; the windows lie as
those of a convolution from output to data. Bias, rescaling and clamping as in CONV_2D. An
int8 filter's zero point is not subtracted, as LiteRT does not. Float data may have int8 filters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels import _hybrid
from tflite_requant.kernels._accumulate import centred32, gemm, reach, zero_point
from tflite_requant.kernels._real_products import real_stages
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage
from tflite_requant.kernels._weighted import weighted_stages
from tflite_requant.kernels._window import axis

Term = Callable[..., np.ndarray]


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    filters, data, bias = operands.input(1), operands.input(2), operands.input(3)
    if data.dtype.kind == "f":
        term = _real_term if filters.dtype.kind == "f" else _hybrid_term(data, filters)
        total = _real_sums(data, filters, operands.input(0).integers, attributes, term)
        yield from real_stages(total, bias, attributes)
        return
    if arithmetic.law(operands.output.dtype) == "unclamped":
        attributes = _as_micro(data, bias, attributes)
    wide = _is_wide(data, bias, attributes)
    products = _products(data, filters, operands.input(0).integers, attributes)
    yield from weighted_stages(
        products, data, filters, bias, operands.output, attributes, arithmetic, wide
    )


def _as_micro(data, bias, attributes: Attributes) -> Attributes:
    """Options as TFLite Micro reads them: no fused activation, int16 with 64-bit accumulators."""
    if data.dtype == np.int16 and bias is not None and bias.dtype != np.int64:
        raise KernelError(f"int16 data with {bias.dtype} bias: TFLite Micro reads it as int64")
    return {**attributes, "fused_activation_function": "NONE", "quantized_bias_type": "INT64"}


def _is_wide(data, bias, attributes: Attributes) -> bool:
    if data.dtype != np.int16:
        return False
    if bias is not None:
        return bias.dtype == np.int64
    return attributes.get("quantized_bias_type") != "INT32"


def _products(data, filters, shape: np.ndarray, attributes: Attributes) -> np.ndarray:
    count, kernel_h, kernel_w, depth = filters.shape
    taps = filters.integers.astype(np.int32)
    if filters.dtype == np.uint8:
        taps = taps - zero_point(filters)
    matrix = taps.transpose(3, 1, 2, 0).reshape(depth, -1)
    spread = gemm(centred32(data).reshape(-1, depth), matrix, reach(data)).astype(np.int64)
    spread = spread.reshape(*data.shape[:3], kernel_h, kernel_w, count)
    canvas = _Canvas(data.shape, filters.shape, shape, attributes, np.int64)
    for row in range(kernel_h):
        for column in range(kernel_w):
            canvas.under(row, column)[...] += spread[:, :, :, row, column]
    return canvas.output()


def _real_term(data, filters, row: int, column: int, channel: int) -> np.ndarray:
    return data.integers[..., channel, None] * filters.integers[:, row, column, channel]


def _hybrid_term(data, filters) -> Term:
    """Float data times int8 filters: images on grids of their own, every product a real number."""
    rows = _hybrid.asymmetric(data.integers.reshape(data.shape[0], -1))
    image = rows.centred().reshape(data.shape)
    images = rows.scales[:, None, None, None]
    scales = np.asarray(filters.scale, np.float32)

    def term(data, filters, row: int, column: int, channel: int) -> np.ndarray:
        product = image[..., channel, None] * filters.integers[:, row, column, channel]
        return product.astype(np.float32) * scales * images

    return term


def _real_sums(
    data, filters, shape: np.ndarray, attributes: Attributes, term: Term
) -> np.ndarray:
    """Every output in the order of the data that reach it: by row, column, and channel."""
    _, kernel_h, kernel_w, depth = filters.shape
    canvas = _Canvas(data.shape, filters.shape, shape, attributes, np.float32)
    for row in reversed(range(kernel_h)):
        for column in reversed(range(kernel_w)):
            place = canvas.under(row, column)
            for channel in range(depth):
                place += term(data, filters, row, column, channel)
    return canvas.output()


class _Canvas:
    """The output with a margin, so that every window of every data element lies inside."""

    def __init__(self, data_shape, filter_shape, shape, attributes: Attributes, kind) -> None:
        n, out_h, out_w, _ = (int(s) for s in shape)
        count, kernel_h, kernel_w, _ = filter_shape
        self.height, self.width = data_shape[1], data_shape[2]
        self.stride_h, self.stride_w = attributes["stride_h"], attributes["stride_w"]
        y = axis(out_h, kernel_h, self.stride_h, 1, attributes["padding"])
        x = axis(out_w, kernel_w, self.stride_w, 1, attributes["padding"])
        rows = max((self.height - 1) * self.stride_h + kernel_h, y.before + out_h)
        columns = max((self.width - 1) * self.stride_w + kernel_w, x.before + out_w)
        self.values = np.zeros((n, rows, columns, count), kind)
        self.inside = slice(y.before, y.before + out_h), slice(x.before, x.before + out_w)

    def under(self, row: int, column: int) -> np.ndarray:
        """What one filter position meets: a view (n, height, width, count) of the canvas."""
        return self.values[
            :,
            row : row + (self.height - 1) * self.stride_h + 1 : self.stride_h,
            column : column + (self.width - 1) * self.stride_w + 1 : self.stride_w,
        ]

    def output(self) -> np.ndarray:
        """The canvas without its margin."""
        return self.values[:, self.inside[0], self.inside[1]]
