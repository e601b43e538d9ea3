"""Float products of matrices and vectors as vector code adds them up: in four lanes.

Lane i holds the products i, i + 4, ...; the lanes are added to the start from the first to the
last, as one sum, then what does not fill the lanes, one product after the other.
"""

from __future__ import annotations

import numpy as np

LANES = 4


def accumulated(start: np.ndarray, matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """start (n, units) plus vectors (n, k) times matrix (units, k), transposed; all float32."""
    whole = vectors.shape[1] // LANES * LANES
    lanes = np.zeros((*start.shape, LANES), np.float32)
    for first in range(0, whole, LANES):
        part = slice(first, first + LANES)
        lanes = lanes + matrix[None, :, part] * vectors[:, None, part]
    total = start + (((lanes[..., 0] + lanes[..., 1]) + lanes[..., 2]) + lanes[..., 3])
    for place in range(whole, vectors.shape[1]):
        total = total + matrix[None, :, place] * vectors[:, None, place]
    return total


def dots(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Sums over the last axis of products of two float32 arrays, in lanes, from 0."""
    products = first * second
    whole = products.shape[-1] // LANES * LANES
    lanes = np.zeros((*products.shape[:-1], LANES), np.float32)
    for start in range(0, whole, LANES):
        lanes = lanes + products[..., start : start + LANES]
    total = ((lanes[..., 0] + lanes[..., 1]) + lanes[..., 2]) + lanes[..., 3]
    for place in range(whole, products.shape[-1]):
        total = total + products[..., place]
    return total
