"""Chained vectors: what each operator is fed while the whole model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from tflite_requant.golden.unit import Unit
from tflite_requant.interpreter import Interpreter

Add = Callable[[Unit, int, Mapping[int, np.ndarray]], None]


class Recorder:
    """Hands the stimuli of the chosen operators to `add(unit, sample, stimuli)`."""

    def __init__(self, units: Iterable[Unit], add: Add) -> None:
        self._units = {u.op.index: u for u in units}
        self._add = add
        self.sample = 0

    def __call__(self, subgraph, op, inputs, outputs) -> None:
        unit = self._units.get(op.index) if subgraph.index == 0 else None
        if unit is not None:
            self._add(unit, self.sample, {p: np.array(inputs[p].integers) for p in unit.fed})


def run_chain(
    interpreter: Interpreter, samples: Sequence[Sequence[np.ndarray]], recorder: Recorder
) -> None:
    """Run every sample; operators that the graph outputs do not need run as well."""
    computed = [t for op in interpreter.model.main.operators for t in op.outputs if t >= 0]
    asked = sorted({*interpreter.model.main.outputs, *_chosen(computed, recorder)})
    for number, sample in enumerate(samples):
        recorder.sample = number
        interpreter.run(list(sample), keep=asked, on_operator=recorder)


def _chosen(computed: list[int], recorder: Recorder) -> list[int]:
    wanted = {t for u in recorder._units.values() for t in u.op.outputs}
    return [t for t in computed if t in wanted]
