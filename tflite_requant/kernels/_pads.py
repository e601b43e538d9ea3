"""Pad amounts of the padding operators."""

from __future__ import annotations

import numpy as np

from tflite_requant.kernels._types import QArray


def amounts(paddings: QArray) -> list[tuple[int, int]]:
    """(before, after) for each axis."""
    return [(int(a), int(b)) for a, b in np.asarray(paddings.integers).reshape(-1, 2)]
