"""L2_POOL_2D, LOCAL_RESPONSE_NORMALIZATION, FAKE_QUANT of floats; every step rounded to float32."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.fixedpoint.transcendental import elementwise
from tflite_requant.kernels import _activation
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage
from tflite_requant.kernels._window import axes_2d, padded, tap, taps_inside

ONE = np.float32


def l2_pool(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    """The root of the mean of squares over the taps inside the image."""
    data = operands.input(0).integers
    y, x = axes_2d(data.shape, attributes["filter_height"], attributes["filter_width"], attributes)
    image = padded(data, y, x, 0)
    total = np.zeros((data.shape[0], y.out, x.out, data.shape[3]), np.float32)
    for row in range(y.kernel):
        for column in range(x.kernel):
            seen = tap(image, y, x, row, column)
            total += seen * seen
    count = (taps_inside(y)[:, None] * taps_inside(x))[None, :, :, None].astype(np.float32)
    yield "output", _activation.clamp_real(np.sqrt(total / count), attributes)


def response_normalization(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """x * (bias + alpha * sum of squares) ** -beta over channels from c - radius to c + radius - 1.

    The power is taken in float64. LiteRT's reference kernel leaves the channel at c + radius out.
    """
    data = operands.input(0).integers
    radius, depth = int(attributes["radius"]), data.shape[-1]
    total = np.zeros_like(data)
    for offset in range(-radius, radius):
        low, high = max(0, -offset), min(depth, depth - offset)
        if low < high:
            seen = data[..., low + offset : high + offset]
            total[..., low:high] += seen * seen
    bias, alpha, beta = (float(ONE(attributes[name])) for name in ("bias", "alpha", "beta"))
    base = bias + alpha * total.astype(np.float64)
    factor = elementwise(lambda value: math.pow(value, -beta), base).astype(np.float32)
    yield "output", data * factor


def fake_quant(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """Floats put on the grid of 2 ** bits steps from min to max, nudged so that 0 is on it."""
    if attributes.get("narrow_range"):
        raise KernelError("narrow_range: LiteRT refuses")
    low, high = ONE(attributes.get("min", 0.0)), ONE(attributes.get("max", 0.0))
    last = ONE((1 << int(attributes.get("num_bits", 0))) - 1)
    scale = (high - low) / last
    zero = ONE(0) - low / scale
    zero = ONE(np.clip(round_half_away(zero), 0, last))
    least, largest = (ONE(0) - zero) * scale, (last - zero) * scale
    values = operands.input(0).integers
    clamped = np.minimum(largest, np.where(least < values, values, least))  # NaN: the least
    steps = round_half_away((clamped - least) * (ONE(1) / scale)).astype(np.float32)
    yield "output", steps * scale + least
