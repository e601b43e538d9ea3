"""Weighted operators on floats, with int4 weights, and on operands of unlike types."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from tflite_requant.testing import TensorSpec

from .make import FUSED, Case, Group, case, grid, scale, values
from .weighted import _bias, _output, _shape, _size


def _real(rng, shape) -> TensorSpec:
    return TensorSpec("float32", data=values(rng, "float32", shape))


def _nibbles(rng, shape, axis: int) -> TensorSpec:
    """int4 weights with one scale or one per output channel; the last byte may be half full."""
    per_axis = bool(rng.integers(0, 2)) and shape[axis] > 1
    scales = [scale(rng, 0.05, 1.0) for _ in range(shape[axis] if per_axis else 1)]
    data = rng.integers(-8, 8, shape).astype(np.int8)
    return TensorSpec("int4", None, scales, 0, axis if per_axis else 0, data)


def _window(rng, size) -> tuple[dict, tuple, tuple[int, int], tuple[int, int]]:
    """(options, kernel, stride, dilation) of a convolution."""
    kernel = tuple(int(k) for k in rng.integers(1, 4, 2))
    dilation = (2, 2) if max(kernel) > 1 and rng.integers(0, 4) == 0 else (1, 1)
    stride = tuple(int(s) for s in rng.integers(1, 3, 2)) if dilation == (1, 1) else (1, 1)
    options = {
        "padding": str(rng.choice(["SAME", "VALID"])) if min(size[1:]) > 4 else "SAME",
        "stride_h": stride[0],
        "stride_w": stride[1],
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
        "fused_activation_function": str(rng.choice(FUSED)),
    }
    return options, kernel, stride, dilation


def _operands(rng, dtype: str, size, weight_shape, axis: int, depth: int):
    """(data, weights, bias, output keywords, options) of an activation type."""
    if dtype == "float32":
        bias = _real(rng, (weight_shape[axis],))
        return TensorSpec(dtype, size), _real(rng, weight_shape), bias, {}, {}
    data = TensorSpec(dtype, size, **grid(rng, dtype))
    weights = _nibbles(rng, weight_shape, axis)
    wide = dtype == "int16"
    bias = _bias(rng, data, weights, weight_shape[axis], wide)
    options = {"quantized_bias_type": "INT64"} if wide else {}
    return data, weights, bias, _output(rng, dtype, data, weights, depth), options


def conv(rng, dtype: str) -> Case:
    size = _size(rng)
    groups = int(rng.choice([1, 1, 2]))
    depth, count = int(rng.integers(1, 6)), int(rng.integers(1, 6)) * groups
    options, kernel, stride, dilation = _window(rng, size)
    data, weights, bias, out, more = _operands(
        rng, dtype, (*size, depth * groups), (count, *kernel, depth), 0, depth * kernel[0]
    )
    shape = _shape(size, kernel, stride, dilation, options["padding"], count)
    outputs = [TensorSpec(dtype, shape, **out)]
    return case(rng, "CONV_2D", [data, weights, bias], outputs, options | more)


def depthwise(rng, dtype: str) -> Case:
    size = _size(rng)
    channels, multiplier = int(rng.integers(1, 6)), int(rng.choice([1, 2, 3]))
    options, kernel, stride, dilation = _window(rng, size)
    count = channels * multiplier
    data, weights, bias, out, more = _operands(
        rng, dtype, (*size, channels), (1, *kernel, count), 3, kernel[0]
    )
    shape = _shape(size, kernel, stride, dilation, options["padding"], count)
    outputs = [TensorSpec(dtype, shape, **out)]
    options["depth_multiplier"] = multiplier
    more.pop("quantized_bias_type", None)
    return case(rng, "DEPTHWISE_CONV_2D", [data, weights, bias], outputs, options | more)


def transpose_conv(rng, dtype: str) -> Case:
    h, w, depth, count = (int(n) for n in rng.integers(1, 5, 4))
    kernel, stride = tuple(int(k) for k in rng.integers(1, 4, 2)), int(rng.integers(1, 3))
    padding = str(rng.choice(["SAME", "VALID"]))
    if padding == "SAME":
        size = (h * stride, w * stride)
    else:
        size = tuple((s - 1) * stride + k for s, k in zip((h, w), kernel, strict=True))
    wanted = TensorSpec("int32", data=np.array([2, *size, count], np.int32))
    inputs = [wanted, _real(rng, (count, *kernel, depth)), TensorSpec(dtype, (2, h, w, depth))]
    if rng.integers(0, 2):
        inputs.append(_real(rng, (count,)))
    options = {"padding": padding, "stride_h": stride, "stride_w": stride}
    options["fused_activation_function"] = str(rng.choice(FUSED))
    return case(rng, "TRANSPOSE_CONV", inputs, [TensorSpec(dtype, (2, *size, count))], options)


def fully_connected(rng, dtype: str) -> Case:
    depth, count = int(rng.choice([1, 7, 32, 301])), int(rng.integers(1, 9))
    leading = tuple(int(n) for n in rng.integers(1, 4, rng.integers(1, 3)))
    keep = bool(rng.integers(0, 2))
    data, weights, bias, out, more = _operands(
        rng, dtype, (*leading, depth), (count, depth), 0, depth
    )
    shape = (*leading, count) if keep else (int(np.prod(leading)), count)
    options = {"fused_activation_function": str(rng.choice(FUSED)), "keep_num_dims": keep, **more}
    given = bias if rng.integers(0, 3) else None
    outputs = [TensorSpec(dtype, shape, **out)]
    return case(rng, "FULLY_CONNECTED", [data, weights, given], outputs, options)


def fully_connected_of_int16(rng, dtype: str) -> Case:
    """int16 weights: 64-bit accumulators rescaled by a 16-bit multiplier."""
    rows, depth, count = (int(n) for n in rng.integers(1, 9, 3))
    data = TensorSpec(dtype, (rows, depth), **grid(rng, dtype))
    per_axis = bool(rng.integers(0, 2)) and count > 1
    scales = [scale(rng, 1e-4, 1.0) for _ in range(count if per_axis else 1)]
    drawn = rng.integers(-32767, 32768, (count, depth)).astype(np.int16)
    weights = TensorSpec(dtype, None, scales, 0, 0, drawn)
    wide = bool(rng.integers(0, 2))
    bias = _bias(rng, data, weights, count, wide) if rng.integers(0, 2) else None
    middle = data.scale * float(np.mean(weights.scale)) * np.sqrt(depth) * 30000.0
    out = TensorSpec(dtype, (rows, count), **grid(rng, dtype, middle))
    options = {"fused_activation_function": str(rng.choice(FUSED))}
    options["quantized_bias_type"] = "INT64" if wide else "INT32"
    return case(rng, "FULLY_CONNECTED", [data, weights, bias], [out], options)


def batch_matmul(rng, dtype: str, second: str = "", output: str = "") -> Case:
    """Leading axes that broadcast; the right-hand side's and the output's type may be others."""
    rows, depth, columns = (int(n) for n in rng.integers(1, 7, 3))
    adj_x, adj_y = bool(rng.integers(0, 2)), bool(rng.integers(0, 2))
    full = [int(n) for n in rng.integers(1, 4, 2)]
    lead = [[n if rng.integers(0, 3) else 1 for n in full] for _ in range(2)]
    both = [max(a, b) for a, b in zip(*lead, strict=True)]
    left = (*lead[0], *((depth, rows) if adj_x else (rows, depth)))
    right = (*lead[1], *((columns, depth) if adj_y else (depth, columns)))
    first = TensorSpec(dtype, left, **grid(rng, dtype))
    other = TensorSpec(second or dtype, right, **grid(rng, second or dtype))
    if dtype == "int16":
        other = replace(other, zero_point=0)
    out = TensorSpec(output or dtype, (*both, rows, columns))
    if out.dtype == "int16":
        middle = first.scale * other.scale * np.sqrt(depth) * 60.0
        out = TensorSpec("int16", out.shape, **grid(rng, "int16", middle))
    options = {"adj_x": adj_x, "adj_y": adj_y}
    return case(rng, "BATCH_MATMUL", [first, other], [out], options)


def batch_matmul_per_axis(rng, dtype: str) -> Case:
    """Several scales on the right: LiteRT knows none of them."""
    rows, depth, columns = (int(n) for n in rng.integers(2, 7, 3))
    axis = int(rng.integers(0, 2))
    scales = [scale(rng, 0.01) for _ in range((depth, columns)[axis])]
    drawn = rng.integers(-127, 128, (depth, columns)).astype(np.int8)
    inputs = [TensorSpec(dtype, (rows, depth), **grid(rng, dtype)),
              TensorSpec("int8", None, scales, 0, axis, drawn)]  # fmt: skip
    return case(
        rng, "BATCH_MATMUL", inputs, [TensorSpec(dtype, (rows, columns), **grid(rng, dtype))]
    )


REAL = ("float32",)
GROUPS = (
    Group("CONV_2D", REAL, conv, 8),
    Group("DEPTHWISE_CONV_2D", REAL, depthwise, 8),
    Group("TRANSPOSE_CONV", REAL, transpose_conv, 8),
    Group("FULLY_CONNECTED", REAL, fully_connected, 8),
    Group("BATCH_MATMUL", REAL, batch_matmul, 6),
    Group("CONV_2D_INT4", ("int8", "int16"), conv, 8),
    Group("DEPTHWISE_CONV_2D_INT4", ("int8",), depthwise, 8),
    Group("FULLY_CONNECTED_INT4", ("int8", "int16"), fully_connected, 8),
    Group("FULLY_CONNECTED_INT16", ("int16",), fully_connected_of_int16, 8),
    Group("BATCH_MATMUL_INT8", ("int16",), partial(batch_matmul, second="int8"), 6),
    Group("BATCH_MATMUL_PER_AXIS", ("int8", "int16"), batch_matmul_per_axis, 2),
    Group("BATCH_MATMUL_TO_INT32", ("int8",), partial(batch_matmul, output="int32"), 6),
)
