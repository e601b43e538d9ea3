"""The logits of two classifiers, as `accuracy.table` looks at them: a SOFTMAX hides much."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tflite_requant.accuracy.tally import LOGITS
from tflite_requant.accuracy.tally import Tally as Sums
from tflite_requant.extract import SoftmaxInput, last_softmax_input
from tflite_requant.model import Model, QArray


@dataclass(frozen=True, slots=True)
class Logits:
    """What the last SOFTMAX of each model reads."""

    a: SoftmaxInput
    b: SoftmaxInput


def logits_of(a: Model, b: Model) -> Logits | None:
    """None where one is no classifier, or they have unlike numbers of logits."""
    one, other = last_softmax_input(a), last_softmax_input(b)
    if one is None or other is None:
        return None
    sizes = [math.prod(m.main.tensors[s.tensor].shape) for m, s in ((a, one), (b, other))]
    return Logits(one, other) if sizes[0] == sizes[1] else None


class LogitsTally:
    """SQNR of B's logits against A's over all samples."""

    def __init__(self, a: Model, b: Model) -> None:
        self._logits = logits_of(a, b)
        self._tensors = (a.main.tensors, b.main.tensors)
        self._sums = Sums((LOGITS,))

    def add(self, a: Mapping[int, np.ndarray], b: Mapping[int, np.ndarray]) -> None:
        """Count one sample; a, b: results by tensor index, which may lack the logits."""
        if self._logits is None:
            return
        sides = tuple(zip((a, b), self._tensors, (self._logits.a, self._logits.b), strict=True))
        if all(s.tensor in found for found, _, s in sides):
            one, other = (
                QArray(found[s.tensor], tensors[s.tensor].qparams).real() * s.beta
                for found, tensors, s in sides
            )
            if one.size == other.size:
                with np.errstate(all="ignore"):  # floats may be infinite
                    self._sums.add([[one]], [[other]])

    def state(self) -> Sums:
        """What `merge` adds to another's; picklable."""
        return self._sums

    def merge(self, state: Sums) -> None:
        """Add what another saw of later samples."""
        self._sums.merge(state)

    def result(self) -> float | None:
        """dB, inf where nothing differs, NaN where floats are not finite; None where no sample
        showed logits."""
        try:
            return self._sums.sqnr(0) if self._sums.count else None
        except (OverflowError, ValueError):  # of what is not finite
            return math.nan
