"""Weights take what a bias of few bits cannot hold.

A bias that is off by r (real units, what it should be less what it is) moves its whole channel. The
weights can undo that, for inputs have means m: with errors e = W - W' of the weights and C the
inputs' covariance, the output's mean square error is

    J = e^T C e + (r + e . m)^2,

as if r were the error of one more weight, whose input is always 1. From the rounded weights on, the
step of one weight by one that lowers J most is taken as long as there is one. A step of weight k by
d, real units, changes J by -2 d g_k + d^2 (C_kk + m_k^2), where g = C e + (r + e . m) m.
"""

from __future__ import annotations

import numpy as np

from tflite_requant.correction.moments import Moments
from tflite_requant.correction.products import grouped, row_sums

MOVES = 96  # at most so many steps a channel: beyond that the bias is lost anyway
GAIN = 1e-9  # share of J that a step has to save: less may be rounding


def settled(
    integers: np.ndarray,
    real: np.ndarray,
    scale: np.ndarray,
    low: int,
    high: int,
    moments: Moments,
    rest: np.ndarray,
) -> np.ndarray:
    """Integers that take the rest of the biases: integers int64 [O, K] less their zero point and in
    [low, high], real [O, K], scale [O], rest [O] in real units -> int64 [O, K]."""
    rows = np.flatnonzero(rest)
    found = integers.copy()
    if rows.size:
        group = moments.group_of(len(real))[rows]
        found[rows] = _Descent(
            integers[rows], real[rows], scale[rows], moments, group, rest[rows]
        ).run(low, high)
    return found


class _Descent:
    """All channels at once, each on its own way down."""

    def __init__(self, integers, real, scale, moments: Moments, group, rest) -> None:
        self.integers, self.scale = integers.copy(), scale
        self.covariance, self.group = moments.covariance, group
        self.mean = moments.mean[group]
        error = real - integers * scale[:, None]
        self.left = rest + row_sums(error * self.mean)
        self.own = moments.variance()[group] + self.mean * self.mean
        self.slope = self._times(error)
        self.now = row_sums(error * self.slope) + self.left * self.left

    def _times(self, error: np.ndarray) -> np.ndarray:
        """C e of every channel, float64 [O, K]."""
        if self.covariance.ndim == 2:
            return self.covariance[self.group] * error
        return grouped(error, self.covariance, self.group)

    def run(self, low: int, high: int) -> np.ndarray:
        rows = np.arange(len(self.integers))
        for _ in range(MOVES):
            slope = self.slope[rows] + self.left[rows, None] * self.mean[rows]
            step = np.copysign(self.scale[rows, None], slope)
            gain = step * (2 * slope - step * self.own[rows])
            after = self.integers[rows] + np.sign(step).astype(np.int64)
            gain[(after < low) | (after > high)] = -np.inf
            best = np.argmax(gain, axis=1)
            every = np.arange(len(rows))
            good = gain[every, best] > GAIN * self.now[rows]
            rows, best = rows[good], best[good]
            if not rows.size:
                break
            self._move(rows, best, step[good, best], gain[good, best])
        return self.integers

    def _move(self, rows, column, step, gain) -> None:
        self.integers[rows, column] += np.sign(step).astype(np.int64)
        self.left[rows] -= step * self.mean[rows, column]
        self.now[rows] -= gain
        if self.covariance.ndim == 2:
            group = self.group[rows]
            self.slope[rows, column] -= step * self.covariance[group, column]
        else:
            group = self.group[rows] if len(self.covariance) > 1 else 0
            self.slope[rows] -= step[:, None] * self.covariance[group, column]
