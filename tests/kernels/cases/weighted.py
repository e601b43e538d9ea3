"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED, BATCH_MATMUL."""

from __future__ import annotations

import numpy as np

from tflite_requant.testing import TensorSpec, one_operator_model

from .make import FUSED, QUANTIZED, Case, Group, case, grid, scale, zero_point


def _weights(rng, dtype: str, shape, axis: int, per_axis: bool, fixed_zero: bool) -> TensorSpec:
    """Weights for an activation type: uint8 has any zero point, the others are signed around 0."""
    if dtype == "uint8":
        data = rng.integers(0, 256, shape).astype(np.uint8)
        return TensorSpec("uint8", None, scale(rng, 0.01), zero_point(rng, "uint8"), data=data)
    count = shape[axis] if per_axis else 1
    scales = [scale(rng, 0.01, 2.0) for _ in range(count)]
    data = rng.integers(-127, 128, shape).astype(np.int8)
    zero = 0 if fixed_zero else int(rng.integers(-5, 6))
    return TensorSpec("int8", None, scales, zero, axis if per_axis and count > 1 else 0, data)


def _bias(rng, data: TensorSpec, weights: TensorSpec, count: int, wide: bool) -> TensorSpec:
    scales = np.float32(data.scale) * np.asarray(weights.scale, np.float32)
    limit = 3000 if data.dtype != "int16" else 300000
    values = rng.integers(-limit, limit, count)
    dtype = "int64" if wide else "int32"
    return TensorSpec(dtype, None, scales, 0, 0, values.astype(dtype))


def _output(rng, dtype: str, data: TensorSpec, weights: TensorSpec, depth: int) -> dict:
    """An output grid that most sums fit: about 100 times the square root of their length."""
    magnitude = 3000.0 if dtype != "int16" else 80.0 * 100.0
    middle = data.scale * float(np.mean(weights.scale)) * np.sqrt(depth) * magnitude / 64.0
    return grid(rng, dtype, middle)


def _decisive(opcode: str, rng, dtype: str) -> Case:
    """Data at its zero point, so accumulators are the biases: those around which outputs change.

    With multipliers near 2**-24, one step of the bias is far less than what the precision of the
    scale product or the order of roundings moves a threshold by.
    """
    count = 64
    data = TensorSpec(dtype, (1, 1, 1, count), scale(rng, 0.01, 0.7), zero_point(rng, dtype))
    per_axis = dtype != "uint8" and bool(rng.integers(0, 2))
    shape = {"CONV_2D": (count, 1, 1, count), "DEPTHWISE_CONV_2D": (1, 1, 1, count)}
    axis = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}[opcode]
    weights = _weights(rng, dtype, shape[opcode], axis, per_axis, True)
    product = np.float32(data.scale) * np.asarray(weights.scale, np.float32)
    out_scale = scale(rng, float(np.mean(product)) * 2.0 ** (24 if dtype != "int16" else 15), 0.5)
    out = TensorSpec(dtype, (1, 1, 1, count), out_scale, zero_point(rng, dtype))
    steps = rng.integers(-100, 100, count) + 0.5
    exact = np.rint(steps * np.float64(out_scale) / np.broadcast_to(product, count))
    biases = exact.astype(np.int64) + rng.integers(-2, 3, count)
    wide = dtype == "int16"
    bias = TensorSpec("int64" if wide else "int32", None, product, 0, 0, biases)
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1}
    if opcode == "DEPTHWISE_CONV_2D":
        options["depth_multiplier"] = 1
    model = one_operator_model(opcode, [data, weights, bias], [out], options)
    fed = np.full(data.shape, data.zero_point, dtype)
    return Case(model, [[fed]], f"{opcode} {dtype} at its thresholds")


def _size(rng) -> tuple[int, int, int]:
    return int(rng.integers(1, 3)), int(rng.integers(4, 9)), int(rng.integers(4, 9))


def conv(rng, dtype: str) -> Case:
    if rng.integers(0, 4) == 0:
        return _decisive("CONV_2D", rng, dtype)
    n, h, w = _size(rng)
    groups = int(rng.choice([1, 1, 1, 2]))
    depth, count = int(rng.integers(1, 5)), int(rng.integers(1, 5)) * groups
    kernel = (1, 1) if rng.integers(0, 3) == 0 else tuple(rng.integers(1, 4, 2))
    dilation = tuple(int(d) for d in rng.choice([1, 1, 2], 2)) if max(kernel) > 1 else (1, 1)
    stride = tuple(int(s) for s in rng.integers(1, 3, 2)) if dilation == (1, 1) else (1, 1)
    padding = str(rng.choice(["SAME", "VALID"]))
    data = TensorSpec(dtype, (n, h, w, depth * groups), **grid(rng, dtype))
    per_axis = bool(rng.integers(0, 2))
    weights = _weights(rng, dtype, (count, *kernel, depth), 0, per_axis, True)
    wide = dtype == "int16" and bool(rng.integers(0, 2))
    options = {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
        "fused_activation_function": str(rng.choice(FUSED)),
    }
    if dtype == "int16":
        options["quantized_bias_type"] = "INT64" if wide else "INT32"
    bias = _bias(rng, data, weights, count, wide)
    shape = _shape((n, h, w), kernel, stride, dilation, padding, count)
    out = TensorSpec(dtype, shape, **_output(rng, dtype, data, weights, depth * kernel[0]))
    return case(rng, "CONV_2D", [data, weights, bias], [out], options)


def _shape(size, kernel, stride, dilation, padding: str, count: int):
    """The output shape that the file states; the runtime computes its own."""
    out = []
    for n, k, s, d in zip(size[1:], kernel, stride, dilation, strict=True):
        reach = (int(k) - 1) * d + 1
        out.append(-(-n // s) if padding == "SAME" else (n + s - reach) // s)
    return (size[0], *out, count)


def depthwise(rng, dtype: str) -> Case:
    if rng.integers(0, 4) == 0:
        return _decisive("DEPTHWISE_CONV_2D", rng, dtype)
    n, h, w = _size(rng)
    channels, multiplier = int(rng.integers(1, 11)), int(rng.choice([1, 1, 2, 3]))
    kernel = tuple(int(k) for k in rng.integers(1, 4, 2))
    dilation = (2, 2) if max(kernel) > 1 and rng.integers(0, 4) == 0 else (1, 1)
    stride = tuple(int(s) for s in rng.integers(1, 3, 2)) if dilation == (1, 1) else (1, 1)
    padding = str(rng.choice(["SAME", "VALID"])) if min(h, w) > 4 else "SAME"
    count = channels * multiplier
    data = TensorSpec(dtype, (n, h, w, channels), **grid(rng, dtype))
    weights = _weights(rng, dtype, (1, *kernel, count), 3, bool(rng.integers(0, 2)), True)
    options = {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "depth_multiplier": multiplier,
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
        "fused_activation_function": str(rng.choice(FUSED)),
    }
    bias = _bias(rng, data, weights, count, dtype == "int16")
    shape = _shape((n, h, w), kernel, stride, dilation, padding, count)
    out = TensorSpec(dtype, shape, **_output(rng, dtype, data, weights, kernel[0]))
    return case(rng, "DEPTHWISE_CONV_2D", [data, weights, bias], [out], options)


def transpose_conv(rng, dtype: str) -> Case:
    n, h, w = 1, int(rng.integers(2, 6)), int(rng.integers(2, 6))
    depth, count = int(rng.integers(1, 6)), int(rng.integers(1, 10))
    kernel, stride = tuple(int(k) for k in rng.integers(1, 4, 2)), int(rng.integers(1, 3))
    padding = str(rng.choice(["SAME", "VALID"]))
    if padding == "SAME":
        size = (h * stride, w * stride)
    else:
        size = tuple((s - 1) * stride + k for s, k in zip((h, w), kernel, strict=True))
    data = TensorSpec(dtype, (n, h, w, depth), **grid(rng, dtype))
    weights = _weights(rng, dtype, (count, *kernel, depth), 0, bool(rng.integers(0, 2)), True)
    wanted = TensorSpec("int32", data=np.array([n, *size, count], np.int32))
    inputs = [wanted, weights, data]
    options = {
        "padding": padding,
        "stride_h": stride,
        "stride_w": stride,
        "fused_activation_function": str(rng.choice(["NONE", "RELU", "RELU6"])),
    }
    bias = rng.integers(0, 3) > 0
    wide = dtype == "int16" and bool(rng.integers(0, 2))
    if dtype == "int16":
        options["quantized_bias_type"] = "INT64" if wide else "INT32"
    if bias:
        inputs.append(_bias(rng, data, weights, count, wide))
    out = TensorSpec(dtype, (n, *size, count), **_output(rng, dtype, data, weights, depth))
    return case(rng, "TRANSPOSE_CONV", inputs, [out], options)


def fully_connected(rng, dtype: str) -> Case:
    depth, count = int(rng.choice([1, 7, 32, 300])), int(rng.integers(1, 9))
    leading = tuple(int(n) for n in rng.integers(1, 4, rng.integers(1, 3)))
    keep = bool(rng.integers(0, 2))
    data = TensorSpec(dtype, (*leading, depth), **grid(rng, dtype))
    per_axis = dtype != "uint8" and bool(rng.integers(0, 2))
    weights = _weights(rng, dtype, (count, depth), 0, per_axis, per_axis or dtype == "int16")
    inputs: list[TensorSpec | None] = [data, weights]
    wide = dtype == "int16" and bool(rng.integers(0, 2))
    if rng.integers(0, 3) > 0:
        inputs.append(_bias(rng, data, weights, count, wide))
    else:
        inputs.append(None)
    options = {"fused_activation_function": str(rng.choice(FUSED)), "keep_num_dims": keep}
    if dtype == "int16":
        options["quantized_bias_type"] = "INT64" if wide else "INT32"
    shape = (*leading, count) if keep else (int(np.prod(leading)), count)
    out = TensorSpec(dtype, shape, **_output(rng, dtype, data, weights, depth))
    return case(rng, "FULLY_CONNECTED", inputs, [out], options)


def batch_matmul(rng, dtype: str) -> Case:
    rows, depth, columns = (int(n) for n in rng.integers(1, 7, 3))
    batch = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    adj_x, adj_y = bool(rng.integers(0, 2)), bool(rng.integers(0, 2))
    left = (*batch, depth, rows) if adj_x else (*batch, rows, depth)
    right = (*batch, columns, depth) if adj_y else (*batch, depth, columns)
    first = TensorSpec(dtype, left, **grid(rng, dtype))
    second = TensorSpec(dtype, right, **grid(rng, dtype))
    size = 80.0 if dtype == "int8" else 10000.0
    middle = first.scale * second.scale * np.sqrt(depth) * size
    out = TensorSpec(dtype, (*batch, rows, columns), **grid(rng, dtype, middle))
    options = {"adj_x": adj_x, "adj_y": adj_y}
    return case(rng, "BATCH_MATMUL", [first, second], [out], options)


GROUPS = (
    Group("CONV_2D", QUANTIZED, conv, 24),
    Group("DEPTHWISE_CONV_2D", QUANTIZED, depthwise, 24),
    Group("TRANSPOSE_CONV", QUANTIZED, transpose_conv, 16),
    Group("FULLY_CONNECTED", QUANTIZED, fully_connected, 24),
    Group("BATCH_MATMUL", ("int8", "int16"), batch_matmul, 12),
)
