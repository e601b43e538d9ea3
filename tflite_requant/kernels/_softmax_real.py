"""SOFTMAX and LOG_SOFTMAX of 8-bit operands in float32, exponentials through a table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.fixedpoint.transcendental import exp32, log32
from tflite_requant.kernels._types import OutputType, QArray, Stage

ONE = np.float32


def exponentials(data: QArray, beta: float) -> np.ndarray:
    """exp(beta * s * (q - row maximum)), float32 of the operand's shape."""
    table = exp32(-(ONE(data.scale) * ONE(beta)) * np.arange(256).astype(np.float32))
    top = data.integers.max(axis=-1, keepdims=True).astype(np.int64)
    return table[top - data.integers]


def _sum(exps: np.ndarray) -> np.ndarray:
    """Along the last axis in element order, as a float32 sum depends on it."""
    return np.add.accumulate(exps, axis=-1, dtype=np.float32)[..., -1:]


def softmax(data: QArray, output: OutputType, beta: float) -> Iterator[Stage]:
    """exp * (1 / (sum * s_out)), ties away from zero; a uint8 output's zero point is not added."""
    exps = exponentials(data, beta)
    yield "exp", exps
    total = _sum(exps)
    yield "sum", total
    steps = exps * (ONE(1) / (total * ONE(output.qparams.scale)))
    low, high = limits(output.numpy)
    if output.dtype == "uint8":
        rounded = (steps + ONE(0.5)).astype(np.int64)
    else:
        rounded = round_half_away(steps).astype(np.int64) + output.qparams.zero_point
    yield "output", np.clip(rounded, low, high).astype(output.numpy)


def log_softmax(data: QArray, output: OutputType) -> Iterator[Stage]:
    """round(q * s / s_out - (s * maximum + log(sum)) / s_out) + z_out, ties to even."""
    scale, out_scale = ONE(data.scale), ONE(output.qparams.scale)
    log_sum = log32(_sum(exponentials(data, 1.0)))
    yield "log_sum", log_sum
    top = data.integers.max(axis=-1, keepdims=True).astype(np.float32)
    offset = (scale * top + log_sum) / out_scale
    steps = data.integers.astype(np.float32) * (scale / out_scale) - offset
    low, high = limits(output.numpy)
    shifted = np.rint(steps).astype(np.int64) + output.qparams.zero_point
    yield "output", np.clip(shifted, low, high).astype(output.numpy)
