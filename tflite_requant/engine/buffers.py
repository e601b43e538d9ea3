"""Memory of a prepared program: aligned arrays, and scratch that operators take turns to use."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

ALIGNMENT = 64  # bytes; a product of two arrays takes half the time when both start at such a place
LONG_VECTOR = 4096  # elements; broadcast vectors longer than this are added in half the time


def aligned(shape: Sequence[int], dtype, fill: int | None = None) -> np.ndarray:
    """A C-contiguous array that starts at a multiple of ALIGNMENT; uninitialised without `fill`."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    array = raw[start : start + size].view(dtype).reshape(shape)
    if fill is not None:
        array.fill(fill)
    return array


def aligned_copy(values: np.ndarray, dtype) -> np.ndarray:
    """values in an aligned, contiguous array of another dtype."""
    array = aligned(values.shape, dtype)
    np.copyto(array, values, casting="unsafe")
    return array


class Scratch:
    """Named arrays whose contents live for one step of the program only.

    A larger request under the same name replaces the array; earlier views keep the old one.
    """

    def __init__(self, at_least: int = 1 << 16) -> None:
        self._at_least = at_least
        self._arrays: dict[tuple[str, str], np.ndarray] = {}

    def take(self, name: str, shape: Sequence[int], dtype) -> np.ndarray:
        """An uninitialised array of that shape at the start of the named memory."""
        size = math.prod(shape)
        key = name, np.dtype(dtype).str
        found = self._arrays.get(key)
        if found is None or found.size < size:
            found = self._arrays[key] = aligned((max(size, self._at_least),), dtype)
        return found[:size].reshape(shape)


def repeats(rows: int, length: int) -> int:
    """How often to repeat a vector of `length` so that it fits `rows` rows and is long.

    The smallest divisor of `rows` that makes it longer than LONG_VECTOR, else `rows`.
    """
    for count in range(1, rows + 1):
        if rows % count == 0 and count * length > LONG_VECTOR:
            return count
    return max(rows, 1)
