"""What was done to a model and what was found, as a value. Rendering it is `report`'s work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tflite_requant.errors import Finding


@dataclass(frozen=True, slots=True)
class TensorOutcome:
    """One activation: its type, scale and zero point before and after.

    kept: "identical", "shifted", "relabelled", "nested" or "regridded", which `report.words`
    defines. gain, offset: of what is relabelled: true = new_scale / gain *
    (integer - new_zero_point) - offset.
    """

    subgraph: int
    index: int
    name: str
    dtype: str
    scale: float
    zero_point: int
    new_dtype: str
    new_scale: float
    new_zero_point: int
    kept: str
    gain: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class PortOutcome:
    """A graph input or output in source and result. scale, zero_point: None where there is not one.

    subgraph: its number; index: of the tensor, in the source.
    """

    subgraph: int
    index: int
    name: str
    dtype: str
    scale: float | None
    zero_point: int | None
    new_dtype: str
    new_scale: float | None
    new_zero_point: int | None

    @property
    def changed(self) -> bool:
        """Whether who feeds or reads it has to know."""
        before = (self.dtype, self.scale, self.zero_point)
        return before != (self.new_dtype, self.new_scale, self.new_zero_point)


class LostSide(NamedTuple):
    """An end at which the source saturated and the result goes on. hits: share of the samples'
    values that were there; None where no sample tells."""

    name: str  # below or above
    steps: float
    hits: float | None


@dataclass(frozen=True, slots=True)
class OperatorOutcome:
    """One operator: what its constants became, and how close it stays to the source.

    index, result_index: its number in the source and in the result, whose inserted operators count.
    exactness: "bit-identical" (given the source's integers, it gives the source's, shifted),
    "grid-exact" (same real grids and weights; the new type's kernel may round differently), or
    "approximated". channels, weights: how many there are; exact_*: how many stayed exactly as real
    numbers. folded: greatest mean that a bias absorbed, in output steps. shifts: least and
    greatest shift of its rescale, positive to the left, None without one; only_shifts: whether they
    are the k of multipliers 2**k, and not of M * 2**k with M in [0.5, 1). clamp_lost: (below,
    above) in output steps, None where further operators restore it whole. dead_channels: how
    many were proven constant and gave up their weights. sum_bits, bias_bits: widths that hold
    every sum for any input, and the bias; bias_rounded: the largest rounding of a bias that has
    a position of its own, in output steps. result_index: None of one that was removed.
    """

    subgraph: int
    index: int
    name: str
    label: str
    exactness: str
    channels: int = 0
    exact_channels: int = 0
    weights: int = 0
    exact_weights: int = 0
    folded: float = 0.0
    shifts: tuple[int, int] | None = None
    only_shifts: bool | None = None
    clamp_lost: tuple[float, float] | None = None
    clamp_hits: tuple[float, float] | None = None
    dead_channels: int = 0
    sum_bits: int | None = None
    bias_bits: int | None = None
    bias_rounded: float | None = None
    result_index: int | None = None

    @property
    def lost_sides(self) -> tuple[LostSide, ...]:
        """The sides of the clamp that are lost; a side that is kept has no say."""
        lost, hits = self.clamp_lost or (0.0, 0.0), self.clamp_hits or (None, None)
        sides = zip(("below", "above"), lost, hits, strict=True)
        return tuple(LostSide(*side) for side in sides if side[1])


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is worth saying about one requantization.

    metrics: what samples told. sqnr_of: what their `sqnr` is of, after "SQNR of the".
    """

    scheme: str
    summary: str
    arithmetic: str
    data: str
    changed: bool
    operators: tuple[OperatorOutcome, ...] = ()
    tensors: tuple[TensorOutcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    inserted: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    source_sha256: str = ""
    result_sha256: str = ""
    source_bytes: int = 0
    result_bytes: int = 0
    corrections: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    inputs: tuple[PortOutcome, ...] = ()
    outputs: tuple[PortOutcome, ...] = ()
    sqnr_of: str = ""

    def count(self, exactness: str) -> int:
        """How many operators stayed that close to the source."""
        return sum(op.exactness == exactness for op in self.operators)

    @property
    def renumbered(self) -> bool:
        """Whether some operator has another number in the result than in the source."""
        return any(op.result_index not in (None, op.index) for op in self.operators)

    @property
    def exceptions(self) -> tuple[Finding, ...]:
        """What the scheme asks and TFLite does not permit."""
        return tuple(f for f in self.findings if f.severity == "exception")
