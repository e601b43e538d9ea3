"""Matrix products cut to the size that BLAS multiplies fastest.

OpenBLAS multiplies small matrices where they lie and larger ones after repacking them, which costs
a third of the time of a mobile network's products. One call of np.matmul runs many small products.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.engine.buffers import aligned_copy
from tflite_requant.engine.forms import Call

SMALL = 1_000_000  # multiplications of a product that OpenBLAS still takes for small
ENOUGH_ROWS = 14  # of a small product; with fewer rows cutting columns is better
COLUMNS = 32  # columns are cut at multiples of this


def multiplied(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> Call:
    """A bound call: out = left @ right. left (m, k), right (k, n), out (m, n) contiguous."""
    (m, k), n = left.shape, right.shape[1]
    rows, columns = _cut(m, k, n)
    if columns < n:
        parts = n // columns
        right = aligned_copy(right.reshape(k, parts, columns).transpose(1, 0, 2), right.dtype)
        out = out.reshape(m, parts, columns).transpose(1, 0, 2)
    elif rows < m:
        left, out = left.reshape(m // rows, rows, k), out.reshape(m // rows, rows, n)
    return partial(np.matmul, left, right, out)


def _cut(m: int, k: int, n: int) -> tuple[int, int]:
    """(rows, columns) of the products to run; m and n where they had better not be cut."""
    if m * k * n <= SMALL or m < ENOUGH_ROWS:
        return m, n
    rows = next((r for r in range(SMALL // (k * n), ENOUGH_ROWS - 1, -1) if m % r == 0), 0)
    if rows:
        return rows, n
    most = SMALL // (m * k) // COLUMNS * COLUMNS
    columns = next((c for c in range(most, 0, -COLUMNS) if n % c == 0), n)
    return m, columns
