"""Contiguous runs of two operands that broadcast, which vector code takes in whole blocks."""

from __future__ import annotations

import math

import numpy as np


def in_whole_blocks(shape: tuple[int, ...], segment: int, size: int) -> np.ndarray:
    """Which elements of a shape lie in whole blocks of their segment; bool array."""
    if segment == 0:
        return np.zeros(shape, bool)
    place = np.arange(math.prod(shape)).reshape(shape) % segment
    return place < segment // size * size


def fits16(values: np.ndarray) -> bool:
    """Whether every integer fits int16."""
    return values.size == 0 or (int(values.min()) >= -32768 and int(values.max()) <= 32767)


def segment_of(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, bool]:
    """(elements of a contiguous run, whether both operands advance in it).

    Shapes are read as five axes from behind: equal, the one operand broadcast, equal, the other
    broadcast, equal. The run is the last axis, or where that is 1 the one before. Shapes that need
    more axes have no runs: (0, False).
    """
    rank = max(len(first), len(second))
    a = (1,) * (rank - len(first)) + tuple(first)
    b = (1,) * (rank - len(second)) + tuple(second)
    if a == b:
        return math.prod(a), True
    differing = [i for i in range(rank) if a[i] != b[i]]
    if b[differing[-1]] == 1:
        a, b = b, a
    i, sizes = rank - 1, []
    for belongs in (
        lambda x, y: x == y,
        lambda x, y: x == 1,
        lambda x, y: x == y,
        lambda x, y: y == 1,
        lambda x, y: x == y,
    ):
        size = 1
        while i >= 0 and belongs(a[i], b[i]):
            size *= max(a[i], b[i])
            i -= 1
        sizes.append(size)
    if i >= 0:
        return 0, False
    return (sizes[0], True) if sizes[0] > 1 else (sizes[1], False)
