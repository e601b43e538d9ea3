"""UNSORTED_SEGMENT_SUM, _PROD, _MAX, _MIN: rows reduced by segment, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Kernel, KernelError, Operands, Stage


def _segments(function: Callable, initial) -> Kernel:
    """The kernel of a function that takes rows into `out`.

    initial: gives a type's value of an empty segment.
    """

    def kernel(
        operands: Operands, attributes: Attributes, arithmetic: Arithmetic
    ) -> Iterator[Stage]:
        data, segments, count = (operands.input(i).integers for i in range(3))
        number = int(count.reshape(-1)[0])
        if segments.size and segments.max() >= number:
            raise KernelError(f"a segment leaves 0..{number - 1}")
        rows = data.reshape(-1, *data.shape[segments.ndim :])
        out = np.full((number, *rows.shape[1:]), initial(data.dtype), data.dtype)
        chosen = segments.reshape(-1) >= 0
        with np.errstate(all="ignore"):
            function(out, segments.reshape(-1)[chosen], rows[chosen])
        yield "output", out

    return kernel


def _least(dtype: np.dtype):
    return np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min


def _largest(dtype: np.dtype):
    return np.finfo(dtype).max if dtype.kind == "f" else np.iinfo(dtype).max


def _kept(better: np.ufunc) -> Callable:
    """Takes rows over where they compare as better: of 0 and -0 the first stays."""

    def place(out: np.ndarray, segments: np.ndarray, rows: np.ndarray) -> None:
        for segment, row in zip(segments.tolist(), rows, strict=True):
            out[segment] = np.where(better(row, out[segment]), row, out[segment])

    return place


total = _segments(np.add.at, lambda dtype: 0)
product = _segments(np.multiply.at, lambda dtype: 1)
largest = _segments(_kept(np.greater), _least)
least = _segments(_kept(np.less), _largest)
