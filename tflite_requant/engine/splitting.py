"""Depthwise weights cut into parts whose 16-bit sums are exact, each part a channel of its own.

A channel of too large weights is computed from as many copies of its data as it has parts; the sums
are added as floats. Parts are the columns of a tile: all channels, then the second parts of those
that have one, then the third ones, then columns of nothing for the sake of the product after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tflite_requant.engine.weighted import (
    Weighted,
    exact_type,
    safe_in_16_bits,
    signed_in_16_bits,
)

MOST_PARTS = 4
MULTIPLE = 16  # of columns that BLAS likes
EXTRA_SHARE = 0.4  # of a layer's channels; with more additional parts float sums are cheaper


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """channels: the channel of each column. weights: its part, int16 (h, w, columns).

    added:  what makes the column's sums positive, int64.
    read:   what they then are, uint16; or int16, where all are in its range and nothing is added.
    counts: columns of the first parts, the second ones, and so on; the channels that have further
            parts are the last of the first ones. Columns beyond have weights of zero.
    """

    channels: np.ndarray
    weights: np.ndarray
    added: np.ndarray
    read: type
    counts: tuple[int, ...]


def parts_of(weighted: Weighted) -> np.ndarray | None:
    """How many parts each channel has, or None where float sums are better."""
    if exact_type(weighted) is np.float64:
        return None
    raised, signed = (_counted(weighted, rule) for rule in (safe_in_16_bits, signed_in_16_bits))
    if raised is None or int((raised - 1).sum()) > EXTRA_SHARE * len(raised):
        return None
    # Where no column more is needed, sums are cut so small that they need not be raised.
    return raised if signed is None or _width(signed) > _width(raised) else signed


def _counted(weighted: Weighted, rule: Callable[[Weighted], np.ndarray]) -> np.ndarray | None:
    """The least number of parts of each channel that all pass a rule, or None: too many."""
    needed = np.zeros(weighted.weights.shape[-1], np.int64)
    for count in range(1, MOST_PARTS + 1):
        exact = [rule(replace(weighted, weights=p)) for p in _cut(weighted, count)]
        needed[(needed == 0) & np.all(exact, axis=0)] = count
    return None if np.any(needed == 0) else needed


def _width(parts: np.ndarray) -> int:
    """Columns for channels of so many parts."""
    total = int(parts.sum())
    return total + -total % MULTIPLE if np.any(parts > 1) else total


def _cut(weighted: Weighted, count: np.ndarray | int) -> list[np.ndarray]:
    """Weights that add up to the operator's: floor((w + j) / n) over j = 0 .. n - 1."""
    return [(weighted.weights + j) // count for j in range(int(np.max(count)))]


def columns(weighted: Weighted, parts: np.ndarray, order: np.ndarray) -> Columns:
    """The columns for channels in that order, along which `parts` does not fall."""
    counted = parts[order]
    later = [order[counted > j] for j in range(int(counted.max()))]
    channels = np.concatenate(later)
    cut = _cut(weighted, parts.astype(np.int16))
    weights = np.concatenate([p[..., c] for p, c in zip(cut, later, strict=True)], axis=-1)
    spare = _width(parts) - len(channels)
    channels = np.pad(channels, (0, spare), "edge")
    weights = np.pad(weights, ((0, 0), (0, 0), (0, spare)))
    top = np.broadcast_to(weighted.top, counted.shape)[channels]
    signed = bool(signed_in_16_bits(replace(weighted, weights=weights, top=top)).all())
    added = np.zeros(len(channels), np.int64) if signed else _lift(weights, top)
    read = np.int16 if signed else np.uint16
    return Columns(channels, weights, added, read, tuple(len(c) for c in later))


def _lift(weights: np.ndarray, top: np.ndarray) -> np.ndarray:
    axes = tuple(range(weights.ndim - 1))
    return top * np.maximum(-weights, 0).sum(axis=axes, dtype=np.int64)


def lifted(weighted: Weighted, parts: np.ndarray) -> np.ndarray:
    """By how much the sum of a channel's raised parts is above its products; int64."""
    found = columns(weighted, parts, np.argsort(parts, kind="stable"))
    return np.bincount(found.channels, found.added, len(parts)).astype(np.int64)
