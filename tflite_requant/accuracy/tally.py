"""Running sums of one model's outputs against another's, and what they come to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from tflite_requant.accuracy.agreement import Boxes, Masks

RESAMPLES = 10_000
Values = list[np.ndarray]

# What an output is: class scores before a SOFTMAX; real numbers; a map of class scores; a map of
# classes; other integers; one of the four that a detector's post-processing gives.
LOGITS, REALS, SCORES, LABELS, INTEGERS, BOXES = (
    "logits", "reals", "scores", "labels", "integers", "boxes",
)  # fmt: skip


@dataclass(slots=True)
class Tally:
    """Running sums of one comparison. kinds: what each output is."""

    kinds: tuple[str, ...]
    count: int = 0
    divergences: list[float] = field(default_factory=list)
    same: int = 0
    best: list[int] = field(default_factory=list)
    boxes: Boxes = field(default_factory=Boxes)
    signal: list[list[float]] = field(init=False)
    noise: list[list[float]] = field(init=False)
    equal: list[list[float]] = field(init=False)
    masks: list[Masks] = field(init=False)

    def __post_init__(self) -> None:
        self.signal, self.noise, self.equal = ([[] for _ in self.kinds] for _ in range(3))
        self.masks = [Masks() for _ in self.kinds]

    def merge(self, later: Tally) -> None:
        """Add the sums of the samples that come next. Numbers of a sample are kept apart and summed
        exactly at the end, so that it does not matter how samples were parted."""
        self.count += later.count
        self.same += later.same
        self.divergences += later.divergences
        self.best += later.best
        self.boxes.merge(later.boxes)
        for k in range(len(self.kinds)):
            self.signal[k] += later.signal[k]
            self.noise[k] += later.noise[k]
            self.equal[k] += later.equal[k]
            self.masks[k].merge(later.masks[k])

    def add(self, base: list[Values], found: list[Values]) -> None:
        """Count one chunk: the source's values and the other model's."""
        for sample, other in zip(base, found, strict=True):
            self.count += 1
            for k, (a, b) in enumerate(zip(sample, other, strict=True)):
                if self.kinds[k] != BOXES:
                    self._add_output(k, a, b.reshape(a.shape))
            if BOXES in self.kinds:
                first = self.kinds.index(BOXES)
                self.boxes.add(sample[first : first + 4], other[first : first + 4])

    def _add_output(self, k: int, a: np.ndarray, b: np.ndarray) -> None:
        kind = self.kinds[k]
        if kind == INTEGERS:
            self.equal[k].append(float(np.mean(a == b)))
        if kind == LABELS:
            self.masks[k].add(a, b)
        if kind == SCORES:
            self.masks[k].add(a.argmax(-1), b.argmax(-1))
        if kind == LOGITS:
            a, b = a.reshape(-1), b.reshape(-1)
            self._add_logits(a, b)
            a, b = a - a.mean(), b - b.mean()
        if kind in (REALS, SCORES, LOGITS):
            self.signal[k].append(float((a * a).sum()))
            self.noise[k].append(float(((b - a) ** 2).sum()))

    def _add_logits(self, a: np.ndarray, b: np.ndarray) -> None:
        p, q = log_softmax(a), log_softmax(b)
        self.divergences.append(float((np.exp(p) * (p - q)).sum()))
        self.same += int(a.argmax() == b.argmax())
        self.best.append(int(b.argmax()))

    def sqnr(self, k: int) -> float:
        """dB; inf where nothing differs."""
        signal, noise = math.fsum(self.signal[k]), math.fsum(self.noise[k])
        if not noise:
            return math.inf
        return 10 * math.log10(signal / noise) if signal else -math.inf

    @property
    def divergence(self) -> float:
        """Mean KL divergence of a sample, nats."""
        return math.fsum(self.divergences) / self.count

    def output(self, k: int) -> dict[str, float]:
        """The fields of `OutputAccuracy` that apply to output k."""
        kind, found = self.kinds[k], {}
        if kind in (REALS, SCORES):
            found["sqnr"] = self.sqnr(k)
        if kind in (SCORES, LABELS):
            found["same"], found["iou"] = self.masks[k].result()
        if kind == INTEGERS:
            found["equal"] = math.fsum(self.equal[k]) / self.count
        return found

    def hits(self, labels) -> np.ndarray:
        """Per sample, whether the greatest logit is the label's; bool."""
        return np.asarray(self.best) == np.asarray(labels)


def log_softmax(z: np.ndarray) -> np.ndarray:
    """Logarithms of softmax(z), float64."""
    shifted = z - z.max()
    return shifted - math.log(float(np.exp(shifted).sum()))


def paired_interval(new: np.ndarray, old: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of mean(new) - mean(old) for paired booleans, by bootstrap.

    Drawing samples with repetition only changes how many of them were won, lost and neither: these
    counts are drawn from their multinomial distribution, which is the same thing.
    """
    n = len(new)
    won, lost = int((new & ~old).sum()), int((old & ~new).sum())
    counts = np.random.default_rng(seed).multinomial(
        n, [won / n, lost / n, (n - won - lost) / n], RESAMPLES
    )
    low, high = np.percentile((counts[:, 0] - counts[:, 1]) / n, [2.5, 97.5])
    return float(low), float(high)
