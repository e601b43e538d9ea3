"""What a comparison found, as a value; rendering is `report.comparison`'s."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

STEPS = (-3, -2, -1, 0, 1, 2, 3)
BEYOND = "beyond"

NUMBERS: Mapping[str, str] = {
    "sqnr": "dB of the output, the worst of several, as it is stored: of a classifier that of its "
    "probabilities, of a detector that of its boxes and scores behind post-processing, whose order "
    "jumps with the least change; absent where no output stands for real numbers",
    "logits_sqnr": "dB of the logits, which is what `sqnr` of `requantize` is for a classifier; of "
    "classifiers only, and not against XNNPACK, which does not show them",
    "raw_sqnr": "dB of the worse of the raw boxes and scores that a detector's post-processing "
    "reads, which is what `sqnr` of `requantize` is for a detector; of detectors only, and not "
    "against XNNPACK, which does not show them",
    "same_top1": "percent of samples with the same first class; of classifiers only",
    "differing": "elements that differ, over all tensors and samples",
    "differing_tensors": "tensors with such an element",
}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One element that differs: in which sample, where in the tensor, and both values.

    a, b: stored values of an exact comparison, else real ones; the two shapes, as text, where they
    are what differs (position is () then).
    """

    sample: int
    position: tuple[int, ...]
    a: int | float | str
    b: int | float | str


@dataclass(frozen=True, slots=True)
class TensorComparison:
    """One tensor over all samples.

    name, index, index_b: A's name and index, and B's index. operator: the label of the operator of
    A that writes it. exact: stored values were compared with ==; otherwise real ones, in steps: the
    scale of A, or of B where A has none, rounded to whole steps.
    histogram: how many elements of B are how many steps above A: keys of STEPS, and BEYOND; empty
    where there are no steps (floats). sqnr: dB, inf where nothing differs, None where the values
    stand for no real numbers. first: the first difference in order of samples.
    """

    name: str
    index: int
    index_b: int
    operator: str
    exact: bool
    is_output: bool
    elements: int
    differing: int
    histogram: Mapping[int | str, int]
    sqnr: float | None
    first: Mismatch | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All tensors that were compared, in execution order of A.

    arithmetic: the profile in which our interpreter ran A; arithmetic_b: B, which may be another
    one; against LiteRT the same. against: "model", or which kernels of LiteRT.
    only_a, only_b: computed tensors without a partner, or that LiteRT does not show.
    same_top1: samples whose first class is the same, None where A is no classifier. logits_sqnr: dB
    of what the last SOFTMAX reads, as `accuracy.table` states it; None where that is not seen.
    detects: whether A is a detector; raw: what its post-processing reads, of the tensors.
    """

    arithmetic: str
    against: str
    samples: int
    tensors: tuple[TensorComparison, ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    same_top1: int | None = None
    arithmetic_b: str = ""
    logits_sqnr: float | None = None
    detects: bool = False
    raw: tuple[TensorComparison, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether every tensor was compared by its stored values."""
        return all(t.exact for t in self.tensors)

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not any(t.differing for t in self.tensors)

    @property
    def first(self) -> TensorComparison | None:
        """The first tensor in execution order that differs."""
        return next((t for t in self.tensors if t.differing), None)

    @property
    def outputs(self) -> tuple[TensorComparison, ...]:
        """The graph outputs among the tensors."""
        return tuple(t for t in self.tensors if t.is_output)

    def numbers(self) -> dict[str, float]:
        """What of NUMBERS this comparison has."""
        found: dict[str, float] = {}
        for name, tensors in (("sqnr", self.outputs), ("raw_sqnr", self.raw)):
            sqnrs = [t.sqnr for t in tensors if t.sqnr is not None]
            if sqnrs:
                found[name] = math.nan if any(map(math.isnan, sqnrs)) else min(sqnrs)
        if self.logits_sqnr is not None:
            found["logits_sqnr"] = self.logits_sqnr
        if self.same_top1 is not None:
            found["same_top1"] = 100.0 * self.same_top1 / self.samples
        found["differing"] = sum(t.differing for t in self.tensors)
        found["differing_tensors"] = sum(bool(t.differing) for t in self.tensors)
        return found
