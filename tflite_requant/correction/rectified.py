"""How often a rectified value is not 0, from its mean and variance.

Of max(x, 0) with x normal, of mean a and deviation 1,

    E = a P + p,   E2 = (a^2 + 1) P + a p,   P = Phi(a), p = phi(a),

so that E^2 / E2, which no unit changes, grows with a, and tells P.
"""

from __future__ import annotations

import math

import numpy as np

POINTS = tuple(i / 16 for i in range(-96, 97))  # of a


def _point(a: float) -> tuple[float, float]:
    """(E^2 / E2, P)."""
    share = (1 + math.erf(a / math.sqrt(2))) / 2
    density = math.exp(-a * a / 2) / math.sqrt(2 * math.pi)
    mean = a * share + density
    return mean * mean / ((a * a + 1) * share + a * density), share


# In float32, for the last bits of transcendental functions differ between CPUs.
_RATIOS, _SHARES = np.array([(0.0, 0.0), *map(_point, POINTS), (1.0, 1.0)], np.float32).T


def share_of_positive(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """P of each value; mean, variance: float64 of any one shape, of values not below 0. 0 where
    both are 0."""
    square = mean * mean
    total = square + variance
    ratio = np.divide(square, total, out=np.zeros_like(square), where=total > 0)
    return np.interp(ratio, _RATIOS.astype(np.float64), _SHARES.astype(np.float64))
