"""Elementwise operators on 8 bits: every value, or pair of values, that their inputs can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.golden.coverage import MISSING, Coverage
from tflite_requant.golden.goals import GOALS, SIGNS, TIES, Judge
from tflite_requant.golden.rescale import Rescale, rescales_of
from tflite_requant.golden.rounder import Rounder, rounder_of
from tflite_requant.golden.unit import Unit
from tflite_requant.kernels import Operands, OutputType
from tflite_requant.model import QArray

PAIRED = ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM")
SINGLE = (
    "QUANTIZE", "DEQUANTIZE", "LOGISTIC", "TANH", "HARD_SWISH", "RELU", "RELU6", "RELU_N1_TO_1",
    "RELU_0_TO_1", "LEAKY_RELU", "ABS", "NEG", "EXP", "LOG", "GELU", "ELU", "SQRT", "RSQRT",
)  # fmt: skip
EIGHT_BIT = ("uint8", "int8")
UNBOUNDED = 1 << 40
TIES_ONLY = [f"{t}_{s}" for t in TIES for s in SIGNS]
LIFTS = {"left": "input0", "right": "input1"}


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """One rounding of an operator: its coverage, and its values over the whole domain, (points, 1).

    source: the stage that is rounded, or the operand, whose zero point is then taken off and which
    is shifted to the left by `left` bits.
    """

    prefix: str
    coverage: Coverage
    values: np.ndarray
    source: str
    zero: int = 0
    left: int = 0

    def of(self, unit: Unit, stimuli: Mapping[int, np.ndarray], stages) -> np.ndarray:
        """The values of a case that are rounded here."""
        if self.source in stages:
            return np.asarray(stages[self.source]).reshape(-1, 1)
        position = next(
            p for p in range(len(unit.op.inputs)) if unit.operand_name(p) == self.source
        )
        operand = unit.operands(stimuli).input(position)
        return _lifted(operand.integers, self.zero, self.left)


class Domain:
    """The whole domain of an elementwise operator.

    inputs: stored values of each free operand, flat; row i of them together is one point.
    """

    def __init__(self, unit: Unit, free: list[int]) -> None:
        self.unit, self.free = unit, free
        self.shape = unit.tensor(free[0]).shape
        self.size = int(np.prod(self.shape, dtype=np.int64))
        axes = [np.arange(low, high + 1) for low, high in (_range(unit, p) for p in free)]
        grid = np.meshgrid(*axes, indexing="ij")
        self.inputs = [g.reshape(-1) for g in grid]
        self.watched = list(self._watch())

    @property
    def points(self) -> int:
        return self.inputs[0].size

    def learn(self, stimuli: Mapping[int, np.ndarray], stages) -> None:
        """Take notice of a case."""
        for watched in self.watched:
            watched.coverage.add(watched.of(self.unit, stimuli, stages))

    def value(self) -> dict[str, Any] | None:
        """What was reached; None where the operator does not round visibly."""
        if not self.watched:
            return None
        goals: dict[str, Any] = {}
        for watched in self.watched:
            told = watched.coverage.value()["goals"]
            goals.update((watched.prefix + goal, letters) for goal, letters in told.items())
        return {"channels": 1, "goals": goals}

    def sweeps(self) -> Iterator[list[np.ndarray]]:
        """Arrays, one a free operand, that together hold every point; as many as that takes."""
        for start in range(0, self.points, self.size):
            at = (start + np.arange(self.size)) % self.points
            yield [values[at].reshape(self.shape) for values in self.inputs]

    def corners(self) -> tuple[list[np.ndarray], list[str]] | None:
        """Arrays that meet every open goal that can be met, and their flags; None without such."""
        chosen, flags = [], set()
        for watched in self.watched:
            for goal in watched.coverage.judge.goals:
                if not watched.coverage.open(goal).size:
                    continue
                met, seen = watched.coverage.judge.met(watched.values, [goal])[goal]
                reached = watched.coverage.letters[goal][0] != MISSING
                fitting = np.flatnonzero(seen if seen.any() or reached else met)
                if fitting.size and len(chosen) < self.size:
                    chosen.append(int(fitting[fitting.size // 2]))
                    flags.add(GOALS[goal])
        if not chosen:
            return None
        at = np.resize(np.array(sorted(set(chosen))), self.size)
        arrays = [values[at].reshape(self.shape) for values in self.inputs]
        return arrays, [f for f in dict.fromkeys(GOALS.values()) if f in flags]

    def _watch(self) -> Iterator[Watched]:
        stages = self._stages()
        rounder = rounder_of(self.unit)
        rescales = rescales_of(self.unit)
        if rounder is None and self.unit.op.name == "QUANTIZE" and rescales:
            rounder, zero = _rounder_of_input(self.unit, rescales[0]), _zero(self.unit, 0)
            yield _watched("", rounder, _lifted(self.inputs[0], zero, 0), None, "input", zero)
        elif rounder is not None:
            values = np.asarray(stages["accumulator"]).reshape(-1, 1).astype(np.int64)
            yield _watched("", rounder, values, None, "accumulator")
        for rescale in rescales:
            if rescale.result in LIFTS:
                source = LIFTS[rescale.result]
                position = int(source[-1])
                zero, left = _zero(self.unit, position), rescale.left
                values = _lifted(self.inputs[self.free.index(position)], zero, left)
                rounder = Rounder(0, -UNBOUNDED, UNBOUNDED, rescale=replace(rescale, left=0))
                prefix = f"{rescale.result}_"
                yield _watched(prefix, rounder, values, TIES_ONLY, source, zero, left)

    def _stages(self) -> dict[str, np.ndarray]:
        """The kernel's stages over the whole domain, as rows of 256."""
        unit = self.unit
        arrays: list[QArray | None] = []
        for position, t in enumerate(unit.op.inputs):
            if position in self.free:
                tensor = unit.tensor(position)
                values = self.inputs[self.free.index(position)]
                arrays.append(QArray(values.astype(tensor.dtype).reshape(-1, 256), tensor.qparams))
            else:
                arrays.append(unit.constants.get(position) if t >= 0 else None)
        shape = self.points // 256, 256
        types = tuple(OutputType(t.dtype, shape, t.qparams) for t in unit.outputs)
        return unit.stages_of(Operands(tuple(arrays), types))


def domain_of(unit: Unit, free: list[int]) -> Domain | None:
    """The domain of an elementwise operator all of whose operands vary, have 8 bits and one shape;
    None for others."""
    wanted = {1: SINGLE, 2: PAIRED}.get(len(free), ())
    if unit.op.name not in wanted or len(free) != len([t for t in unit.op.inputs if t >= 0]):
        return None
    tensors = [unit.tensor(p) for p in free]
    if any(t.dtype not in EIGHT_BIT for t in tensors) or len({t.shape for t in tensors}) > 1:
        return None
    return Domain(unit, free) if all(tensors[0].shape) else None


def _watched(prefix, rounder, values, goals, source, zero=0, left=0) -> Watched:
    judge = Judge(rounder, values.min(axis=0), values.max(axis=0))
    if goals is not None:
        judge.goals = [g for g in judge.goals if g in goals]
    coverage = Coverage(judge)
    for goal, (met, _) in judge.met(values, judge.goals).items():
        if not met.any():
            coverage.prove(goal, np.array([0]), "e")
    return Watched(prefix, coverage, values, source, zero, left)


def _lifted(stored: np.ndarray, zero: int, left: int) -> np.ndarray:
    """(stored - zero) << left as a column."""
    return ((stored.astype(np.int64) - zero) << left).reshape(-1, 1)


def _rounder_of_input(unit: Unit, rescale: Rescale) -> Rounder:
    output = unit.outputs[0]
    low, high = limits(output.dtype)
    return Rounder(int(output.qparams.zero_points[0]), low, high, rescale=rescale)


def _zero(unit: Unit, position: int) -> int:
    qparams = unit.tensor(position).qparams
    return int(qparams.zero_points[0]) if qparams else 0


def _range(unit: Unit, position: int) -> tuple[int, int]:
    return limits(unit.tensor(position).dtype)
