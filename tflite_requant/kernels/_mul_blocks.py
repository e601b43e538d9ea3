"""8-bit MUL as vector code narrows its results: through 16 bits, in whole blocks of a segment."""

from __future__ import annotations

import numpy as np

from tflite_requant.kernels._segments import fits16, in_whole_blocks, segment_of


def shifted_in_blocks(
    rescaled: np.ndarray, zero: int, first: tuple[int, ...], second: tuple[int, ...], size: int
) -> np.ndarray:
    """rescaled + zero. In blocks the first is brought to 16 bits, and the sum wraps there; int64.

    It saturates, except that it wraps in blocks of 8 beside a single number.
    """
    plain = rescaled + zero
    if fits16(rescaled) and fits16(plain):
        return plain
    segment, contiguous = segment_of(first, second)
    whole = in_whole_blocks(rescaled.shape, segment, size)
    wraps = size == 8 and not contiguous
    narrow = rescaled if wraps else np.clip(rescaled, -32768, 32767)
    return np.where(whole, (narrow + zero).astype(np.int16).astype(np.int64), plain)


def emptied_in_blocks(
    rescaled: np.ndarray, first: tuple[int, ...], second: tuple[int, ...], size: int
) -> np.ndarray:
    """0 in blocks, where a shift by 32 bits or more leaves nothing; scalar code takes the count
    modulo 32."""
    segment, _ = segment_of(first, second)
    return np.where(in_whole_blocks(rescaled.shape, segment, size), 0, rescaled)
