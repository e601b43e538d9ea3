"""TRANSPOSE_CONV: operands are output shape, OHWI filters, NHWC data, optional bias.

Every data element adds its value times the filter to a window of the output; the windows lie as
those of a convolution from output to data. Bias, rescaling and clamping as in CONV_2D.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._accumulate import centred32, gemm, reach, zero_point
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage
from tflite_requant.kernels._weighted import weighted_stages
from tflite_requant.kernels._window import axis


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    filters, data, bias = operands.input(1), operands.input(2), operands.input(3)
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
    n, out_h, out_w, _ = (int(s) for s in shape)
    count, kernel_h, kernel_w, depth = filters.shape
    stride_h, stride_w = attributes["stride_h"], attributes["stride_w"]
    y = axis(out_h, kernel_h, stride_h, 1, attributes["padding"])
    x = axis(out_w, kernel_w, stride_w, 1, attributes["padding"])
    taps = filters.integers.astype(np.int32) - zero_point(filters)
    matrix = taps.transpose(3, 1, 2, 0).reshape(depth, -1)
    spread = gemm(centred32(data).reshape(-1, depth), matrix, reach(data)).astype(np.int64)
    height, width = data.shape[1], data.shape[2]
    spread = spread.reshape(n, height, width, kernel_h, kernel_w, count)
    canvas = np.zeros(
        (
            n,
            max((height - 1) * stride_h + kernel_h, y.before + out_h),
            max((width - 1) * stride_w + kernel_w, x.before + out_w),
            count,
        ),
        np.int64,
    )
    for row in range(kernel_h):
        for column in range(kernel_w):
            canvas[
                :,
                row : row + (height - 1) * stride_h + 1 : stride_h,
                column : column + (width - 1) * stride_w + 1 : stride_w,
            ] += spread[:, :, :, row, column]
    return canvas[:, y.before : y.before + out_h, x.before : x.before + out_w]
