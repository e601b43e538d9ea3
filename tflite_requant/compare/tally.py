"""Running counts of one tensor's differences, sample by sample."""

from __future__ import annotations

import math

import numpy as np

from tflite_requant.compare.matching import Meaning, Pair
from tflite_requant.compare.outcome import BEYOND, STEPS, Mismatch, TensorComparison
from tflite_requant.model import QArray, Tensor

FARTHEST = STEPS[-1] + 1  # stands for everything beyond


class Tally:
    """Counts what differs between the two tensors of a pair.

    Exact where type, quantization and meaning are equal: stored values are compared with ==, and
    NaN equals NaN. Otherwise real values are, in steps of A's scale (B's where A has none), rounded
    half to even; without any scale the real values themselves. reals: whether values may stand for
    real numbers, which have an SQNR.
    """

    def __init__(self, pair: Pair, reals: bool = True) -> None:
        self.pair, self.reals = pair, reals
        self.exact = pair.exact
        stepped = pair.a if pair.a.qparams is not None else pair.b
        self._step = stepped.qparams
        self._counted = (self.exact and is_integer(pair.a)) or (
            not self.exact and self._step is not None
        )
        self._counts = dict.fromkeys((*STEPS, FARTHEST), 0)
        self._elements = self._differing = 0
        # A number a sample, summed exactly in the end: it does not matter how samples are parted.
        self._signal: list[float] = []
        self._noise: list[float] = []
        self._first: Mismatch | None = None

    def add(self, sample: int, a: np.ndarray, b: np.ndarray) -> None:
        """Count one sample's values: stored arrays of A and of B."""
        self._elements += a.size
        if a.shape != b.shape:
            self._differing += a.size
            self._counts[FARTHEST] += a.size
            if a.size:
                self._noise.append(math.inf)
                self._note(Mismatch(sample, (), str(list(a.shape)), str(list(b.shape))))
            return
        reals = None
        if self._has_reals():
            reals = (
                real(self.pair.a, a, self.pair.meaning_a),
                real(self.pair.b, b, self.pair.meaning_b),
            )
            with np.errstate(all="ignore"):
                self._signal.append(float((reals[0] ** 2).sum()))
        differs, steps = self._compared(a, b, reals)
        count = int(np.count_nonzero(differs))
        self._differing += count
        if self._counted:
            self._counts[0] += a.size - count
            for step, n in zip(*np.unique(steps, return_counts=True), strict=True):
                self._counts[int(step)] += int(n)
        if reals is not None:
            with np.errstate(all="ignore"):
                same = (reals[0] == reals[1]) | (np.isnan(reals[0]) & np.isnan(reals[1]))
                error = np.where(same, 0.0, reals[1] - reals[0])  # infinities may be equal
                self._noise.append(float((error**2).sum()))
        if count:
            place = tuple(int(i) for i in np.argwhere(differs)[0])
            values = (a[place], b[place]) if self.exact else (reals[0][place], reals[1][place])
            self._note(Mismatch(sample, place, values[0].item(), values[1].item()))

    def _note(self, mismatch: Mismatch) -> None:
        self._first = self._first or mismatch

    def _has_reals(self) -> bool:
        sides = (self.pair.a, self.pair.b)
        return not self.exact or any(t.qparams is not None or not is_integer(t) for t in sides)

    def _compared(self, a: np.ndarray, b: np.ndarray, reals) -> tuple[np.ndarray, np.ndarray]:
        """Which elements differ, and by how many steps (those that differ, in flat order)."""
        if self.exact:
            differs = a != b
            if a.dtype.kind == "f":
                differs &= ~(np.isnan(a) & np.isnan(b))
            if not self._counted:
                return differs, np.array([], np.int64)
            return differs, clipped(b[differs].astype(np.int64) - a[differs].astype(np.int64))
        if self._step is None:
            differs = (reals[0] != reals[1]) & ~(np.isnan(reals[0]) & np.isnan(reals[1]))
            return differs, np.array([], np.int64)
        scales, _ = self._step.along(a.ndim)
        with np.errstate(all="ignore"):
            steps = np.rint((reals[1] - reals[0]) / scales)
        differs = steps != 0
        return differs, clipped(np.nan_to_num(steps[differs], nan=FARTHEST))

    def result(self, operator: str) -> TensorComparison:
        """What came of it all."""
        counts = {step: self._counts[step] for step in STEPS} | {BEYOND: self._counts[FARTHEST]}
        return TensorComparison(
            name=self.pair.a.name,
            index=self.pair.a.index,
            index_b=self.pair.b.index,
            operator=operator,
            exact=self.exact,
            is_output=self.pair.is_output,
            elements=self._elements,
            differing=self._differing,
            histogram=counts if self._counted else {},
            sqnr=self._sqnr() if self.reals and self._has_reals() else None,
            first=self._first,
        )

    def state(self) -> tuple:
        """What `merge` adds to another's counts; picklable."""
        return (
            self._counts, self._elements, self._differing, self._signal, self._noise, self._first,
        )  # fmt: skip

    def merge(self, state: tuple) -> None:
        """Add what another counted of later samples."""
        counts, elements, differing, signal, noise, first = state
        for step, count in counts.items():
            self._counts[step] += count
        self._elements += elements
        self._differing += differing
        self._signal += signal
        self._noise += noise
        self._first = self._first or first

    def _sqnr(self) -> float:
        signal, noise = _sum(self._signal), _sum(self._noise)
        if not noise:
            return math.inf
        if math.isnan(noise) or math.isnan(signal):
            return math.nan
        if not signal or math.isinf(noise):
            return -math.inf
        return 10 * math.log10(signal / noise)


def _sum(numbers: list[float]) -> float:
    """Exactly rounded; what is not finite stays so (fsum would raise on some of it)."""
    if all(map(math.isfinite, numbers)):
        try:
            return math.fsum(numbers)
        except OverflowError:
            return math.inf
    return sum(numbers)


def is_integer(tensor: Tensor) -> bool:
    """Whether stored values are integers or booleans."""
    return not tensor.dtype.startswith(("float", "complex"))


def clipped(steps: np.ndarray) -> np.ndarray:
    """Steps as int64; those beyond STEPS, on either side, as FARTHEST."""
    within = (steps >= STEPS[0]) & (steps <= STEPS[-1])
    return np.where(within, steps, FARTHEST).astype(np.int64)


def real(tensor: Tensor, stored: np.ndarray, meaning: Meaning) -> np.ndarray:
    """What stored values stand for, float64: what was added when they were relabelled is undone."""
    return QArray(stored, tensor.qparams).real() / meaning.gain - meaning.offset
