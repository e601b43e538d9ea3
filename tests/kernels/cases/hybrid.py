"""Float data times int8 weights: every row or image is quantized as it comes."""

from __future__ import annotations

import numpy as np

from tflite_requant.testing import TensorSpec

from .make import FUSED, Case, Group, case, scale
from .weighted import _shape, _size
from .weighted_types import _real, _window


def _weights(rng, shape, axis: int, per_axis: bool, dtype: str = "int8") -> TensorSpec:
    count = shape[axis] if per_axis else 1
    scales = [scale(rng, 0.02) for _ in range(count)]
    data = rng.integers(-127, 128, shape).astype(np.int8)
    return TensorSpec(dtype, None, scales, 0, axis if count > 1 else 0, data.astype(dtype))


def fully_connected(rng, dtype: str) -> Case:
    depth, count = int(rng.choice([1, 5, 16, 37, 130])), int(rng.choice([1, 3, 4, 8, 9]))
    rows = int(rng.integers(1, 6))
    weights = _weights(rng, (count, depth), 0, bool(rng.integers(0, 2)) and count > 1)
    bias = _real(rng, (count,)) if rng.integers(0, 2) else None
    options = {
        "fused_activation_function": str(rng.choice(FUSED)),
        "asymmetric_quantize_inputs": bool(rng.integers(0, 2)),
    }
    inputs = [TensorSpec(dtype, (rows, depth)), weights, bias]
    return case(rng, "FULLY_CONNECTED", inputs, [TensorSpec(dtype, (rows, count))], options)


def conv(rng, dtype: str) -> Case:
    size = _size(rng)
    per_axis = bool(rng.integers(0, 2))
    groups = int(rng.choice([1, 2])) if per_axis else 1
    depth, count = int(rng.integers(1, 6)), int(rng.integers(2, 6)) * groups
    options, kernel, stride, dilation = _window(rng, size)
    inputs = [
        TensorSpec(dtype, (*size, depth * groups)),
        _weights(rng, (count, *kernel, depth), 0, per_axis),
        _real(rng, (count,)),
    ]
    shape = _shape(size, kernel, stride, dilation, options["padding"], count)
    return case(rng, "CONV_2D", inputs, [TensorSpec(dtype, shape)], options)


def depthwise(rng, dtype: str) -> Case:
    size = _size(rng)
    channels, multiplier = int(rng.integers(2, 6)), int(rng.choice([1, 2]))
    options, kernel, stride, dilation = _window(rng, size)
    count = channels * multiplier
    inputs = [
        TensorSpec(dtype, (*size, channels)),
        _weights(rng, (1, *kernel, count), 3, True),
        _real(rng, (count,)),
    ]
    shape = _shape(size, kernel, stride, dilation, options["padding"], count)
    options["depth_multiplier"] = multiplier
    return case(rng, "DEPTHWISE_CONV_2D", inputs, [TensorSpec(dtype, shape)], options)


def batch_matmul(rng, dtype: str) -> Case:
    rows, depth, columns = (int(n) for n in rng.integers(1, 20, 3))
    adj_x, adj_y = bool(rng.integers(0, 2)), bool(rng.integers(0, 2))
    lead = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    first = TensorSpec(dtype, (*lead, depth, rows) if adj_x else (*lead, rows, depth))
    second = _weights(rng, (*lead, *((columns, depth) if adj_y else (depth, columns))), 0, False)
    options = {
        "adj_x": adj_x,
        "adj_y": adj_y,
        "asymmetric_quantize_inputs": bool(rng.integers(0, 2)),
    }
    out = TensorSpec(dtype, (*lead, rows, columns))
    return case(rng, "BATCH_MATMUL", [first, second], [out], options)


GROUPS = (
    Group("FULLY_CONNECTED_HYBRID", ("float32",), fully_connected, 16),
    Group("CONV_2D_HYBRID", ("float32",), conv, 12),
    Group("DEPTHWISE_CONV_2D_HYBRID", ("float32",), depthwise, 8),
    Group("BATCH_MATMUL_HYBRID", ("float32",), batch_matmul, 8),
)
