"""Which other scales are worth trying for an activation.

Beside a few fixed factors, where weights have to be on power-of-two multiples of a ratio of
activation scales: those factors at which a neighbour's weights fall on the source's own grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from tflite_requant.catalog import spec_of
from tflite_requant.planning import Plan
from tflite_requant.planning.domains import is_weighted
from tflite_requant.planning.units import Unit

WIDE = (0.84, 0.92, 1.1, 1.2, 1.35)
NARROW = (0.95, 1.05)
POWERS = (0.5, 2.0)
NEAR = (0.7, 1.6)  # within which exact grids are looked for
SAME = 1e-4  # factors closer than this to each other are one


def candidates(
    plan: Plan, unit: Unit, now: float, *, narrow: bool, snaps: bool, measured: tuple[int, ...]
) -> list[float]:
    """Factors to try in place of `now`, ascending distance from it.

    snaps: whether weights scales follow activation scales by powers of two. What is measured is
    not cut: samples are too few to tell how far it reaches.
    """
    if unit.kind == "power":
        steps = list(POWERS)
    else:
        steps = [*(NARROW if narrow else WIDE), *(_exact(plan, unit) if snaps else ())]
    if set(unit.tensors) & set(measured):
        steps = [s for s in steps if s * now >= 1]
    steps.sort(key=lambda s: (abs(math.log(s)), s))
    kept: list[float] = []
    for step in steps:
        if all(abs(step / k - 1) > SAME for k in (1.0, *kept)):
            kept.append(step)
    return [step * now for step in kept]


def _exact(plan: Plan, unit: Unit) -> Iterator[float]:
    """Steps at which s_w = (e_out / e_in) 2^-k for a weighted neighbour, s_w the source's scale."""
    inside = set(unit.tensors)
    for op in plan.subgraph.operators:
        spec = spec_of(op)
        if op.index not in plan.domains or not is_weighted(spec):
            continue
        roles = {o.role: i for i, o in enumerate(spec.inputs)}
        x, w, y = op.input(roles["activation"]), op.input(roles["weights"]), op.outputs[0]
        weights = plan.subgraph.tensors[w].qparams
        if weights is None or weights.per_axis or (x in inside) == (y in inside):
            continue
        ratio = true_scale(plan, y) / (true_scale(plan, x) * weights.scale)
        if y in inside:
            ratio = 1 / ratio
        power = 2.0 ** round(math.log2(ratio))
        for step in (ratio / power, 2 * ratio / power, ratio / power / 2):
            if NEAR[0] <= step <= NEAR[1]:
                yield step


def true_scale(plan: Plan, tensor: int) -> float:
    """What a step of the stored integers means, whatever the file says."""
    return plan.home[tensor].qparams.scale / plan.gains.get(tensor, 1.0)


def forbidden(base: Plan, new: Plan) -> bool:
    """Whether a clamp that belongs to the network, such as that of RELU6, got lost on the way."""
    if any(true_scale(new, t) > true_scale(base, t) * (1 + SAME) for t in new.offsets):
        return True  # its saturation is its clamp
    return any(
        op not in base.lost_clamps and lost.is_activation for op, lost in new.lost_clamps.items()
    )


Factors = Mapping[Unit, float]
