"""Matrix products of reals that come out the same on every CPU.

A BLAS library adds in an order of its own, so that the last bits of a product differ. Here both
factors are put on integer grids, coarse parts and fine rests; products of these integers through
float64 are exact below 2^53, whatever the order. What is left of the rests is below 2^-43 of the
largest element of a row times that of a column, for up to BLOCK terms.
"""

from __future__ import annotations

import numpy as np

BLOCK = 64  # terms of a sum: 2 * BITS + log2(BLOCK) must not pass 53
BITS = 23


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b: float64 [M, K] and [K, N] -> float64 [M, N]."""
    total = np.zeros((a.shape[0], b.shape[1]))
    for first in range(0, a.shape[1], BLOCK):
        total += _block(a[:, first : first + BLOCK], b[first : first + BLOCK])
    return total


def _block(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a_unit, b_unit = _unit(a, 1), _unit(b, 0)
    a_coarse, a_rest = _parts(a / a_unit)
    b_coarse, b_rest = _parts(b / b_unit)
    rests = a_coarse @ b_rest + a_rest @ b_coarse
    return (a_coarse @ b_coarse + rests * 2.0**-BITS) * a_unit * b_unit


def _unit(values: np.ndarray, axis: int) -> np.ndarray:
    """A power of two, so that values over it are below 2^BITS."""
    largest = np.max(np.abs(values), axis=axis, keepdims=True)
    return np.ldexp(1.0, np.frexp(largest)[1] - BITS)


def _parts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers, and what is left of the values in units of 2^-BITS, to nearest."""
    coarse = np.rint(values)
    return coarse, np.rint((values - coarse) * 2.0**BITS)


def row_sums(values: np.ndarray) -> np.ndarray:
    """Sums of rows, column by column: float64 [M, K] -> float64 [M]."""
    total = np.zeros(len(values))
    for column in np.ascontiguousarray(values.T):
        total += column
    return total


def grouped(rows: np.ndarray, matrices: np.ndarray, group: np.ndarray) -> np.ndarray:
    """rows[o] @ matrices[group[o]]: float64 [O, K], symmetric [G, K, K], [O] -> float64 [O, K]."""
    if len(matrices) == 1:
        return product(rows, matrices[0])
    total = np.zeros_like(rows)
    for j in range(rows.shape[1]):
        total += rows[:, j, None] * matrices[group, j]
    return total
