"""A binary heap as the C++ library keeps it: which of equals comes first depends on how it is kept.

What takes the top's place sinks to the bottom before it rises. `below(a, b)` says whether b stands
nearer to the top than a.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Order = Callable[[Any, Any], bool]


def sink(heap: list, hole: int, length: int, entry: Any, below: Order) -> None:
    """Put an entry into a hole of the first `length` places."""
    top = hole
    while 2 * hole + 2 < length:
        child = 2 * hole + 2
        if below(heap[child], heap[child - 1]):
            child -= 1
        heap[hole], hole = heap[child], child
    if 2 * hole + 1 < length:
        heap[hole], hole = heap[2 * hole + 1], 2 * hole + 1
    _rise(heap, hole, top, entry, below)


def _rise(heap: list, hole: int, top: int, entry: Any, below: Order) -> None:
    while hole > top and below(heap[(hole - 1) // 2], entry):
        heap[hole], hole = heap[(hole - 1) // 2], (hole - 1) // 2
    heap[hole] = entry
