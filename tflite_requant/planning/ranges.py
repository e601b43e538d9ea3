"""Tighter ranges where samples say that hardly anything is cut off.

A tensor on scale e, whose values x the samples have counted, errs by rounding and by saturation:

    E[(x - clip(x))^2] + e^2 / 12.

A scale that covers the whole old range pays for values that never come. Where only powers of two
are allowed it may be nearly twice as wide as that range, and the next smaller one errs less as soon
as what it cuts off is worth less than the three quarters of the rounding error that it saves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning.plan import Plan
from tflite_requant.planning.units import Unit

POWERS = (1.0, 0.5)


def tightened(
    plan: Plan, counts: Mapping[int, np.ndarray], spared: Iterable[int] = ()
) -> dict[Unit, float]:
    """Factors of the plan's free scales that are powers of two, where not 1.

    counts: tensor -> how often each of the source's 256 stored integers came, least first. Tensors
    that are `spared` keep their range, as do those without counts.
    """
    spared = set(spared)
    found = {}
    for unit in plan.units:
        known = unit.kind == "power" and all(t in counts for t in unit.tensors)
        if known and spared.isdisjoint(unit.tensors):
            errors = [_error(plan, unit, f, counts) for f in POWERS]
            if errors[1] < errors[0]:
                found[unit] = POWERS[1]
    return found


def _error(plan: Plan, unit: Unit, factor: float, counts: Mapping[int, np.ndarray]) -> float:
    """Relative error of the unit's tensors, summed."""
    total = 0.0
    for tensor in unit.tensors:
        source, new = plan.subgraph.tensors[tensor], plan.home[tensor]
        low, high = RANGES[source.dtype]
        values = (np.arange(low, high + 1) - source.qparams.zero_point) * source.qparams.scale
        weights = counts[tensor] / counts[tensor].sum()
        gain = plan.gains.get(tensor, 1.0)
        step = new.qparams.scale / gain * factor
        ends = np.array(RANGES[new.dtype]) - new.qparams.zero_point
        shift = plan.offsets.get(tensor, 0.0) / gain * factor
        cut = values - np.clip(values, ends[0] * step - shift, ends[1] * step - shift)
        power = _sum(weights * values * values)
        total += (_sum(weights * cut * cut) + step * step / 12) / max(power, 1e-30)
    return total


def _sum(values: np.ndarray) -> float:
    total = 0.0
    for value in values.tolist():
        total += value
    return total
