"""Chained vectors: what each operator is fed while the whole model runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tflite_requant.golden.unit import Unit
from tflite_requant.interpreter import Interpreter


def chained_stimuli(
    interpreter: Interpreter, units: Sequence[Unit], samples: Sequence[Sequence[np.ndarray]]
) -> Iterator[tuple[Unit, int, Mapping[int, np.ndarray]]]:
    """(unit, number of the sample, its stimuli), sample by sample, in the order of execution.

    Operators that the graph outputs do not need run as well, if they are among the units.
    """
    known = {u.op.index: u for u in units}
    wanted = {t for u in units for t in u.op.outputs if t >= 0}
    asked = sorted({*interpreter.model.main.outputs, *wanted})
    for number, sample in enumerate(samples):
        seen: list[tuple[Unit, int, Mapping[int, np.ndarray]]] = []

        def note(subgraph, op, inputs, outputs, number=number, seen=seen) -> None:
            unit = known.get(op.index) if subgraph.index == 0 else None
            if unit is not None:
                fed = {p: np.array(inputs[p].integers) for p in unit.fed}
                seen.append((unit, number, fed))

        interpreter.run(list(sample), keep=asked, on_operator=note)
        yield from seen
