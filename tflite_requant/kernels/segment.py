"""UNSORTED_SEGMENT_SUM, _PROD, _MAX, _MIN: rows reduced by segment, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Kernel, KernelError, Operands, Stage


def _segments(function: np.ufunc, initial) -> Kernel:
    """The kernel of a binary function; `initial` gives a type's value of an empty segment."""

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
            function.at(out, segments.reshape(-1)[chosen], rows[chosen])
        yield "output", out

    return kernel


def _least(dtype: np.dtype):
    return np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min


def _largest(dtype: np.dtype):
    return np.finfo(dtype).max if dtype.kind == "f" else np.iinfo(dtype).max


total = _segments(np.add, lambda dtype: 0)
product = _segments(np.multiply, lambda dtype: 1)
largest = _segments(np.maximum, _least)
least = _segments(np.minimum, _largest)
