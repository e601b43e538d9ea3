"""Bias folding: the mean of what new weights lose goes into the bias.

Replacing W by W' moves the mean output of channel o by sum_k (W - W')_ok E[x_k]; adding that to the
bias moves it back. What remains of the error has mean zero.
"""

from __future__ import annotations

import numpy as np

from tflite_requant.correction.moments import Moments


def moved(old: np.ndarray, new: np.ndarray, moments: Moments) -> np.ndarray:
    """What each bias absorbs, in real units: old, new float64 [O, K] -> float64 [O]."""
    group = moments.group_of(len(old))
    total = np.zeros(len(old))
    difference = old - new
    for k in range(old.shape[1]):
        total += difference[:, k] * moments.mean[group, k]
    return total
