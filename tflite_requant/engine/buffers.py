"""Memory of a prepared program: aligned arrays, and scratch that operators take turns to use."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import numpy as np

ALIGNMENT = 64  # bytes; a product of two arrays takes half the time when both start at such a place
PAGE = 1 << 21  # bytes of a huge page, which is read faster; NumPy asks for them from 4 MiB on
BLOCK = 1 << 24  # bytes, whole pages
LONG_VECTOR = 4096  # elements; broadcast vectors longer than this are added in half the time


class _Block(threading.local):
    """The memory that arrays are cut from, one for each thread; arrays keep their block alive."""

    raw = np.empty(0, np.uint8)

    def take(self, size: int) -> np.ndarray:
        if size > BLOCK // 2:
            return _from_aligned(np.empty(size + ALIGNMENT, np.uint8), size)[0]
        if size + ALIGNMENT > self.raw.size:
            self.raw = _from_aligned(np.empty(BLOCK + PAGE, np.uint8), BLOCK, PAGE)[0]
        taken, self.raw = _from_aligned(self.raw, size)
        return taken


def _from_aligned(
    raw: np.ndarray, size: int, alignment: int = ALIGNMENT
) -> tuple[np.ndarray, np.ndarray]:
    """(bytes from the first aligned place, what follows them)."""
    start = -raw.ctypes.data % alignment
    return raw[start : start + size], raw[start + size + -size % ALIGNMENT :]


_block = _Block()


def aligned(shape: Sequence[int], dtype, fill: int | None = None) -> np.ndarray:
    """A C-contiguous array that starts at a multiple of ALIGNMENT; uninitialised without `fill`."""
    dtype = np.dtype(dtype)
    array = _block.take(math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)
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


def placed(needs: Sequence[tuple[int, int, int]]) -> list[np.ndarray]:
    """Bytes for each of several needs, (size, first step, last step), that share memory in turns.

    What is needed at one common step lies apart.
    """
    memory: list[tuple[np.ndarray, list[tuple[int, int]]]] = []
    found: dict[int, np.ndarray] = {}
    for number in sorted(range(len(needs)), key=lambda n: (-needs[n][0], n)):
        size, first, last = needs[number]
        free = (
            entry for entry in reversed(memory)  # smallest first
            if all(last < begin or end < first for begin, end in entry[1])
        )  # fmt: skip
        raw, taken = next(free, None) or (aligned((size,), np.uint8), [])
        if not taken:
            memory.append((raw, taken))
        taken.append((first, last))
        found[number] = raw[:size]
    return [found[n] for n in range(len(needs))]


def repeats(rows: int, length: int) -> int:
    """How often to repeat a vector of `length` so that it fits `rows` rows and is long.

    The smallest divisor of `rows` that makes it longer than LONG_VECTOR, else `rows`.
    """
    for count in range(1, rows + 1):
        if rows % count == 0 and count * length > LONG_VECTOR:
            return count
    return max(rows, 1)
