"""Integer matrix products through floating-point BLAS, wherever that is proven to be exact."""

from __future__ import annotations

import numpy as np

from tflite_requant.fixedpoint.ranges import largest_magnitude

FLOAT32_EXACT = 1 << 24
FLOAT64_EXACT = 1 << 53


def exact_matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b of integers, exact, as int64.

    a: (..., m, k), b: (..., k, n); integer dtypes, or floats that hold integers. Every partial sum
    of one output element stays below max|a| * (largest sum of |b| along k), whatever the order of
    summation; below 2**24 float32 holds it, below 2**53 float64, else int64 arithmetic wraps at
    64 bits.
    """
    bound = product_bound(a, b)
    dtype = float_type_for(bound)
    return np.matmul(a.astype(dtype, copy=False), b.astype(dtype, copy=False)).astype(np.int64)


def product_bound(a: np.ndarray, b: np.ndarray) -> int:
    """No partial sum of a @ b is larger in magnitude than this."""
    if a.size == 0 or b.size == 0:
        return 0
    columns = np.abs(b.astype(np.float64)).sum(axis=-2)
    return int(largest_magnitude(a)) * int(columns.max())


def float_type_for(bound: int) -> type:
    """The cheapest type that computes sums below `bound` exactly."""
    if bound < FLOAT32_EXACT:
        return np.float32
    return np.float64 if bound < FLOAT64_EXACT else np.int64
