"""Histograms of stored integers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tflite_requant.model import QArray, Tensor
from tflite_requant.model.dtypes import RANGES
from tflite_requant.study.outcome import Histogram

BARS = 256  # bars of a histogram; wider types share them


class Counter:
    """Counts the stored integers of one per-tensor quantized activation."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        low, high = RANGES[tensor.dtype]
        self.first, self.width = int(low), max(1, (int(high) - int(low) + 1) // BARS)
        self.counts = np.zeros(BARS, np.int64)

    def add(self, stored: np.ndarray) -> None:
        """Count one array."""
        bars = (stored.reshape(-1).astype(np.int64) - self.first) // self.width
        self.counts += np.bincount(bars, minlength=BARS)[:BARS]

    def result(self) -> Histogram:
        qparams = self.tensor.qparams
        return Histogram(
            self.tensor.dtype,
            self.first,
            tuple(self.counts.tolist()),
            self.width,
            float(qparams.scale),
            int(qparams.zero_points[0]),
        )


def countable(tensor: Tensor) -> bool:
    """Whether a tensor has stored integers on one grid."""
    return tensor.dtype in ("uint8", "int8", "int16") and (
        tensor.qparams is not None and not tensor.qparams.per_axis
    )


def weight_histogram(weights: QArray) -> Histogram:
    """Of integers less their zero point, in steps of each channel's scale."""
    centred = weights.centred().reshape(-1)
    first, last = (int(centred.min()), int(centred.max())) if centred.size else (0, 0)
    width = max(1, -(-(last - first + 1) // (2 * BARS)))
    counts = np.bincount((centred - first) // width)
    per_axis = weights.qparams.per_axis
    return Histogram(
        str(weights.integers.dtype),
        first,
        tuple(counts.tolist()),
        width,
        None if per_axis else float(weights.qparams.scales[0]),
        None if per_axis else int(weights.qparams.zero_points[0]),
    )


def histograms(tensors: Iterable[Tensor]) -> dict[int, Counter]:
    """A counter for each tensor that can be counted, by index."""
    return {t.index: Counter(t) for t in tensors if countable(t)}
