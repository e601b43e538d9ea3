"""Bias folding: the mean of what new weights lose goes into the bias.

Replacing W by W' moves the mean output of channel o by sum_k (W - W')_ok E[x_k]; adding that to the
bias moves it back. What remains of the error has mean zero. Inputs that are above by a constant
wherever they are not 0 move it by that constant times sum_k W'_ok P(x_k > 0).
"""

from __future__ import annotations

import numpy as np

from tflite_requant.correction.moments import Moments
from tflite_requant.correction.rectified import share_of_positive


def moved(old: np.ndarray, new: np.ndarray, moments: Moments) -> np.ndarray:
    """What each bias absorbs, in real units: old, new float64 [O, K] -> float64 [O]."""
    group = moments.group_of(len(old))
    total = np.zeros(len(old))
    difference = old - new
    for k in range(old.shape[1]):
        total += difference[:, k] * moments.mean[group, k]
    return total


def carried(new: np.ndarray, moments: Moments) -> np.ndarray:
    """By how much outputs move with inputs that are above by 1 where they are not 0, none of them
    below: new float64 [O, K] -> float64 [O]."""
    group = moments.group_of(len(new))
    share = share_of_positive(moments.mean, moments.variance())
    total = np.zeros(len(new))
    for k in range(new.shape[1]):
        total += new[:, k] * share[group, k]
    return total
