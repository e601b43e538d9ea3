"""Random stored values that are the same with every NumPy: bits of PCG64, and nothing more."""

from __future__ import annotations

import numpy as np


def random_bits(count: int, *seeds: int) -> np.ndarray:
    """`count` bytes as uint8, by the seeds alone."""
    words = np.random.PCG64(np.random.SeedSequence(seeds)).random_raw((count + 7) // 8)
    return np.asarray(words, "<u8").view(np.uint8)[:count].copy()


def random_values(shape: tuple[int, ...], dtype: np.dtype, *seeds: int) -> np.ndarray:
    """Integers of at most 16 bits or booleans, every value equally likely; floats in [-1, 1)."""
    dtype = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    if dtype.kind == "f":
        raw = random_bits(4 * count, *seeds).view("<u4") >> 8
        return (raw.astype(np.float64) / 2**23 - 1).astype(dtype).reshape(shape)
    if dtype.kind == "b":
        return (random_bits(count, *seeds) & 1).astype(bool).reshape(shape)
    raw = random_bits(count * dtype.itemsize, *seeds)
    return raw.view(dtype.newbyteorder("<")).astype(dtype).reshape(shape)
