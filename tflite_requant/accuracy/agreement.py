"""How far detections and masks of two models agree."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

CONFIDENT = 0.5  # score from which a detection counts
OVERLAP = 0.5  # intersection over union from which two boxes are the same


@dataclass(slots=True)
class Boxes:
    """Running counts of matched detections.

    A detection is (box, class, score) as TFLite_Detection_PostProcess gives it. Those of a sample
    are matched one to one, in order of falling score, within a class, to the free box of greatest
    overlap.
    """

    source: int = 0
    found: int = 0
    shares: list[float] = field(default_factory=list)  # of each matched pair

    def add(self, base: list[np.ndarray], other: list[np.ndarray]) -> None:
        """Count one sample: boxes (n, 4), classes (n,), scores (n,), count of each model."""
        boxes, classes = confident(base)
        others, their_classes = confident(other)
        self.source += len(boxes)
        self.found += len(others)
        free = np.ones(len(boxes), bool)
        for box, cls in zip(others, their_classes, strict=True):
            rivals = overlaps(box, boxes) * (free & (classes == cls))
            best = int(rivals.argmax()) if len(rivals) else -1
            if best >= 0 and rivals[best] >= OVERLAP:
                free[best] = False
                self.shares.append(float(rivals[best]))

    def merge(self, later: Boxes) -> None:
        """Add what comes next."""
        self.source += later.source
        self.found += later.found
        self.shares += later.shares

    def result(self) -> tuple[float | None, float | None]:
        """(agreement, mean overlap of matched boxes)."""
        total, matched = self.source + self.found, len(self.shares)
        return (
            2 * matched / total if total else None,
            math.fsum(self.shares) / matched if matched else None,
        )


def confident(found: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(boxes (n, 4), classes (n,)) whose score counts, by falling score."""
    boxes, classes, scores, count = (np.asarray(a, np.float64).reshape(-1) for a in found)
    n = int(count[0])
    order = np.argsort(-scores[:n], kind="stable")
    order = order[scores[:n][order] >= CONFIDENT]
    return boxes.reshape(-1, 4)[:n][order], classes[:n][order].astype(np.int64)


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of (ymin, xmin, ymax, xmax) with each of (n, 4); float64 (n,)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    size, sizes = (box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(axis=1)
    union = size + sizes - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


@dataclass(slots=True)
class Masks:
    """Running counts of the positions that two masks of classes share."""

    positions: int = 0
    same: int = 0
    common: dict[int, int] = field(default_factory=dict)
    either: dict[int, int] = field(default_factory=dict)

    def add(self, base: np.ndarray, other: np.ndarray) -> None:
        """Count one sample: the class at each position, of each model."""
        a, b = base.reshape(-1), other.reshape(-1)
        equal = a == b
        self.positions += a.size
        self.same += int(equal.sum())
        for cls in np.union1d(a, b).tolist():
            common = int((equal & (a == cls)).sum())
            self.common[cls] = self.common.get(cls, 0) + common
            union = int((a == cls).sum() + (b == cls).sum()) - common
            self.either[cls] = self.either.get(cls, 0) + union

    def merge(self, later: Masks) -> None:
        """Add what comes next."""
        self.positions += later.positions
        self.same += later.same
        for mine, theirs in ((self.common, later.common), (self.either, later.either)):
            for cls, count in theirs.items():
                mine[cls] = mine.get(cls, 0) + count

    def result(self) -> tuple[float, float]:
        """(share of positions of the same class, mean over classes of intersection over union)."""
        shares = [self.common[cls] / self.either[cls] for cls in sorted(self.either)]
        return self.same / self.positions, sum(shares) / len(shares)
