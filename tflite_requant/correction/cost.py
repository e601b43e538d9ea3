"""How much an error in the weights disturbs the output: E[(e . x)^2] = e^T C e.

Costs choose between candidates, so they must not depend on the order in which a BLAS library adds.
Error and covariance are put on integer grids fine enough for a comparison; integer products
through float64 are exact below 2^53, whatever the order.
"""

from __future__ import annotations

import numpy as np

from tflite_requant.correction.moments import Moments
from tflite_requant.correction.products import row_sums

BITS = 53


def output_error(error: np.ndarray, moments: Moments) -> np.ndarray:
    """e^T C e for each output channel: error float64 [O, K] -> float64 [O]."""
    channels, k = error.shape
    group = moments.group_of(channels)
    if moments.covariance.ndim == 2:
        return row_sums(error * error * moments.covariance[group])
    bits = (BITS - int(np.ceil(np.log2(max(k, 2))))) // 2
    if moments.groups == 1:
        scale = np.max(np.abs(error), axis=1, keepdims=True)
        e = _on_grid(error, scale, bits)
        cov = moments.covariance[0]
        c = _on_grid(cov, np.max(np.abs(cov)), bits)
        weighted = (e @ c) * (scale * np.max(np.abs(cov))) * 2.0 ** (-2 * bits)
        return row_sums(weighted * error)
    weighted = np.zeros_like(error)
    for j in range(k):
        weighted += error[:, j : j + 1] * moments.covariance[group, j, :]
    return row_sums(weighted * error)


def _on_grid(values: np.ndarray, scale: np.ndarray, bits: int) -> np.ndarray:
    return np.rint(values / np.where(scale > 0, scale, 1.0) * 2.0**bits)
