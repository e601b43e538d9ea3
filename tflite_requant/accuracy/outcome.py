"""What a measurement of accuracy says, as values; needs no NumPy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutputAccuracy:
    """One output against the source's.

    sqnr: dB, inf where equal, of real values. same: share of positions with the same class, and
    iou: mean over classes of intersection over union, of masks. equal: share of elements of other
    integers without a scale.
    """

    name: str
    sqnr: float | None = None
    equal: float | None = None
    same: float | None = None
    iou: float | None = None


@dataclass(frozen=True, slots=True)
class BoxAccuracy:
    """Detections of a model against the source's, both above the same score.

    agreement: 2 * matched / (detections of both), in [0, 1], None where neither detects anything;
    iou: mean intersection over union of matched boxes; source, found: detections of each.
    """

    agreement: float | None
    iou: float | None
    source: int
    found: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One model against its source; shares are in [0, 1], None where they do not apply.

    sqnr: dB, inf where nothing differs; kl: nats; same_top1: share of samples whose greatest logit
    is the source's. top1_change: top-1 minus the source's; interval: its 95 % interval by paired
    bootstrap. outputs: of models that are no classifiers. boxes: of detectors.
    """

    name: str
    sqnr: float | None = None
    kl: float | None = None
    same_top1: float | None = None
    top1: float | None = None
    top1_change: float | None = None
    interval: tuple[float, float] | None = None
    outputs: tuple[OutputAccuracy, ...] = ()
    boxes: BoxAccuracy | None = None


@dataclass(frozen=True, slots=True)
class AccuracyTable:
    """What was measured on how many samples, by what; ceiling is None without a second kernel."""

    samples: int
    kernels: str
    classifier: bool
    source_top1: float | None
    ceiling: Accuracy | None
    rows: tuple[Accuracy, ...]
