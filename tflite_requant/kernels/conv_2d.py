"""CONV_2D: NHWC data, OHWI filters, one bias per output channel.

accumulator[n, y, x, o] = sum over taps inside the image (data - z_data) * (filter - z_filter)
+ bias[o]; then rescaled by s_data * s_filter[o] / s_output, zero point added, clamped. Fewer filter
input channels than data channels make groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels import _hybrid
from tflite_requant.kernels._accumulate import gemm, is_wide, reach, zero_point
from tflite_requant.kernels._real_products import convolved, real_stages
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage
from tflite_requant.kernels._weighted import weighted_stages
from tflite_requant.kernels._window import Axis, axes_2d, padded, windows

Convolve = Callable[[np.ndarray, np.ndarray, Axis, Axis], np.ndarray]
COLUMNS_AT_ONCE = 1 << 22  # elements of one block of unrolled windows


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, filters, bias = operands.input(0), operands.input(1), operands.input(2)
    if data.dtype.kind == "f" and filters.dtype.kind != "f":
        total = _hybrid_sums(data, filters, attributes)
        yield from real_stages(total, bias, attributes)
        return
    if data.dtype.kind == "f":
        total = _by_groups(data.integers, filters.integers, attributes, convolved)
        yield from real_stages(total, bias, attributes)
        return
    wide = is_wide(bias)
    yield from weighted_stages(
        _products(data, filters, attributes),
        data,
        filters,
        bias,
        operands.output,
        attributes,
        arithmetic,
        wide,
        grouped=filters.shape[3] != data.shape[3],
    )


def _hybrid_sums(data, filters, attributes: Attributes) -> np.ndarray:
    """Images on grids of their own: with a zero point where the filters have several scales."""
    flat = data.integers.reshape(data.shape[0], -1)
    per_axis = filters.qparams.per_axis
    rows = _hybrid.asymmetric(flat) if per_axis else _hybrid.symmetric(flat)
    image = rows.centred().reshape(data.shape).astype(np.float32)
    taps = (filters.integers if per_axis else _hybrid.weights_of(filters)).astype(np.int32)

    def convolve(part: np.ndarray, matrix: np.ndarray, y: Axis, x: Axis) -> np.ndarray:
        return _convolve(padded(part, y, x, 0), matrix.reshape(matrix.shape[0], -1).T, y, x, 256)

    sums = _by_groups(image, taps, attributes, convolve).astype(np.float32)
    images = rows.scales[:, None, None, None]
    if per_axis:
        return sums * np.asarray(filters.scale, np.float32) * images
    return sums * (images * np.float32(filters.scale))


def _products(data, filters, attributes) -> np.ndarray:
    centred = data.integers.astype(np.float32) - np.float32(zero_point(data))
    taps = filters.integers.astype(np.int32) - zero_point(filters)

    def convolve(image: np.ndarray, part: np.ndarray, y: Axis, x: Axis) -> np.ndarray:
        matrix = part.reshape(part.shape[0], -1).T
        return _convolve(padded(image, y, x, 0), matrix, y, x, reach(data))

    return _by_groups(centred, taps, attributes, convolve)


def _by_groups(image: np.ndarray, taps: np.ndarray, attributes, convolve: Convolve) -> np.ndarray:
    """Each group of filters over its channels of the NHWC image, side by side."""
    count, kernel_h, kernel_w, depth = taps.shape
    channels = image.shape[3]
    if channels % depth or count % (channels // depth):
        raise KernelError(f"{channels} data channels, filters {list(taps.shape)} do not divide")
    groups = channels // depth
    y, x = axes_2d(image.shape, kernel_h, kernel_w, attributes)
    per_group = count // groups
    parts = []
    for g in range(groups):
        filters = taps[g * per_group : (g + 1) * per_group]
        parts.append(convolve(image[..., g * depth : (g + 1) * depth], filters, y, x))
    return parts[0] if groups == 1 else np.concatenate(parts, axis=-1)


def _convolve(image: np.ndarray, matrix: np.ndarray, y: Axis, x: Axis, bound: int) -> np.ndarray:
    """Padded NHWC image times (kernel_h * kernel_w * c, o) matrix -> (n, y.out, x.out, o)."""
    n = image.shape[0]
    if y.kernel == x.kernel == y.stride == x.stride == 1:
        return gemm(image.reshape(-1, image.shape[3]), matrix, bound).reshape(
            n, y.out, x.out, matrix.shape[1]
        )
    view = windows(image, y, x)
    step = max(1, COLUMNS_AT_ONCE // max(1, n * x.out * matrix.shape[0]))
    blocks = []
    for top in range(0, max(y.out, 1), step):
        part = view[:, top : top + step]
        product = gemm(part.reshape(-1, matrix.shape[0]), matrix, bound)
        blocks.append(product.reshape(n, part.shape[1], x.out, matrix.shape[1]))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
