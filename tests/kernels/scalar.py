"""The main operators as plain loops over Python ints: no NumPy arithmetic, no code of the package.

Arrays come in as nested lists by `tolist`; `model` objects are only read for shapes and parameters.
Scale products that the law wants in float32 are rounded through `struct`.
"""

from __future__ import annotations

import itertools
import math
import struct
from fractions import Fraction

RANGES = {"uint8": (0, 255), "int8": (-128, 127), "int16": (-32768, 32767)}


def f32(value: float) -> float:
    """Rounded to float32."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def half_away(value) -> int:
    value = Fraction(value)
    magnitude = math.floor(abs(value) + Fraction(1, 2))
    return magnitude if value >= 0 else -magnitude


def wrap(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def multiplier(real: float) -> tuple[int, int]:
    if real == 0:
        return 0, 0
    fraction, exponent = math.frexp(real)
    m = half_away(Fraction(fraction) * 2**31)
    if m == 2**31:
        m, exponent = m // 2, exponent + 1
    return (m, exponent) if exponent >= -31 else (0, 0)


def rescale(value: int, real: float) -> int:
    """Rounded twice: ties up, then ties away."""
    m, exponent = multiplier(real)
    high = (wrap(value << max(exponent, 0)) * m + 2**30) >> 31
    return half_away(Fraction(high, 2 ** max(-exponent, 0)))


def rescale_wide(value: int, real: float) -> int:
    m, exponent = multiplier(real)
    reduced = min((m + 2**15) >> 16, 0x7FFF)
    return wrap((value * reduced + (1 << (14 - exponent))) >> (15 - exponent))


def bounds(op: dict, out) -> tuple[int, int]:
    """What the fused activation leaves of the output's range."""
    low, high = RANGES[out.dtype]
    limits = {"RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
    first, last = limits.get(op.get("fused_activation_function", "NONE"), (None, None))
    if first is not None:
        low = max(low, out.zero + half_away(f32(first / out.scale)))
    if last is not None:
        high = min(high, out.zero + half_away(f32(last / out.scale)))
    return low, high


def clamp(value: int, limits: tuple[int, int]) -> int:
    return min(max(value, limits[0]), limits[1])


def window(size: int, kernel: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    """(number of windows, padded positions in front)."""
    reach = (kernel - 1) * dilation + 1
    out = -(-size // stride) if padding == "SAME" else (size - reach) // stride + 1
    return out, max((out - 1) * stride + reach - size, 0) // 2


def _windows(shape, kernel, op: dict):
    """(output rows, front rows, row step, row dilation), and the same for columns."""
    return [
        (*window(n, k, op[f"stride_{a}"], op.get(f"dilation_{a}_factor", 1), op["padding"]),
         op[f"stride_{a}"], op.get(f"dilation_{a}_factor", 1))
        for n, k, a in zip(shape[1:3], kernel, "hw", strict=True)
    ]  # fmt: skip


def _taps(shape, kernel, geometry, y: int, x: int):
    """(kernel row, kernel column, image row, image column) of the taps inside the image."""
    (_, top, stride_y, step_y), (_, left, stride_x, step_x) = geometry
    for ky, kx in itertools.product(range(kernel[0]), range(kernel[1])):
        iy, ix = y * stride_y - top + ky * step_y, x * stride_x - left + kx * step_x
        if 0 <= iy < shape[1] and 0 <= ix < shape[2]:
            yield ky, kx, iy, ix


def _finish(total: int, data, weights, channel: int, out, limits, wide: bool) -> int:
    """An accumulator as output: uint8 forms the scale product in float32, the others in float64."""
    scale = weights.scales[channel if len(weights.scales) > 1 else 0]
    product = f32(data.scale * scale) if out.dtype == "uint8" else data.scale * scale
    real = product / out.scale
    rescaled = rescale_wide(total, real) if wide else rescale(wrap(total), real)
    return clamp(rescaled + out.zero, limits)


def conv_2d(op: dict, operands, out):
    data, weights, bias = operands
    count, kernel_h, kernel_w, depth = weights.shape
    kernel, geometry = (kernel_h, kernel_w), _windows(data.shape, (kernel_h, kernel_w), op)
    per_group = count // (data.shape[3] // depth)
    limits, wide = bounds(op, out), bias.dtype == "int64"
    for n, y, x, o in itertools.product(
        range(data.shape[0]), range(geometry[0][0]), range(geometry[1][0]), range(count)
    ):
        total, first = bias.values[o], o // per_group * depth
        for ky, kx, iy, ix in _taps(data.shape, kernel, geometry, y, x):
            for c in range(depth):
                value = data.values[n][iy][ix][first + c] - data.zero
                total += value * (weights.values[o][ky][kx][c] - weights.zero)
        yield _finish(total, data, weights, o, out, limits, wide)


def depthwise_conv_2d(op: dict, operands, out):
    data, weights, bias = operands
    _, kernel_h, kernel_w, count = weights.shape
    kernel, geometry = (kernel_h, kernel_w), _windows(data.shape, (kernel_h, kernel_w), op)
    times = count // data.shape[3]
    limits, wide = bounds(op, out), bias.dtype == "int64"
    for n, y, x, o in itertools.product(
        range(data.shape[0]), range(geometry[0][0]), range(geometry[1][0]), range(count)
    ):
        total = bias.values[o]
        for ky, kx, iy, ix in _taps(data.shape, kernel, geometry, y, x):
            value = data.values[n][iy][ix][o // times] - data.zero
            total += value * (weights.values[0][ky][kx][o] - weights.zero)
        yield _finish(total, data, weights, o, out, limits, wide)


def fully_connected(op: dict, operands, out):
    """Rounded once, from a float64 product with the exact scales."""
    data, weights, bias = operands
    limits, depth = bounds(op, out), weights.shape[1]
    flat = data.flat()
    for start, o in itertools.product(range(0, len(flat), depth), range(weights.shape[0])):
        total = 0 if bias is None else bias.values[o]
        for k in range(depth):
            total += (flat[start + k] - data.zero) * (weights.values[o][k] - weights.zero)
        scale = weights.scales[o if len(weights.scales) > 1 else 0]
        yield clamp(half_away(total * (data.scale * scale / out.scale)) + out.zero, limits)


def _pool(op: dict, operands, out, reduce):
    (data,) = operands
    kernel = (op["filter_height"], op["filter_width"])
    geometry, limits = _windows(data.shape, kernel, op), bounds(op, out)
    for n, y, x, c in itertools.product(
        range(data.shape[0]), range(geometry[0][0]), range(geometry[1][0]), range(data.shape[3])
    ):
        seen = [
            data.values[n][iy][ix][c] for _, _, iy, ix in _taps(data.shape, kernel, geometry, y, x)
        ]
        yield clamp(reduce(seen), limits)


def average_pool_2d(op: dict, operands, out):
    return _pool(op, operands, out, lambda seen: half_away(Fraction(sum(seen), len(seen))))


def max_pool_2d(op: dict, operands, out):
    return _pool(op, operands, out, max)


def _pairs(first, second, out):
    """Operand values by output position, broadcast."""
    for place in itertools.product(*map(range, out.shape)):
        yield tuple(
            t.at([0 if n == 1 else p for p, n in zip(place, t.shape, strict=True)])
            for t in (first, second)
        )


def _sum(op: dict, operands, out, sign: int):
    first, second = operands
    limits, bits = bounds(op, out), 15 if out.dtype == "int16" else 20
    if op["pot_scale_int16"] and out.dtype == "int16":
        for a, b in _pairs(first, second, out):
            shifted = half_away(Fraction(a * first.scale / out.scale))
            yield clamp(shifted + sign * half_away(Fraction(b * second.scale / out.scale)), limits)
        return
    common = 2 * max(first.scale, second.scale)
    for a, b in _pairs(first, second, out):
        left = rescale((a - first.zero) << bits, first.scale / common)
        right = rescale((b - second.zero) << bits, second.scale / common)
        total = rescale(wrap(left + sign * right), common / (2**bits * out.scale))
        yield clamp(total + out.zero, limits)


def add(op: dict, operands, out):
    return _sum(op, operands, out, 1)


def sub(op: dict, operands, out):
    return _sum(op, operands, out, -1)


def mul(op: dict, operands, out):
    first, second = operands
    real = f32(f32(first.scale * second.scale) / out.scale)
    limits = bounds(op, out)
    for a, b in _pairs(first, second, out):
        yield clamp(rescale((a - first.zero) * (b - second.zero), real) + out.zero, limits)


def mean(op: dict, operands, out):
    data, axes = operands
    axes = {a % len(data.shape) for a in axes.values}
    kept = [range(1) if i in axes else range(n) for i, n in enumerate(data.shape)]
    count = math.prod(data.shape[a] for a in axes)
    m, exponent = multiplier(data.scale / out.scale)
    shift = min(count.bit_length() - 1, 32, 31 + exponent)
    m, exponent = (m << shift) // count, exponent - shift
    for place in itertools.product(*kept):
        ranges = [range(data.shape[i]) if i in axes else [p] for i, p in enumerate(place)]
        total = sum(data.at(where) for where in itertools.product(*ranges)) - count * data.zero
        high = (wrap(total << max(exponent, 0)) * m + 2**30) >> 31
        rescaled = half_away(Fraction(high, 2 ** max(-exponent, 0)))
        yield clamp(rescaled + out.zero, RANGES[out.dtype])


LOOPS = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "AVERAGE_POOL_2D": average_pool_2d,
    "MAX_POOL_2D": max_pool_2d,
    "ADD": add,
    "SUB": sub,
    "MUL": mul,
    "MEAN": mean,
}
