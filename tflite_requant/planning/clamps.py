"""Bounds of an operator's output: fused activations and saturation, as real intervals.

A tensor of a quantization-aware-trained model clamps by saturating at the ends of its range, also
where no activation is fused. A new grid ends elsewhere, so that clamp must be fused, or is lost.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from tflite_requant.model import TensorType
from tflite_requant.model.dtypes import RANGES

Interval = tuple[float, float]
OPERATORS = ("MAXIMUM", "MINIMUM")  # that keep the lower end of a clamp, and the upper
UNBOUNDED: Interval = (-math.inf, math.inf)

BOUNDS: dict[str, Interval] = {
    "NONE": UNBOUNDED,
    "RELU": (0.0, math.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


def stored_bounds(grid: TensorType, activation: str) -> tuple[int, int]:
    """The least and greatest integer that the operator can write."""
    least, greatest = RANGES[grid.dtype]
    scale, zero = grid.qparams.scale, grid.qparams.zero_point
    low, high = BOUNDS.get(activation, BOUNDS["NONE"])

    def place(bound: float) -> int:
        steps = float(np.float32(bound) / np.float32(scale))  # as the kernels divide
        return zero + int(math.copysign(math.floor(abs(steps) + 0.5), steps))

    return (
        least if math.isinf(low) else min(max(least, place(low)), greatest),
        greatest if math.isinf(high) else max(min(greatest, place(high)), least),
    )


def interval(grid: TensorType, activation: str) -> Interval:
    """The real interval of an output: [low, high]."""
    low, high = stored_bounds(grid, activation)
    scale, zero = grid.qparams.scale, grid.qparams.zero_point
    return (low - zero) * scale, (high - zero) * scale


@dataclass(frozen=True, slots=True)
class Restored:
    """The activation to fuse, and on which sides the old clamp is not kept.

    low_lost, high_lost: real distance by which the new output may leave the old interval; 0: kept.
    is_activation: whether a bound that is lost is one of `BOUNDS`, not just the end of a range.
    """

    activation: str
    low_lost: float = 0.0
    high_lost: float = 0.0
    is_activation: bool = False

    @property
    def kept(self) -> bool:
        return self.low_lost == 0 and self.high_lost == 0

    @property
    def needed(self) -> tuple[str, ...]:
        """The operators that keep the old clamp where no activation does, each side its own."""
        sides = zip(OPERATORS, (self.low_lost, self.high_lost), strict=True)
        return tuple(name for name, lost in sides if lost)

    def without(self, restored: Collection[str]) -> Interval:
        """What is lost below and above once these operators keep their sides."""
        sides = zip(OPERATORS, (self.low_lost, self.high_lost), strict=True)
        low, high = (0.0 if name in restored else lost for name, lost in sides)
        return low, high


def restore(
    source: TensorType,
    activation: str,
    new: TensorType,
    choices: tuple[str, ...],
    gain: float = 1.0,
    reach: Interval = UNBOUNDED,
) -> Restored:
    """The fused activation under which the new output keeps the old interval best.

    A bound counts as kept when it is met within half a step of the coarser grid. Never picks an
    activation that cuts into the old interval by more than that. `choices` are those that the
    operator's kernels honour; the source's own comes first where several are equally good.
    gain: what reals of the new grid are times those of the source. reach: what the source's
    operator would write if no grid ended, times the gain: beyond it nothing gets lost.
    """
    low, high = (bound * gain for bound in interval(source, activation))
    slack = max(source.qparams.scale * gain, new.qparams.scale) * (0.5 + 1e-6)
    safe = {activation, "NONE"} if gain == 1 else {"NONE"}
    least, greatest = interval(new, "NONE")  # what saturation cuts, no activation gives back
    options = dict.fromkeys((activation, "NONE", *choices)) if choices else {activation: None}
    best: Restored | None = None
    for choice in options:
        if choices and choice not in choices:
            continue
        new_low, new_high = interval(new, choice)
        if choice not in safe and (
            new_low > max(low, least) + slack or new_high < min(high, greatest) - slack
        ):
            continue
        below = _beyond(low - max(new_low, reach[0]), slack)
        above = _beyond(min(new_high, reach[1]) - high, slack)
        known = bool(below and _is_bound(low / gain, source)) or bool(
            above and _is_bound(high / gain, source)
        )
        lost = Restored(choice, below, above, known)
        if best is None or lost.low_lost + lost.high_lost < best.low_lost + best.high_lost:
            best = lost
    return best or Restored(activation)


def _beyond(excess: float, slack: float) -> float:
    return excess if excess > slack else 0.0


def _is_bound(value: float, grid: TensorType) -> bool:
    bounds = {b for pair in BOUNDS.values() for b in pair if math.isfinite(b)}
    return any(abs(value - b) <= grid.qparams.scale for b in bounds)
