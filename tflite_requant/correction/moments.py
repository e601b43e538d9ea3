"""What is known of the inputs that a weight matrix multiplies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Mean and covariance of the K real numbers that meet the K weights of an output channel.

    mean:  float64 [G, K]; covariance: float64 [G, K, K], or [G, K] where only variances are known.
    G = 1: all output channels read the same inputs; else output channel o reads group
    o * G // channels (a depthwise operator has one group per input channel).
    A tap that falls into the padding border counts as a real zero: the mean is over all outputs.
    rows:  how many observations stand behind it (0: an estimate without data).
    """

    mean: np.ndarray
    covariance: np.ndarray
    rows: int = 0

    @property
    def groups(self) -> int:
        return self.mean.shape[0]

    def group_of(self, channels: int) -> np.ndarray:
        """Output channel -> group, int64 [channels]."""
        return np.arange(channels, dtype=np.int64) * self.groups // channels

    def times(self, gain: float) -> Moments:
        """The moments of the inputs times a number."""
        if gain == 1:
            return self
        return Moments(self.mean * gain, self.covariance * gain**2, self.rows)

    def variance(self) -> np.ndarray:
        """float64 [G, K]."""
        if self.covariance.ndim == 2:
            return self.covariance
        return np.einsum("gkk->gk", self.covariance)


def unknown(k: int) -> Moments:
    """No knowledge: mean zero, inputs independent and equally strong."""
    return Moments(np.zeros((1, k)), np.ones((1, k)))
