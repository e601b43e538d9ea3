"""What all pairs of tensors have in common, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence

from tflite_requant.compare.logits import LogitsTally
from tflite_requant.compare.matching import Pair, class_scores, computed
from tflite_requant.compare.outcome import Comparison
from tflite_requant.compare.tally import Tally
from tflite_requant.errors import SampleError
from tflite_requant.extract import DETECTOR, detector
from tflite_requant.model import Model


class Book:
    """Tallies of all pairs, of the first class and of the logits. model, other: A and B. first: how
    many samples came before."""

    def __init__(self, model: Model, other: Model, pairs: Sequence[Pair], first: int = 0) -> None:
        self.first = first
        self.model = model
        self.pairs = pairs
        kinds = _classes_and_counts(model)
        self.tallies = [Tally(p, reals=p.a.index not in kinds) for p in pairs]
        scores = class_scores(model)
        self._scores = next((p for p in pairs if scores and p.a.index == scores.index), None)
        self._logits = LogitsTally(model, other)
        self._same = 0
        self.samples = 0
        self._seen: set[int] = set()

    def add(self, a, b) -> None:
        """Count one sample; a, b: results by tensor index, without what a side cannot show."""
        for pair, tally in zip(self.pairs, self.tallies, strict=True):
            if pair.a.index in a and pair.b.index in b:
                tally.add(self.first + self.samples, a[pair.a.index], b[pair.b.index])
                self._seen.add(pair.a.index)
        if self._scores is not None:
            one, other = a[self._scores.a.index], b[self._scores.b.index]
            self._same += int(one.argmax()) == int(other.argmax())
        self._logits.add(a, b)
        self.samples += 1

    def state(self) -> tuple:
        """What `merge` adds to another's; picklable."""
        tallies = [tally.state() for tally in self.tallies]
        return self.samples, self._same, self._seen, tallies, self._logits.state()

    def merge(self, state: tuple) -> None:
        """Add what another saw of later samples of the same models."""
        samples, same, seen, tallies, logits = state
        self._logits.merge(logits)
        self.samples += samples
        self._same += same
        self._seen |= seen
        for tally, later in zip(self.tallies, tallies, strict=True):
            tally.merge(later)

    def result(
        self, profiles: tuple[str, str], against: str, only_b: tuple[str, ...]
    ) -> Comparison:
        """The comparison. Raises SampleError where there was no sample."""
        if not self.samples:
            raise SampleError("no samples to compare on; need at least one")
        main = self.model.main
        labels = {t: main.label(op) for t, op in main.producers().items()}
        last = detector(self.model)
        raw = last.inputs[:2] if last is not None else ()
        tensors = tuple(
            tally.result(labels[p.a.index])
            for p, tally in zip(self.pairs, self.tallies, strict=True)
            if p.a.index in self._seen
        )
        reads = tuple(t for t in tensors if t.index in raw)
        return Comparison(
            profiles[0],
            against,
            self.samples,
            tensors,
            tuple(t.name for t in computed(self.model) if t.index not in self._seen),
            only_b,
            self._same if self._scores is not None else None,
            profiles[1],
            self._logits.result(),
            last is not None,
            reads if len(reads) == 2 else (),
        )


def _classes_and_counts(model: Model) -> set[int]:
    """What a detector's post-processing writes as floats that stand for no real numbers."""
    last = (op.outputs for op in model.main.operators if op.name == DETECTOR)
    return {t for outputs in last for t in outputs[1:4:2]}
