"""Pad amounts of the padding operators."""

from __future__ import annotations

import numpy as np

from tflite_requant.kernels._types import QArray


def amounts(paddings: QArray) -> np.ndarray:
    """(before, after) for each axis; int64 (rank, 2)."""
    return np.asarray(paddings.integers, np.int64).reshape(-1, 2)


def framed(values: np.ndarray, paddings: QArray, **keywords) -> np.ndarray:
    """np.pad by the amounts; a scalar stays as it is."""
    return np.pad(values, amounts(paddings), **keywords) if values.ndim else values.copy()
