"""Matrix products cut to the size that BLAS multiplies fastest.

OpenBLAS multiplies small matrices where they lie and larger ones after repacking them, which costs
a third of the time of a mobile network's products. One call of np.matmul runs many small products.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.engine.buffers import Scratch, aligned_copy
from tflite_requant.engine.forms import Call

SMALL = 1_000_000  # multiplications of a product that OpenBLAS still takes for small
ENOUGH_ROWS = 14  # of a small product; with fewer rows cutting columns is better
COLUMNS = 32  # columns are cut at multiples of this
MOST_PARTS = 4  # of a depth that is cut; their products have to be added


def multiplied(
    left: np.ndarray, right: np.ndarray, out: np.ndarray, scratch: Scratch
) -> list[Call]:
    """Bound calls: out = left @ right. left (m, k), right (k, n), out (m, n) contiguous.

    Sums are added in an order of their own; partial ones have to be exact.
    """
    (m, k), n = left.shape, right.shape[1]
    rows, depth, columns = _cut(m, k, n)
    whole = n - n % COLUMNS
    uncut = (rows, depth, columns) == (m, k, n)
    if uncut and m * k * n > SMALL and m >= ENOUGH_ROWS and 0 < whole < n:
        # Nothing divides n: the columns beyond a multiple are a product of their own.
        parts = slice(whole), slice(whole, n)
        return [c for p in parts for c in multiplied(left, right[:, p], out[:, p], scratch)]
    if depth == k and columns == n:
        if rows < m:
            left, out = left.reshape(m // rows, rows, k), out.reshape(m // rows, rows, n)
        return [partial(np.matmul, left, right, out)]
    parts, across = k // depth, n // columns
    left = left.reshape(m, parts, 1, depth).transpose(1, 2, 0, 3)
    blocks = right.reshape(parts, depth, across, columns).transpose(0, 2, 1, 3)
    sums = out[None] if parts == 1 else scratch.take("partial", (parts, m, n), out.dtype)
    seen = sums.reshape(parts, m, across, columns).transpose(0, 2, 1, 3)
    calls = [partial(np.matmul, left, aligned_copy(blocks, right.dtype), seen)]
    if parts > 1:
        calls.append(partial(np.add.reduce, sums, 0, None, out))
    return calls


def _cut(m: int, k: int, n: int) -> tuple[int, int, int]:
    """(rows, depth, columns) of the products to run; m, k, n where they had better not be cut."""
    if m * k * n <= SMALL or m < ENOUGH_ROWS:
        return m, k, n
    rows = next((r for r in range(SMALL // (k * n), ENOUGH_ROWS - 1, -1) if m % r == 0), 0)
    if rows:
        return rows, k, n
    for parts in range(1, MOST_PARTS + 1):
        most = SMALL * parts // (m * k) // COLUMNS * COLUMNS
        columns = next((c for c in range(most, 0, -COLUMNS) if n % c == 0), 0)
        if columns and k % parts == 0:
            return m, k // parts, columns
    return m, k, n
