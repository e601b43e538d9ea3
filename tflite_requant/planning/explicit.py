"""Where a clamp that no fused activation restores is worth operators of its own.

Without the clamp a tensor errs by what the source's saturation stopped, as far as the new grid lets
that pass. This matters once it exceeds what rounding costs anyway, on the source's grid or the new.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tflite_requant.planning.plan import Plan

TAIL = 8  # integers at an end of a range by which it is told how values beyond it fall off


@dataclass(frozen=True, slots=True)
class Overshoot:
    """Values that one end of a range stops. share: of all values; square: mean square by which
    they would go on, in real units."""

    share: float
    square: float


Sides = tuple[Overshoot, Overshoot]  # below, above
NOTHING = Overshoot(0.0, 0.0)


def overshoots(counts: np.ndarray, scale: float) -> Sides:
    """From how often each stored integer came, least first.

    What was stopped is unseen: it is taken to fall off exponentially, by the rate at which values
    become rarer just within the range (over TAIL integers).
    """
    return _tail(counts[::-1], scale), _tail(counts, scale)


def _tail(counts: np.ndarray, scale: float) -> Overshoot:
    stopped, near = int(counts[-1]), int(counts[-1 - TAIL : -1].sum()) / TAIL
    if not stopped:
        return NOTHING
    length = scale * stopped / near if near else math.inf
    return Overshoot(stopped / int(counts.sum()), 2 * length**2)


def worthwhile(plan: Plan, overshoots: Mapping[int, Sides]) -> frozenset[int]:
    """Operators whose lost clamp costs more than the rounding of their outputs.

    overshoots: of tensors, where known.
    """
    return frozenset(op for op in plan.lost_clamps if _cost(plan, op, overshoots) > 1)


def _cost(plan: Plan, op: int, overshoots: Mapping[int, Sides]) -> float:
    """Mean square by which an output errs without the clamp, over that of rounding."""
    tensor, lost = plan.subgraph.operators[op].outputs[0], plan.lost_clamps[op]
    gain = plan.gains.get(tensor, 1.0)
    step = plan.at(op, "out", 0, tensor).qparams.scale / gain
    step = max(step, plan.subgraph.tensors[tensor].qparams.scale)
    beyond = (lost.low_lost / gain, lost.high_lost / gain)
    sides = zip(beyond, overshoots.get(tensor, (NOTHING, NOTHING)), strict=True)
    return sum(over.share * min(over.square, far**2) for far, over in sides) / (step**2 / 12)
