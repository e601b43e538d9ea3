"""Broad cases of weighted operators: windows larger than images, strides larger than windows, both
strides and dilations, even windows under SAME, groups, depth multipliers, no bias, scales that are
orders of magnitude apart, accumulators near the end of 32 bits."""

from __future__ import annotations

import numpy as np

from tflite_requant.testing import TensorSpec

from .broad import Drawn, broad, constant, of_one, size, vector
from .make import FUSED, QUANTIZED, grid, scale, values, zero_point

SPREADS = (0.5, 2.0, 6.0, 0.0)


def _weights(rng, dtype: str, shape, axis: int) -> TensorSpec:
    """uint8 with any zero point; int8 per tensor or per channel, scales up to exp(12) apart."""
    if dtype == "uint8":
        data = values(rng, "uint8", shape)
        return TensorSpec("uint8", None, scale(rng, 0.01), zero_point(rng, "uint8"), data=data)
    data = values(rng, "int8", shape)
    if rng.integers(0, 3) == 0:
        return TensorSpec("int8", None, scale(rng, 0.01), 0, data=data)
    spread = SPREADS[int(rng.integers(0, 4))]
    return TensorSpec(
        "int8", None, [scale(rng, 0.01, spread) for _ in range(shape[axis])], 0, axis, data
    )


def _bias(rng, data: TensorSpec, weights: TensorSpec, count: int, dtype: str) -> TensorSpec:
    scales = np.float32(data.scale) * np.asarray(weights.scale, np.float32)
    kind, most = int(rng.integers(0, 5)), 5000 if data.dtype != "int16" else 500000
    most = {0: 2**30, 1: 100}.get(kind, most)
    drawn = rng.integers(-most, most, count)
    if dtype == "int64" and kind == 3:
        drawn <<= 12
    return TensorSpec(dtype, None, scales, 0, 0, drawn.astype(dtype))


def _output(rng, dtype: str, data: TensorSpec, weights: TensorSpec, depth: int) -> TensorSpec:
    """Mostly a grid that the sums fit; now and then a multiplier near or above one."""
    many = 125.0 if dtype == "int16" else 60.0
    product = data.scale * float(np.mean(weights.scale))
    found = grid(rng, dtype, product * np.sqrt(max(depth, 1)) * many)
    if rng.integers(0, 12) == 0:
        found["scale"] = float(np.float32(product / rng.choice([0.9, 1.0, 1.5, 30.0])))
    return TensorSpec(dtype, (), **found)


def _window(rng, most: int = 7) -> dict:
    """Kernel, strides, dilations and padding."""
    kernel = [1, 1] if rng.integers(0, 4) == 0 else [int(k) for k in rng.integers(1, most + 1, 2)]
    dilation = [int(d) for d in rng.integers(1, 4, 2)] if rng.integers(0, 3) == 0 else [1, 1]
    stride = [int(s) for s in rng.integers(1, 5, 2)]
    return {
        "kernel": kernel,
        "reach": [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)],
        "options": {
            "padding": str(rng.choice(["SAME", "VALID"])),
            "stride_h": stride[0],
            "stride_w": stride[1],
            "dilation_h_factor": dilation[0],
            "dilation_w_factor": dilation[1],
            "fused_activation_function": str(rng.choice(FUSED)),
        },
    }


def _image(rng, window: dict, channels: int) -> tuple[int, ...]:
    sizes = [int(n) for n in rng.integers(1, 12, 2)]
    if window["options"]["padding"] == "VALID" and rng.integers(0, 10):
        sizes = [max(n, r) for n, r in zip(sizes, window["reach"], strict=True)]
    return (size(rng, 3), *sizes, channels)


def _bias_type(rng, dtype: str, options: dict) -> str:
    if dtype != "int16":
        return "int32"
    chosen = str(rng.choice(["int32", "int64"]))
    options["quantized_bias_type"] = chosen.upper()
    return chosen


def conv(rng, dtype: str) -> Drawn:
    groups, depth = int(rng.choice([1, 1, 1, 2, 3])), int(rng.integers(1, 7))
    count, window = int(rng.integers(1, 7)) * groups, _window(rng)
    data, _ = of_one(rng, dtype, _image(rng, window, depth * groups))
    weights = _weights(rng, dtype, (count, *window["kernel"], depth), 0)
    options = window["options"]
    bias = _bias(rng, data, weights, count, _bias_type(rng, dtype, options))
    output = _output(rng, dtype, data, weights, int(np.prod(weights.data.shape[1:])))
    return Drawn([data, weights, bias], [output], options)


def depthwise(rng, dtype: str) -> Drawn:
    channels, multiplier = int(rng.integers(1, 20)), int(rng.choice([1, 1, 2, 3, 8]))
    window, count = _window(rng), channels * multiplier
    data, _ = of_one(rng, dtype, _image(rng, window, channels))
    weights = _weights(rng, dtype, (1, *window["kernel"], count), 3)
    bias = _bias(rng, data, weights, count, "int64" if dtype == "int16" else "int32")
    output = _output(rng, dtype, data, weights, int(np.prod(window["kernel"])))
    options = {**window["options"], "depth_multiplier": multiplier}
    return Drawn([data, weights, bias], [output], options)


def transpose_conv(rng, dtype: str) -> Drawn:
    image, kernel = [int(n) for n in rng.integers(1, 7, 2)], [int(k) for k in rng.integers(1, 6, 2)]
    stride, padding = [int(s) for s in rng.integers(1, 4, 2)], str(rng.choice(["SAME", "VALID"]))
    depth, count = int(rng.integers(1, 9)), int(rng.integers(1, 20))
    grown = [n * s for n, s in zip(image, stride, strict=True)]
    if padding == "VALID":
        grown = [(n - 1) * s + k for n, s, k in zip(image, stride, kernel, strict=True)]
    batch = int(rng.integers(1, 3))
    data, _ = of_one(rng, dtype, (batch, *image, depth))
    weights = _weights(rng, dtype, (count, *kernel, depth), 0)
    options = {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "fused_activation_function": str(rng.choice(FUSED)),
    }
    kind = _bias_type(rng, dtype, options)
    bias = [_bias(rng, data, weights, count, kind)] if rng.integers(0, 3) else []
    output = _output(rng, dtype, data, weights, depth * kernel[0] * kernel[1])
    return Drawn([vector([batch, *grown, count]), weights, data, *bias], [output], options)


def fully_connected(rng, dtype: str) -> Drawn:
    depth, count = int(rng.choice([1, 3, 16, 17, 64, 333])), int(rng.integers(1, 20))
    lead = [size(rng, 3) for _ in range(int(rng.integers(0, 5)))]
    data, _ = of_one(rng, dtype, (*lead, depth))
    weights = _weights(rng, dtype, (count, depth), 0)
    options = {
        "fused_activation_function": str(rng.choice(FUSED)),
        "keep_num_dims": bool(rng.integers(0, 2)),
    }
    kind = _bias_type(rng, dtype, options)
    bias = _bias(rng, data, weights, count, kind) if rng.integers(0, 3) else None
    output = _output(rng, dtype, data, weights, depth)
    return Drawn([data, weights, bias], [output], options)


def batch_matmul(rng, dtype: str) -> Drawn:
    """Batch axes are broadcast; the second operand is sometimes a constant."""
    rows, depth, columns = (int(n) for n in rng.integers(1, 9, 3))
    batch = [int(n) for n in rng.integers(1, 4, rng.integers(0, 4))]
    left, right = ([1 if rng.integers(0, 4) == 0 else n for n in batch] for _ in range(2))
    adj_x, adj_y = bool(rng.integers(0, 2)), bool(rng.integers(0, 2))
    first, _ = of_one(rng, dtype, (*left, *((depth, rows) if adj_x else (rows, depth))))
    second, _ = of_one(rng, dtype, (*right, *((columns, depth) if adj_y else (depth, columns))))
    many = 8000.0 if dtype == "int16" else 60.0
    middle = first.scale * second.scale * np.sqrt(depth) * many
    output = TensorSpec(dtype, (), **grid(rng, dtype, middle))
    return Drawn([first, constant(rng, second)], [output], {"adj_x": adj_x, "adj_y": adj_y})


GROUPS = (
    broad("CONV_2D", conv, QUANTIZED),
    broad("DEPTHWISE_CONV_2D", depthwise, QUANTIZED),
    broad("TRANSPOSE_CONV", transpose_conv, QUANTIZED),
    broad("FULLY_CONNECTED", fully_connected, QUANTIZED),
    broad("BATCH_MATMUL", batch_matmul, ("int8", "int16")),
)
