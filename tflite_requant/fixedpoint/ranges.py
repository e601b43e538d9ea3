"""Integer ranges, and bringing values into them."""

from __future__ import annotations

import numpy as np

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


def limits(dtype: np.dtype | type | str) -> tuple[int, int]:
    """Smallest and largest integer of an integer dtype."""
    info = np.iinfo(np.dtype(dtype))
    return int(info.min), int(info.max)


def saturate(values: np.ndarray, dtype: np.dtype | type | str) -> np.ndarray:
    """Integers clipped to the range of `dtype`, in that dtype."""
    low, high = limits(dtype)
    return np.clip(values, low, high).astype(dtype)


def wrap32(values: np.ndarray) -> np.ndarray:
    """Integers modulo 2**32 as int32 would hold them, in int64: what an int32 sum overflows to."""
    return np.asarray(values).astype(np.int32).astype(np.int64)


def fits32(values: np.ndarray) -> bool:
    """Whether every integer fits int32."""
    if values.size == 0 or values.dtype.itemsize < 4 or values.dtype == np.int32:
        return True
    return int(values.min()) >= INT32_MIN and int(values.max()) <= INT32_MAX


def largest_magnitude(values: np.ndarray) -> int:
    """max |value| as a Python int, 0 for an empty array."""
    if values.size == 0:
        return 0
    return max(int(values.max()), -int(values.min()))


def real_to_int32(values: np.ndarray) -> np.ndarray:
    """Float to int32 as x86's conversion does it: truncated; out of range or NaN gives -2**31."""
    values = np.asarray(values)
    truncated = np.trunc(values)
    good = (truncated >= INT32_MIN) & (truncated <= INT32_MAX)
    return np.where(good, truncated, INT32_MIN).astype(np.int64).astype(np.int32)
