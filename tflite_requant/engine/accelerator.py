"""When the interpreter takes the fast path: once a model has proven worth planning for."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tflite_requant.engine.graph import needed
from tflite_requant.engine.plan import plan
from tflite_requant.engine.program import Program
from tflite_requant.model.graph import Model

PATIENCE = 2  # plain runs before a plan is made; planning takes as long as several of them
WORTHWHILE = 1 << 20  # multiplications per run below which plain kernels are fast enough
HAS_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


class Accelerator:
    """Runs a model by its program, planned when it has been run more than PATIENCE times."""

    def __init__(self, model: Model, profile: str) -> None:
        self._model, self._profile = model, profile
        self._runs = 0
        self._program: Program | None = None

    def run(self, feeds: Mapping[int, np.ndarray]) -> dict[int, np.ndarray] | None:
        """Outputs by tensor index, or None where the plain kernels have to compute them.

        feeds: stored integers of every graph input by tensor index.
        """
        self._runs += 1
        if self._runs == PATIENCE + 1 and multiplications(self._model) >= WORTHWHILE:
            self._program = plan(self._model, self._profile)
        return None if self._program is None else self._program.run(feeds)


def multiplications(model: Model) -> int:
    """How often one run multiplies data by weights, by the shapes in the file."""
    total, tensors = 0, model.main.tensors
    for op in needed(model.main, model.main.outputs):
        if op.name in HAS_WEIGHTS and op.input(1) >= 0:
            weights, output = tensors[op.inputs[1]].shape, tensors[op.outputs[0]].shape
            channels = output[-1] if output else 1
            total += math.prod(output) * math.prod(weights) // max(1, channels)
    return total
