"""Real weights to integers on a given grid: to nearest, or with compensated errors.

Error compensation (optimal brain surgeon; in Cholesky form known as GPTQ, arXiv 2210.17323, which
equals Babai's nearest plane): weights are rounded one input after the other; the error of each is
undone, as far as the inputs' covariance C permits, by the weights not rounded yet. With errors
e = w - s q, H = C + damping = V V^T and V upper triangular,

    e^T H e = sum_k (V_kk e_k + sum_{j<k} V_jk e_j)^2,
    q_k = clip(round((w_k + sum_{j<k} e_j V_jk / V_kk) / s)).

Then sweeps over the inputs change one weight at a time where that lowers e^T H e.

Everything here is elementwise in a fixed order, or a product that is the same on every CPU.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tflite_requant.correction.moments import Moments
from tflite_requant.correction.products import BLOCK, grouped, product

DAMPING = 0.05
SWEEPS = 3


def round_half_away(values: np.ndarray) -> np.ndarray:
    """Nearest integers, ties away from zero; float64 in and out."""
    return np.copysign(np.floor(np.abs(values) + 0.5), values)


def nearest(real: np.ndarray, scale: np.ndarray, low: int, high: int) -> np.ndarray:
    """Integers nearest to real / scale in [low, high]: real [O, K], scale [O] -> int64 [O, K]."""
    return np.clip(round_half_away(real / scale[:, None]), low, high).astype(np.int64)


class Compensator:
    """Error-compensating rounding under one operator's moments; the factorization is done once."""

    def __init__(self, moments: Moments, sweeps: int = SWEEPS) -> None:
        self.moments, self.sweeps = moments, sweeps

    @property
    def knows(self) -> bool:
        """Whether there is anything to compensate with; variances alone are not enough."""
        return self.moments.covariance.ndim == 3

    @cached_property
    def _factors(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(order of the inputs [K], H [G, K, K] and V / V_kk [G, K, K] in that order)."""
        h = _shrunken(self.moments)
        k = h.shape[-1]
        order = _order(h) if self.moments.groups == 1 else np.arange(k)
        h = h[:, order][:, :, order]
        v = _upper_factor(h)
        return order, h, v / np.einsum("gkk->gk", v)[:, None, :]

    def round(
        self, real: np.ndarray, scale: np.ndarray, low: int, high: int, group: np.ndarray
    ) -> np.ndarray:
        """Integers whose output error is small: real [O, K], scale [O], group [O] (of `moments`,
        per row) -> int64 [O, K]. Rounds to nearest where nothing is known."""
        if not self.knows:
            return nearest(real, scale, low, high)
        order, h, v = self._factors
        ordered = real[:, order]
        if len(v) == 1:
            rounded = _nearest_plane(ordered, scale, low, high, v[0])
        else:
            rounded = _nearest_planes(ordered, scale, low, high, v, group)
        for _ in range(self.sweeps):
            if not _sweep(rounded, ordered, scale, low, high, h, group):
                break
        restored = np.empty(rounded.shape, np.int64)
        restored[:, order] = rounded
        return restored


def _nearest_plane(real, scale, low: int, high: int, v: np.ndarray) -> np.ndarray:
    """All rows under one factor V [K, K]; what a block of inputs leaves goes on as one product."""
    target, rounded = real.copy(), np.zeros(real.shape)
    for first in range(0, real.shape[1], BLOCK):
        last = min(first + BLOCK, real.shape[1])
        error = np.zeros((len(real), last - first))
        for k in range(first, last):
            rounded[:, k] = np.clip(round_half_away(target[:, k] / scale), low, high)
            error[:, k - first] = real[:, k] - rounded[:, k] * scale
            left = v[k, k + 1 : last]
            target[:, k + 1 : last] += error[:, k - first, None] * left
        target[:, last:] += product(error, v[first:last, last:])
    return rounded


def _nearest_planes(real, scale, low: int, high: int, v: np.ndarray, group) -> np.ndarray:
    """Each row under a factor of its own, v[group]."""
    target, rounded = real.copy(), np.zeros(real.shape)
    for k in range(real.shape[1]):
        rounded[:, k] = np.clip(round_half_away(target[:, k] / scale), low, high)
        error = real[:, k] - rounded[:, k] * scale
        target[:, k + 1 :] += error[:, None] * v[group, k, k + 1 :]
    return rounded


def _sweep(rounded, real, scale, low: int, high: int, h: np.ndarray, group) -> bool:
    """Move each weight to where e^T H e is least with the others as they are, in place; whether any
    moved."""
    error, moved = real - rounded * scale[:, None], False
    slope = grouped(error, h, group)
    for k in range(error.shape[1]):
        own = h[0, k, k] if len(h) == 1 else h[group, k, k]
        new = np.clip(rounded[:, k] + round_half_away(slope[:, k] / (own * scale)), low, high)
        rows = np.flatnonzero(new != rounded[:, k])
        if rows.size:
            step = (new[rows] - rounded[rows, k]) * scale[rows]
            slope[rows] -= step[:, None] * (h[0, k] if len(h) == 1 else h[group[rows], k])
            rounded[rows, k] = new[rows]
            moved = True
    return moved


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


def _upper_factor(h: np.ndarray) -> np.ndarray:
    """Upper V with V V^T = H, for a stack of positive definite H: float64 [G, K, K].

    The lower factor of H with rows and columns reversed, reversed back.
    """
    flipped = h[:, ::-1, ::-1].copy()
    return _cholesky(flipped)[:, ::-1, ::-1]


def _cholesky(a: np.ndarray) -> np.ndarray:
    """Lower L with L L^T = A, right-looking, block by block; A is overwritten."""
    k = a.shape[-1]
    lower = np.zeros_like(a)
    for first in range(0, k, BLOCK):
        last = min(first + BLOCK, k)
        for j in range(first, last):
            pivot = np.sqrt(np.maximum(a[:, j, j], np.finfo(np.float64).tiny))
            column = a[:, j:, j] / pivot[:, None]
            lower[:, j:, j] = column
            tail = column[:, 1:]
            a[:, j + 1 :, j + 1 : last] -= tail[:, :, None] * tail[:, None, : last - j - 1]
        for matrix, panel in zip(a, lower[:, last:, first:last], strict=True):
            if last < k:
                matrix[last:, last:] -= product(panel, panel.T)
    return lower
