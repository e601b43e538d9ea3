"""AVERAGE_POOL_2D over full windows, and MEAN over the image, as depthwise sums with weights 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.engine.law import Law, byte_shift
from tflite_requant.engine.weighted import BYTES, TOP, Weighted
from tflite_requant.kernels import Operands
from tflite_requant.kernels import average_pool_2d as average_pool_kernel
from tflite_requant.kernels import mean as mean_kernel
from tflite_requant.kernels._types import Attributes
from tflite_requant.kernels._window import Axis, axes_2d
from tflite_requant.model.qparams import QArray

LARGEST_WINDOW = 64  # taps; the kernel is asked about every sum that a window can have


def average_pool_2d(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Weighted | None:
    """One image, windows inside it; weights (h, w, channels), the law of one channel for all."""
    data = operands.input(0)
    y, x = axes_2d(data.shape, attributes["filter_height"], attributes["filter_width"], attributes)
    if any((y.before, y.after, x.before, x.after)):
        return None
    whole = {**attributes, "filter_height": y.kernel * x.kernel, "filter_width": 1}
    whole |= {"padding": "VALID", "stride_h": 1, "stride_w": 1}

    def means(window: np.ndarray) -> np.ndarray:
        asked = Operands((QArray(window, data.qparams),), operands.outputs)
        *_, (_, found) = average_pool_kernel.stages(asked, whole, arithmetic)
        return found

    return _summed(operands, y, x, means, 1.0, 0, 0)


def mean(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Weighted | None:
    """One image, its rows and columns averaged; else as `average_pool_2d`."""
    data, axes = operands.input(0), operands.input(1)
    if len(data.shape) != 4 or sorted(axes.integers.reshape(-1).tolist()) != [1, 2]:
        return None
    _, height, width, _ = data.shape
    y, x = Axis(height, height, 1, 1, 1, 0), Axis(width, width, 1, 1, 1, 0)

    def means(window: np.ndarray) -> np.ndarray:
        asked = Operands((QArray(window, data.qparams), axes), operands.outputs)
        *_, (_, found) = mean_kernel.stages(asked, attributes, arithmetic)
        return found

    given, made = data.qparams, operands.output.qparams
    if given is None or made is None or arithmetic.positional(operands.output.dtype):
        return None
    ratio = given.scales[0] / made.scales[0]
    return _summed(operands, y, x, means, ratio, given.zero_points[0], made.zero_points[0])


def _summed(
    operands: Operands,
    y: Axis,
    x: Axis,
    means: Callable[[np.ndarray], np.ndarray],
    ratio: float,
    centre: int,
    zero: int,
) -> Weighted | None:
    """means: the plain kernel's results for windows as columns of (1, taps, 1, n) data.

    They are near (mean - centre) * ratio + zero, and mirrored about that point.
    """
    data, output = operands.input(0), operands.output
    if str(data.dtype) not in BYTES or output.numpy != data.dtype or data.shape[0] != 1:
        return None
    taps = y.kernel * x.kernel
    if data.qparams is None or output.qparams is None or taps > LARGEST_WINDOW:
        return None
    shift = byte_shift(data.dtype)
    base, more = np.divmod(np.arange(TOP * taps + 1), taps)
    window = base + (np.arange(taps)[:, None] < more)
    asked = (window - shift).astype(data.dtype).reshape(1, taps, 1, -1)
    found = means(asked).reshape(-1).astype(np.int64) + shift
    if np.any(np.diff(found) < 0):
        return None
    slope, zero = ratio / taps, zero + shift
    law = Law(
        lambda sums, channels: found[sums],
        np.zeros(1, np.int64),
        np.full(1, TOP * taps, np.int64),
        np.full(1, slope),
        np.full(1, zero - (centre + shift) * ratio),
        int(zero),
    )
    return Weighted(np.ones((y.kernel, x.kernel, data.shape[3]), np.int16), law, 0, 0, y, x)
