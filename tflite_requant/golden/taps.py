"""Operators whose accumulator is a sum over a window: which input element meets which weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflite_requant.fixedpoint.ranges import INT32_MAX, INT32_MIN, limits
from tflite_requant.golden.describe import POOLS, windows_of
from tflite_requant.golden.rescale import WEIGHTED, is_wide
from tflite_requant.golden.unit import Unit
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._reduce import reduced_axes

WIDE_REACH = 1 << 46


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """accumulator[slot, c] = bias[c] + sum over k of weights[c, k] * (x[slot, places[k]] - zero).

    position: of the operand that holds x. weights: int64 (C, K); bias: int64 (C,).
    places: (S, G, K) flat indices into x, of S slots that share no element; channel c reads group
    group[c]. low, high: what a stored x may be; zero: what is taken off it.
    """

    position: int
    weights: np.ndarray
    bias: np.ndarray
    places: np.ndarray
    group: np.ndarray
    low: int
    high: int
    zero: int

    @property
    def channels(self) -> int:
        return self.weights.shape[0]

    def extremes(self) -> tuple[np.ndarray, np.ndarray]:
        """(least, greatest) sum of each channel without wrapping; int64 (C,)."""
        low, high = self.low - self.zero, self.high - self.zero
        positive = np.maximum(self.weights, 0).sum(axis=1)
        negative = np.minimum(self.weights, 0).sum(axis=1)
        return (
            self.bias + positive * low + negative * high,
            self.bias + positive * high + negative * low,
        )


def taps_of(unit: Unit) -> Taps | None:
    """The taps of convolutions, FULLY_CONNECTED, average pools and MEAN; None for others, and where
    weights are computed or an accumulator may wrap."""
    made = _MAKERS.get(unit.op.name)
    taps = made(unit) if made else None
    if taps is None or not taps.places.size or not taps.weights.size:
        return None
    wide = unit.op.name in WEIGHTED and is_wide(unit)
    ends = (-WIDE_REACH, WIDE_REACH) if wide else (INT32_MIN, INT32_MAX)
    least, greatest = taps.extremes()
    return taps if least.min() >= ends[0] and greatest.max() <= ends[1] else None


def _conv(unit: Unit) -> Taps | None:
    if not _has_constants(unit):
        return None
    filters = unit.constants[1]
    depth, channels = filters.shape[3], unit.tensor(0).shape[3]
    groups = channels // depth
    per_group = filters.shape[0] // groups
    weights = filters.integers.astype(np.int64) - zero_point(filters)
    cells, seen = _cells(unit)
    first = depth * np.arange(groups)
    places = cells[:, None, :, None] * channels + first[:, None, None] + np.arange(depth)
    weights = weights.reshape(len(weights), -1, depth)[:, seen].reshape(len(weights), -1)
    group = np.arange(len(weights)) // per_group
    return _made(unit, 0, weights, places.reshape(len(cells), groups, -1), group)


def _depthwise(unit: Unit) -> Taps | None:
    if not _has_constants(unit):
        return None
    filters = unit.constants[1]
    count, channels = filters.shape[3], unit.tensor(0).shape[3]
    weights = filters.integers.astype(np.int64)
    if filters.dtype == np.uint8:
        weights = weights - zero_point(filters)
    cells, seen = _cells(unit)
    places = cells[:, None, :] * channels + np.arange(channels)[:, None]
    weights = weights.reshape(-1, count).T[:, seen]
    return _made(unit, 0, weights, places, np.arange(count) // (count // channels))


def _fully_connected(unit: Unit) -> Taps | None:
    if not _has_constants(unit):
        return None
    filters = unit.constants[1]
    weights = filters.integers.astype(np.int64) - zero_point(filters)
    depth = weights.shape[1]
    rows = int(np.prod(unit.tensor(0).shape, dtype=np.int64)) // depth
    places = np.arange(rows * depth).reshape(rows, 1, depth)
    return _made(unit, 0, weights, places, np.zeros(len(weights), np.int64))


def _pool(unit: Unit) -> Taps | None:
    if unit.tensor(0).qparams is None:
        return None
    channels = unit.tensor(0).shape[3]
    cells, seen = _cells(unit)
    places = cells[:, None, :] * channels + np.arange(channels)[:, None]
    weights = np.ones((channels, int(seen.sum())), np.int64)
    return _made(unit, 0, weights, places, np.arange(channels), zero=0)


def _mean(unit: Unit) -> Taps | None:
    """Over rows and columns of NHWC, which is what networks end in."""
    shape = unit.tensor(0).shape
    if 1 not in unit.constants or len(shape) != 4 or unit.tensor(0).qparams is None:
        return None
    operands = unit.operands({0: np.zeros(shape, unit.tensor(0).dtype)})
    if tuple(sorted(reduced_axes(operands))) != (1, 2):
        return None
    n, h, w, channels = shape
    cells = np.arange(n * h * w).reshape(n, h * w)
    places = cells[:, None, :] * channels + np.arange(channels)[:, None]
    weights = np.ones((channels, h * w), np.int64)
    return _made(unit, 0, weights, places, np.arange(channels))


_MAKERS = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    POOLS[0]: _pool,
    "MEAN": _mean,
}


def _has_constants(unit: Unit) -> bool:
    """Whether weights and bias are known and the data are quantized."""
    _, weights, bias = WEIGHTED[unit.op.name]
    known = weights in unit.constants and (unit.op.input(bias) < 0 or bias in unit.constants)
    return known and unit.tensor(0).qparams is not None


def _made(unit: Unit, position: int, weights, places, group, zero: int | None = None) -> Taps:
    tensor = unit.tensor(position)
    low, high = limits(tensor.dtype)
    bias = unit.constants.get(WEIGHTED.get(unit.op.name, (0, 0, -1))[2])
    return Taps(
        position,
        weights,
        np.zeros(len(weights), np.int64) if bias is None else bias.integers.astype(np.int64),
        places,
        group,
        low,
        high,
        int(tensor.qparams.zero_points[0]) if zero is None else zero,
    )


def _cells(unit: Unit) -> tuple[np.ndarray, np.ndarray]:
    """(cells (S, k) of the windows of S slots, bool (kernel_h * kernel_w,) which taps these are).

    Slots share no cell and, where any window lies inside the image, are such; else they see as many
    taps as any. A cell is (image * height + row) * width + column.
    """
    y, x = windows_of(unit)
    n, height, width, _ = unit.tensor(0).shape
    rows, columns = _along(y), _along(x)
    cells, seen = [], None
    for image in range(n):
        for row in rows[0]:
            for column in columns[0]:
                cells.append(((image * height + row)[:, None] * width + column).reshape(-1))
    seen = (rows[1][:, None] & columns[1]).reshape(-1)
    return np.array(cells, np.int64).reshape(len(cells), -1), seen


def _along(axis) -> tuple[list[np.ndarray], np.ndarray]:
    """Along one axis: (positions of each slot's taps, bool (kernel,) which taps they are)."""
    steps = np.arange(axis.kernel) * axis.dilation
    positions = axis.starts()[:, None] + steps
    inside = (positions >= 0) & (positions < axis.size)
    most = inside.sum(axis=1).max(initial=0)
    full = np.flatnonzero(inside.sum(axis=1) == most)
    if not full.size:
        return [], np.zeros(axis.kernel, bool)
    seen = inside[full[0]]
    apart = max(1, -(-(steps[-1] + 1) // axis.stride))
    chosen = [o for o in range(int(full[0]), axis.out, apart) if (inside[o] == seen).all()]
    return [positions[o][seen] for o in chosen], seen
