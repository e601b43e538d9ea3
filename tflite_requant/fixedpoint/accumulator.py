"""What an accumulator can reach at most, proven from integers."""

from __future__ import annotations

import numpy as np


def extremes(
    weights: np.ndarray, low: int, high: int, bias: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(least, greatest) int64 [O] that any partial sum can be, whatever its order and padding.

    weights: int64 [O, K], zero points removed; low <= 0 <= high: of the input, its zero point
    removed; bias: integers [O].
    """
    positive = np.maximum(weights, 0).sum(axis=1, dtype=np.int64)
    negative = np.minimum(weights, 0).sum(axis=1, dtype=np.int64)
    greatest = positive * high + negative * low
    least = positive * low + negative * high
    if bias is not None:
        greatest = greatest + np.maximum(bias, 0)
        least = least + np.minimum(bias, 0)
    return least, greatest


def signed_bits(least: int, greatest: int) -> int:
    """The least width of a two's complement integer that holds both."""
    return 1 + max(int(greatest).bit_length(), (-int(least) - 1).bit_length() if least < 0 else 0)
