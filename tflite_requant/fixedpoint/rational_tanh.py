"""The hyperbolic tangent of vectors of floats, as the Eigen library approximates it.

On |x| <= LARGEST, where it reaches 1: (x + x**3 * P(x**2)) / Q(x**2), P of degree 3, Q of degree 4,
Horner's scheme, every step rounded to float32.
"""

from __future__ import annotations

import numpy as np

LARGEST = np.float32(7.90738964080810547)
NUMERATOR = np.array([1.394553628e-8, 2.102733560e-5, 3.520756727e-3, 1.340216100e-1], np.float32)
DENOMINATOR = np.array(
    [8.015776984e-7, 3.326951409e-4, 2.597254514e-2, 4.673548340e-1, 1.0], np.float32
)


def rational_tanh(values: np.ndarray) -> np.ndarray:
    """tanh of each element; float32, same shape."""
    x = np.minimum(np.maximum(values, -LARGEST), LARGEST)
    square = x * x
    cube = square * x
    return (cube * _horner(NUMERATOR, square) + x) / _horner(DENOMINATOR, square)


def _horner(coefficients: np.ndarray, x: np.ndarray) -> np.ndarray:
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total
