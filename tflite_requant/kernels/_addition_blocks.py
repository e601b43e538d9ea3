"""ADD as vector code computes it: in whole blocks otherwise than in what is left over.

Within each contiguous segment, blocks of 8 drop the bits that the shift behind the high product
removes; blocks of 16 shift before the product, so that it alone rounds. The rest of a segment is
lifted as by the reference kernel. 8-bit outputs pass through 16 bits in blocks, and wrap there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflite_requant.fixedpoint.multiplier import doubling_high_mul, quantize_multiplier
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._segments import fits16, in_whole_blocks, segment_of
from tflite_requant.kernels._types import QArray

Lift = Callable[[QArray], np.ndarray]


def lifted_in_blocks(
    first: QArray, second: QArray, bits: int, common: float, law: str, plain: Lift
) -> tuple[np.ndarray, np.ndarray]:
    """Both operands on the common grid, broadcast to the output's shape; int64.

    law: "blocks-of-8", "blocks-of-16" (of 8 where one of the last axes is broadcast), or
    "blocks-of-16-unless-broadcast". plain: the reference kernel's lift of an operand.
    """
    whole, size = _blocks(first.shape, second.shape, law)
    lift = _floored if size == 8 else _shifted_before
    left, right = (
        np.where(whole, lift(operand, bits, common), plain(operand)) for operand in (first, second)
    )
    return left, right


def wrapped_in_blocks(
    values: np.ndarray, first: tuple[int, ...], second: tuple[int, ...], law: str
) -> np.ndarray:
    """Integers modulo 2**16 where they lie in whole blocks; int64."""
    if fits16(values):
        return values
    whole, _ = _blocks(first, second, law)
    return np.where(whole, values.astype(np.int16).astype(np.int64), values)


def _blocks(first: tuple[int, ...], second: tuple[int, ...], law: str) -> tuple[np.ndarray, int]:
    """(which elements lie in whole blocks, block size)."""
    segment, contiguous = segment_of(first, second)
    if law == "blocks-of-16-unless-broadcast" and first != second:
        segment = 0
    size = 8 if law == "blocks-of-8" or not contiguous else 16
    return in_whole_blocks(np.broadcast_shapes(first, second), segment, size), size


def _floored(operand: QArray, bits: int, common: float) -> np.ndarray:
    multiplier, shift = quantize_multiplier(operand.scale / common)
    lifted = (operand.integers.astype(np.int64) - zero_point(operand)) << bits
    return doubling_high_mul(lifted, multiplier) >> -shift


def _shifted_before(operand: QArray, bits: int, common: float) -> np.ndarray:
    multiplier, shift = quantize_multiplier(operand.scale / common)
    centred = operand.integers.astype(np.int64) - zero_point(operand)
    before = bits + int(shift)
    lifted = centred << before if before >= 0 else centred >> -before
    return doubling_high_mul(lifted, multiplier)
