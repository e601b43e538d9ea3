"""Tighter ranges where samples say that hardly anything is cut off.

A tensor on scale e, whose values x the samples have counted, errs by rounding and by saturation:

    CUT E[(x - clip(x))^2] + e^2 / 12.

Errors of rounding average out in the sums and pools that read the tensor; what is cut off does not,
for it is always the strongest values that lose, and samples hold too few of them. So it counts CUT
times.

A scale that covers the whole old range pays for values that never come: where only powers of two
are allowed it may be nearly twice as wide as that range, and a pool that must share the grid of the
sum before it has only the steps that the sum's rare peaks leave. A narrower range errs less as soon
as what it cuts off is worth less than what it saves in rounding.

What CUT should be depends on what follows. Of powers of two, few come into question, and whoever
can run the model on samples tells them apart by its outputs: of the best under each of CUTS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from tflite_requant.model import QParams, TensorType
from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning.plan import Plan
from tflite_requant.planning.units import Unit

POWERS = (1.0, 0.5, 0.25)
FRACTIONS = (1.0, 0.92, 0.84, 0.77, 0.71, 0.65, 0.59, 0.54, 0.5, 0.42, 0.35, 0.3, 0.25)
# Of a nested tensor, whose error is less than its step tells: (1 + (2 f)^2) / 12 < WORTH / 4.
FINER = tuple(f for f in FRACTIONS if f == 1 or f < 0.65)
WORTH = 0.9  # share of the error that a grid which is no power of two has to reach: samples are few
CUT = 4.0
CUTS = (1.0, CUT, 16.0, 64.0)

# The noise of a model's outputs when these tensors, and no others, are on these grids.
Judge = Callable[[Mapping[int, TensorType]], float]


def tightened(
    plan: Plan,
    counts: Mapping[int, np.ndarray],
    spared: Iterable[int] = (),
    judge: Judge | None = None,
) -> dict[Unit, float]:
    """Factors of the plan's free scales, where not 1; powers of two first.

    counts: tensor -> how often each of the source's 256 stored integers came, least first. Tensors
    that are `spared` keep their range, as do those without counts, those whose new grid is much
    finer than the source's, and those whose saturation is their clamp (zero-point folding).
    judge: decides between powers of two; without one, the errors of the tensors do.
    """
    spared = set(spared)
    found: dict[Unit, float] = {}
    for unit in sorted(plan.units, key=lambda u: u.kind != "power"):
        known = all(t in counts and _is_coarse(plan, t) for t in unit.tensors)
        if not known or not spared.isdisjoint(unit.tensors):
            continue
        if not plan.offsets.keys().isdisjoint(unit.tensors):
            continue
        now = dict.fromkeys(unit.tensors, 1.0)
        for other, factor in found.items():
            now.update((t, factor) for t in other.tensors if t in now)
        if unit.kind != "power":
            steps = FRACTIONS if plan.lifts.keys().isdisjoint(unit.tensors) else FINER
            step = _least(plan, now, counts, steps, CUT, WORTH)
        elif judge is None:
            step = _least(plan, now, counts, POWERS, CUT)
        else:
            steps = {1.0, *(_least(plan, now, counts, POWERS, cut) for cut in CUTS)}
            step = _judged(plan, now, sorted(steps, reverse=True), judge)
        if step != 1:
            found[unit] = step
    return found


def _least(
    plan: Plan, now: Mapping[int, float], counts: Mapping[int, np.ndarray],
    steps: tuple[float, ...], cut: float, worth: float = 1.0,
) -> float:  # fmt: skip
    """The step, beside the factors of now, under which the tensors err least."""
    errors = [_error(plan, {t: f * s for t, f in now.items()}, counts, cut) for s in steps]
    best = min(range(len(steps)), key=lambda i: errors[i])
    return steps[best] if errors[best] < worth * errors[0] else 1.0


def _judged(plan: Plan, now: Mapping[int, float], steps: list[float], judge: Judge) -> float:
    """The step under which the outputs err least; the widest where they err alike."""
    if len(steps) == 1:
        return steps[0]
    noise = [judge({t: _narrowed(plan, t, f * s) for t, f in now.items()}) for s in steps]
    return steps[min(range(len(steps)), key=lambda i: noise[i])]


def _narrowed(plan: Plan, tensor: int, factor: float) -> TensorType:
    """The tensor's new grid, in the source's real units, when its scale is multiplied."""
    home = plan.home[tensor]
    scale = _step(plan, tensor) * factor
    return TensorType(home.dtype, QParams.of(scale, home.qparams.zero_point))


def _step(plan: Plan, tensor: int) -> float:
    """What one step of the new grid means."""
    return plan.home[tensor].qparams.scale / plan.gains.get(tensor, 1.0)


def _is_coarse(plan: Plan, tensor: int) -> bool:
    return _step(plan, tensor) > plan.subgraph.tensors[tensor].qparams.scale / 2


def _error(
    plan: Plan, factors: Mapping[int, float], counts: Mapping[int, np.ndarray], cut: float = CUT
) -> float:
    """Relative errors of tensors under these factors of their scales, summed."""
    total = 0.0
    for tensor, factor in factors.items():
        source, new = plan.subgraph.tensors[tensor], plan.home[tensor]
        low, high = RANGES[source.dtype]
        values = (np.arange(low, high + 1) - source.qparams.zero_point) * source.qparams.scale
        weights = counts[tensor] / counts[tensor].sum()
        step = _step(plan, tensor) * factor
        ends = np.array(RANGES[new.dtype]) - new.qparams.zero_point
        lost = values - np.clip(values, ends[0] * step, ends[1] * step)
        power = _sum(weights * values * values)
        total += (cut * _sum(weights * lost * lost) + step * step / 12) / max(power, 1e-30)
    return total


def _sum(values: np.ndarray) -> float:
    total = 0.0
    for value in values.tolist():
        total += value
    return total
