"""REDUCE_MAX and REDUCE_MIN of stored values, REDUCE_ANY and REDUCE_ALL of bools.

Of equal floats (0 and -0) the first stays. Where some axes are left, what floats are compared with
first is the farthest finite number; NaN is never better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._reduce import keep_dims, reduced_axes
from tflite_requant.kernels._types import Attributes, Kernel, Operands, Stage

FINITE = np.finfo(np.float32).max


def _reduction(function: Callable) -> Kernel:
    """The kernel that reduces by a NumPy function."""

    def kernel(
        operands: Operands, attributes: Attributes, arithmetic: Arithmetic
    ) -> Iterator[Stage]:
        data, axes = operands.input(0).integers, reduced_axes(operands)
        if data.dtype.kind == "f" and data.size:
            data = _best(data, axes, function, keep_dims(attributes))
        elif axes:
            data = np.asarray(function(data, axis=axes, keepdims=keep_dims(attributes)))
        yield "output", data

    return kernel


def _best(data: np.ndarray, axes: tuple[int, ...], function: Callable, keep: bool) -> np.ndarray:
    """Floats in memory order, each taken where it is better than what was kept."""
    found = np.asarray(function(data, axis=axes, keepdims=True)) if axes else data
    if not (np.isfinite(found) & (found != 0)).all():
        rows = np.moveaxis(data, axes, range(len(axes))).reshape(-1, found.size)
        worst, better = (-1, np.greater) if function is np.max else (1, np.less)
        everything = len(axes) == data.ndim
        best = rows[0].copy() if everything else np.full(found.size, FINITE * worst, data.dtype)
        for row in rows:
            np.copyto(best, row, where=better(row, best))
        found = best.reshape(found.shape)
    return found if keep else found.reshape([n for i, n in enumerate(data.shape) if i not in axes])


reduce_max = _reduction(np.max)
reduce_min = _reduction(np.min)
reduce_any = _reduction(np.any)
reduce_all = _reduction(np.all)
