"""Real weights to integers on a given grid: to nearest, or with compensated errors.

Error compensation (optimal brain surgeon, in the Cholesky form known as GPTQ, arXiv 2210.17323):
weights are rounded one input after the other; the error of each is undone, as far as the inputs'
covariance C permits, by the weights not rounded yet. With H = C + damping and U the upper Cholesky
factor of H^-1:

    q_k = clip(round(w_k / s)),   e = (w_k - s q_k) / U_kk,   w_j -= e U_kj  for j > k.

Everything here is elementwise in a fixed order, so that the result is the same on every CPU.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tflite_requant.correction.moments import Moments

DAMPING = 0.05


def round_half_away(values: np.ndarray) -> np.ndarray:
    """Nearest integers, ties away from zero; float64 in and out."""
    return np.copysign(np.floor(np.abs(values) + 0.5), values)


def nearest(real: np.ndarray, scale: np.ndarray, low: int, high: int) -> np.ndarray:
    """Integers nearest to real / scale in [low, high]: real [O, K], scale [O] -> int64 [O, K]."""
    return np.clip(round_half_away(real / scale[:, None]), low, high).astype(np.int64)


class Compensator:
    """Error-compensating rounding under one operator's moments; the factorization is done once."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments

    @property
    def knows(self) -> bool:
        """Whether there is anything to compensate with; variances alone are not enough."""
        return self.moments.covariance.ndim == 3

    @cached_property
    def _factors(self) -> tuple[np.ndarray, np.ndarray]:
        """(order of the inputs [K], upper factors [G, K, K] in that order)."""
        covariance = _shrunken(self.moments)
        k = covariance.shape[-1]
        order = _order(covariance) if self.moments.groups == 1 else np.arange(k)
        return order, _inverse_factor(covariance[:, order][:, :, order])

    def round(
        self, real: np.ndarray, scale: np.ndarray, low: int, high: int, group: np.ndarray
    ) -> np.ndarray:
        """Integers whose output error is small: real [O, K], scale [O], group [O] (of `moments`,
        per row) -> int64 [O, K]. Rounds to nearest where nothing is known."""
        if not self.knows:
            return nearest(real, scale, low, high)
        order, factors = self._factors
        work = real[:, order].copy()
        rounded = np.zeros(work.shape, np.int64)
        for k in range(work.shape[1]):
            q = np.clip(round_half_away(work[:, k] / scale), low, high)
            rounded[:, k] = q
            u = factors[:, k, :] if len(factors) == 1 else factors[group, k, :]
            error = (work[:, k] - q * scale) / u[:, k]
            work[:, k + 1 :] -= error[:, None] * u[:, k + 1 :]
        restored = np.empty_like(rounded)
        restored[:, order] = rounded
        return restored


def _shrunken(moments: Moments) -> np.ndarray:
    """Covariance, pulled to its diagonal as far as there are few rows, and damped."""
    covariance, k = moments.covariance, moments.covariance.shape[-1]
    rho = min(1.0, k / moments.rows) if 0 < moments.rows else 0.0
    diagonal = np.einsum("gkk->gk", covariance)
    mean = diagonal.sum(axis=1) / k
    shrunken = covariance * (1 - rho)
    index = np.arange(k)
    shrunken[:, index, index] = diagonal + DAMPING * np.where(mean > 0, mean, 1.0)[:, None]
    return shrunken


def _order(covariance: np.ndarray) -> np.ndarray:
    """Strongest inputs first: their errors can still be undone."""
    return np.argsort(-covariance[0].diagonal(), kind="stable")


def _inverse_factor(h: np.ndarray) -> np.ndarray:
    """Upper U with U^T U = H^-1, for a stack of positive definite H: float64 [G, K, K].

    H = R^T R with R upper, taken from the last index backwards (J L L^T J with J the exchange),
    gives U = (R')^-1 directly; both steps are column operations of elementwise products.
    """
    flipped = h[:, ::-1, ::-1].copy()
    lower = _cholesky(flipped)
    inverse = _invert_lower(lower)
    return inverse[:, ::-1, ::-1]


def _cholesky(a: np.ndarray) -> np.ndarray:
    """Lower L with L L^T = A, right-looking; A is overwritten."""
    k = a.shape[-1]
    lower = np.zeros_like(a)
    for j in range(k):
        pivot = np.sqrt(np.maximum(a[:, j, j], np.finfo(np.float64).tiny))
        column = a[:, j:, j] / pivot[:, None]
        lower[:, j:, j] = column
        tail = column[:, 1:]
        a[:, j + 1 :, j + 1 :] -= tail[:, :, None] * tail[:, None, :]
    return lower


def _invert_lower(lower: np.ndarray) -> np.ndarray:
    """L^-1 by forward substitution, one row of L at a time over all right-hand sides."""
    k = lower.shape[-1]
    inverse = np.zeros_like(lower)
    inverse[:, np.arange(k), np.arange(k)] = 1.0
    for j in range(k):
        inverse[:, j, : j + 1] /= lower[:, j, j][:, None]
        factor = lower[:, j + 1 :, j]
        inverse[:, j + 1 :, : j + 1] -= factor[:, :, None] * inverse[:, j, None, : j + 1]
    return inverse
