"""Greedy search for activation scales: one after the other, what lowers the outputs' noise stays.

Units are taken in network order, so that what lies before the one that moves need not run again.
Candidates race: a few samples tell most of the bad ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from tflite_requant.model import Model
from tflite_requant.planning import Plan
from tflite_requant.planning.units import Unit
from tflite_requant.search.factors import Factors, candidates, forbidden
from tflite_requant.search.noise import Meaning, Reference, measured_tensors
from tflite_requant.search.runner import Runner, Variant

PASSES = 2
GAIN = 0.999  # share of the noise that a change has to reach
RACE = ((4, 1.05), (12, 1.01))  # after so many samples, noise above that share of the old one loses

Make = Callable[[Factors], "tuple[Plan, Callable[[], Model]]"]


@dataclass(frozen=True, slots=True)
class Found:
    """factors: of the scales that moved; before, after: noise over signal on the samples."""

    factors: dict[Unit, float]
    before: float
    after: float
    tried: int


@dataclass(slots=True)
class _State:
    factors: dict[Unit, float]
    plan: Plan
    variant: Variant
    noise: list[float]


class Search:
    """One search. make: factors -> plan of the main subgraph, and what makes the model of it;
    snaps: see `candidates`. Raises UsageError for a model without measurable outputs."""

    def __init__(
        self, source: Model, samples, make: Make, *, snaps: bool, progress: bool = False
    ) -> None:
        self.make, self.snaps, self.progress = make, snaps, progress
        self.measured, logits = measured_tensors(source)
        self.runner = Runner(source, samples, self.measured)
        variant = self.runner.variant(source)
        outputs = [self.runner.outputs(variant, i) for i in range(len(self.runner))]
        qparams = {t: source.main.tensors[t].qparams for t in self.measured}
        self.reference = Reference(outputs, qparams, logits)
        self.base: Plan | None = None  # without factors
        self.around: dict[Unit, set[Unit]] = {}
        self.tried = 0

    def run(self) -> Found:
        state = self._state({})
        self.base = state.plan
        before = sum(state.noise)
        units = self._in_order(state.plan)
        self.around = _neighbours(state.plan, units)
        moved: set[Unit] = set()
        bar = self._bar(PASSES * len(units))
        for number in range(PASSES):
            self.runner.keep(state.variant, 0)
            moved_before, moved = moved, set()
            for unit in units:
                around = self.around[unit]
                if number == 0 or (moved_before | moved) & around:
                    old, state = state, self._improved(state, unit, narrow=number > 0)
                    if state is not old:
                        moved.add(unit)
                bar.update()
        bar.close()
        count = len(self.runner)
        factors = {u: f for u, f in state.factors.items() if f != 1}
        return Found(factors, before / count, sum(state.noise) / count, self.tried)

    def _state(self, factors: dict[Unit, float]) -> _State:
        plan, made = self.make(factors)
        variant = self.runner.variant(made())
        return _State(factors, plan, variant, self._noise(variant, plan, None))

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
            variant = self.runner.variant(made())
            shared = variant.common(state.variant)
            if shared == len(variant.parts):
                continue
            self.runner.keep(state.variant, shared)
            self.tried += 1
            noise = self._noise(variant, plan, best.noise)
            if noise and sum(noise) < GAIN * sum(best.noise):
                best = _State(factors, plan, variant, noise)
        return best

    def _noise(self, variant: Variant, plan: Plan, rival: list[float] | None) -> list[float]:
        """Noise of every sample; none where the rival is clearly better before all have run."""
        meanings = {t: _meaning(plan, t) for t in self.measured}
        noise: list[float] = []
        for sample in range(len(self.runner)):
            outputs = self.runner.outputs(variant, sample)
            noise.append(self.reference.noise(sample, outputs, meanings))
            for count, share in RACE:
                if rival and len(noise) == count and sum(noise) > share * sum(rival[:count]):
                    return []
        return noise

    def _bar(self, total: int):
        if not self.progress or not sys.stderr.isatty():
            return _NoBar()
        from tqdm import tqdm

        return tqdm(total=total, desc="searching scales", unit="scale", leave=False)


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


class _NoBar:
    def update(self) -> None: ...

    def close(self) -> None: ...


def _meaning(plan: Plan, tensor: int) -> Meaning:
    kind = plan.home[tensor] if tensor in plan.home else plan.subgraph.tensors[tensor].type
    gain = plan.gains.get(tensor, 1.0)
    offset = plan.offsets.get(tensor, 0.0) / gain
    return Meaning(kind.qparams.scale / gain, kind.qparams.zero_point, offset)
