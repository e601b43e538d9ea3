"""What a study of a result found, as values; rendering is `report`'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often each stored integer occurs: counts[i] is that of first + i * width ... + width - 1.

    scale, zero_point: of the grid; None where every channel has its own (integers are then less
    their channel's zero point).
    """

    dtype: str
    first: int
    counts: tuple[int, ...]
    width: int = 1
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True, slots=True)
class TensorStudy:
    """One activation of the source and its partner.

    operator: label of the source's operator that writes it. sqnr: dB, inf where nothing differs,
    None where values stand for no real numbers. steps: elements that many steps away, keys -3 ... 3
    and "beyond".
    """

    name: str
    index: int
    operator: str
    sqnr: float | None
    elements: int
    differing: int
    steps: Mapping[int | str, int]
    before: Histogram | None = None
    after: Histogram | None = None
    gain: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class WeightsStudy:
    """One operator with weights.

    operator: index in the source; label: how findings name it. bias_change: per output channel,
    real bias of the result less that of the source, in steps of the result's output, without what
    folded zero points ask for; 0 for channels that gave up their weights. multipliers:
    s_in * s_w / s_out per channel (one where all are the same); shifts, only_shifts: as those of
    `OperatorOutcome`, one a multiplier.
    """

    operator: int
    name: str
    label: str
    before: Histogram
    after: Histogram
    bias_change: tuple[float, ...]
    multipliers: tuple[float, ...]
    shifts: tuple[int, ...]
    only_shifts: bool


GIVEN = "of those given to calibrate on"


@dataclass(frozen=True, slots=True)
class Study:
    """samples: how many were run; data: what they were; arithmetic: profile of the result's run.

    judged: tensors of the source by which the result is judged: its logits; of a detector the raw
    boxes and scores that its post-processing reads; else its outputs. logits, raw: whether the
    first, or the second. unmeasured: why nothing could be run, "" where it was.
    """

    samples: int
    data: str
    arithmetic: str
    tensors: tuple[TensorStudy, ...]
    weights: tuple[WeightsStudy, ...]
    judged: tuple[int, ...] = ()
    logits: bool = False
    raw: bool = False
    unmeasured: str = ""

    @property
    def made_up(self) -> bool:
        """Whether the samples are nobody's data."""
        return self.data != GIVEN


@dataclass(frozen=True, slots=True)
class SingleWeights:
    """One operator with weights of a model alone; fields as those of WeightsStudy.

    dead: output channels whose weights are all zero.
    """

    subgraph: int
    operator: int
    name: str
    label: str
    weights: Histogram
    multipliers: tuple[float, ...]
    shifts: tuple[int, ...]
    only_shifts: bool
    dead: int
