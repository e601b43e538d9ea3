"""Greedy search for activation scales: one after the other, what lowers the outputs' noise stays.

Units are taken in network order, so that what lies before the one that moves need not run again.
Candidates race: a few samples tell most of the bad ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tflite_requant.model import Model
from tflite_requant.planning import Plan
from tflite_requant.planning.units import NO_FACTORS, Unit
from tflite_requant.progress import bar
from tflite_requant.search.bench import Bench
from tflite_requant.search.factors import Factors, candidates, forbidden
from tflite_requant.search.runner import LITERT, Variant

PASSES = 2
GAIN = 0.999  # share of the noise that a change has to reach

Make = Callable[[Factors], "tuple[Plan, Callable[[], Model]]"]


@dataclass(frozen=True, slots=True)
class Found:
    """factors: of the scales that moved; before, after: noise over signal on the samples;
    on: what they were, a third of which judged it."""

    factors: dict[Unit, float]
    before: float
    after: float
    tried: int
    on: str = ""


@dataclass(slots=True)
class _State:
    factors: dict[Unit, float]
    plan: Plan
    variant: Variant
    noise: list[float]


class Search:
    """One search. make: factors -> plan of the main subgraph, and what makes the model of it;
    snaps: see `candidates`; start: the factors to begin with; profile: see `Bench`; title: of a
    progress bar. Raises UsageError for a model without measurable outputs."""

    def __init__(
        self, source: Model, samples, make: Make, *, snaps: bool, start: Factors = NO_FACTORS,
        profile: str = LITERT, title: str = "",
    ) -> None:  # fmt: skip
        self.make, self.snaps, self.title = make, snaps, title
        self.start = dict(start)
        self.bench = Bench(source, samples, profile)
        self.runner, self.measured = self.bench.runner, self.bench.measured
        self.base: Plan | None = None  # without factors
        self.around: dict[Unit, set[Unit]] = {}
        self.tried = 0

    def run(self) -> Found:
        self.base, _ = self.make(NO_FACTORS)
        state = self._state(self.start)
        before = sum(state.noise)
        units = self._in_order(state.plan)
        self.around = _neighbours(state.plan, units)
        moved: set[Unit] = set()
        with bar(self.title, "scale", PASSES * len(units)) as advance:
            for number in range(PASSES):
                self.runner.keep(state.variant, 0)
                moved_before, moved = moved, set()
                for unit in units:
                    around = self.around[unit]
                    if number == 0 or (moved_before | moved) & around:
                        old, state = state, self._improved(state, unit, narrow=number > 0)
                        if state is not old:
                            moved.add(unit)
                    advance(1)
        count = len(self.runner)
        return Found(state.factors, before / count, sum(state.noise) / count, self.tried)

    def _state(self, factors: dict[Unit, float]) -> _State:
        plan, made = self.make(factors)
        variant = self.bench.variant(made())
        return _State(factors, plan, variant, self.bench.noise(variant, plan))

    def _in_order(self, plan: Plan) -> list[Unit]:
        place = {t: op.index for op in plan.subgraph.operators for t in op.outputs}
        # A folded tensor keeps the source's grid, exactly, where nothing asks for another one.
        units = [u for u in plan.units if self.snaps or u.tensors[0] not in plan.offsets]
        return sorted(units, key=lambda u: (min(place.get(t, -1) for t in u.tensors), u))

    def _improved(self, state: _State, unit: Unit, *, narrow: bool) -> _State:
        now = state.factors.get(unit, 1.0)
        best = state
        for factor in candidates(
            state.plan, unit, now, narrow=narrow, snaps=self.snaps, measured=self.measured
        ):
            factors = {**state.factors, unit: factor}
            plan, made = self.make(factors)
            if any(f.severity == "error" for f in plan.findings) or forbidden(self.base, plan):
                continue
            variant = self.bench.variant(made())
            shared = variant.common(state.variant)
            if shared == len(variant.parts):
                continue
            self.runner.keep(state.variant, shared)
            self.tried += 1
            noise = self.bench.noise(variant, plan, best.noise)
            if noise and sum(noise) < GAIN * sum(best.noise):
                best = _State(factors, plan, variant, noise)
        return best


def _neighbours(plan: Plan, units: list[Unit]) -> dict[Unit, set[Unit]]:
    """Per unit, itself and those that an operator reads or writes together with it."""
    of_tensor: dict[int, set[Unit]] = {}
    for unit in units:
        for t in unit.tensors:
            of_tensor.setdefault(t, set()).add(unit)
    found = {unit: {unit} for unit in units}
    for op in plan.subgraph.operators:
        met = set().union(*(of_tensor.get(t, set()) for t in (*op.inputs, *op.outputs)))
        for unit in met:
            found[unit] |= met
    return found
