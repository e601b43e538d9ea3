"""Where a clamp that no fused activation restores is worth operators of its own.

Without the clamp a tensor errs by what the source's saturation stopped, as far as the new grid lets
that pass. This matters once it exceeds what rounding costs anyway, on the source's grid or the new.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tflite_requant.planning import clamps
from tflite_requant.planning.plan import Plan

SIDES = dict(zip(clamps.OPERATORS, ("lower", "upper"), strict=True))
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


def worthwhile(
    plan: Plan, overshoots: Mapping[int, Sides], allows: Callable[[str], bool] = lambda _: True
) -> dict[int, tuple[str, ...]]:
    """Operators whose lost clamp costs more than the rounding of their outputs -> what restores it.

    overshoots: of tensors, where known. allows: an operator that may be inserted; a side of which
    it may not is left out, of what is restored and of what that is worth.
    """
    found = {}
    for op, lost in plan.lost_clamps.items():
        allowed = tuple(name for name in lost.needed if allows(name))
        if _cost(plan, op, overshoots, allowed) > 1:
            found[op] = allowed
    return found


def _cost(
    plan: Plan, op: int, overshoots: Mapping[int, Sides], restoring: Collection[str]
) -> float:
    """Mean square by which an output errs without these sides of the clamp, over that of
    rounding."""
    tensor, lost = plan.subgraph.operators[op].outputs[0], plan.lost_clamps[op]
    gain = plan.gains.get(tensor, 1.0)
    step = plan.at(op, "out", 0, tensor).qparams.scale / gain
    step = max(step, plan.subgraph.tensors[tensor].qparams.scale)
    beyond = (lost.low_lost / gain, lost.high_lost / gain)
    over = overshoots.get(tensor, (NOTHING, NOTHING))
    sides = zip(clamps.OPERATORS, beyond, over, strict=True)
    total = sum(o.share * min(o.square, far**2) for name, far, o in sides if name in restoring)
    return total / (step**2 / 12)


def hint(left: Sequence[str], refused: Sequence[str], matters: bool) -> str:
    """What restores a clamp of which these operators are `left` to do it, and the scheme has some
    `refused`. matters: whether the others are worth it."""
    if not refused:
        return f"--clamps {'auto' if matters else 'exact'} restores it"
    what, first = "it", ""
    if matters and len(refused) < len(left):
        (able,) = set(left) - set(refused)
        first = f"--clamps auto restores its {SIDES[able]} end; "
        what = "the other"
    return (
        f"{first}the scheme does not allow {' and '.join(refused)}, which could restore {what}; "
        "add to [operators] allow what the hardware runs"
    )
