"""UNIDIRECTIONAL_SEQUENCE_LSTM with int8 data and weights, int16 cell state, int16 gates.

Coupled input and forget gates and the cell's clip are here; peepholes, projection and layer
normalization in `_lstm_general`. Gates have units of 2**-12 before and 2**-15 after their
nonlinearity; the cell state's scale is a power of two. Operands by position: 0 data; 1-4 data
weights and 5-8 recurrent weights of input, forget, cell, output gate; 12-15 their biases; 18 output
state; 19 cell state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic, Rescaling
from tflite_requant.fixedpoint import gemmlowp
from tflite_requant.fixedpoint.ranges import saturate
from tflite_requant.fixedpoint.rounding import shift_half_away
from tflite_requant.kernels._accumulate import centred32, zero_point
from tflite_requant.kernels._lstm_gates import HIDDEN, GateProducts, inner_grid, words
from tflite_requant.kernels._lstm_general import GeneralStep, is_general
from tflite_requant.kernels._lstm_micro import MicroStep
from tflite_requant.kernels._rescale import rescale
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage

ORDER = (1, 3, 0, 2)  # forget, output, input, cell: those with a logistic function first
FRACTION = 15


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, output_state, cell_state = (operands.input(i) for i in (0, 18, 19))
    step = _kind(operands, arithmetic)(operands, attributes, arithmetic.rescaling("int8"))
    time_major = bool(attributes.get("time_major"))
    series = centred32(data) if time_major else np.swapaxes(centred32(data), 0, 1)
    hidden, cell = output_state.integers, cell_state.integers.astype(np.int64)
    outputs = []
    for x in step.from_data(series):
        hidden, cell = step(x, hidden, cell)
        outputs.append(hidden)
    yield "state18", hidden
    yield "state19", cell.astype(np.int16)
    stacked = np.stack(outputs)
    yield "output", stacked if time_major else np.swapaxes(stacked, 0, 1)


def _kind(operands: Operands, arithmetic: Arithmetic):
    if arithmetic.law("int8") == "from-operators":
        if is_general(operands):
            raise KernelError("TFLite Micro has no peepholes, projection or normalization of LSTM")
        return MicroStep
    return GeneralStep if is_general(operands) else _Step


class _Step:
    """One time step; weights and multipliers are prepared once."""

    def __init__(self, operands: Operands, attributes: Attributes, law: Rescaling) -> None:
        data, state, cell = (operands.input(i) for i in (0, 18, 19))
        self.rounding = law.rounding
        self.state_zero = zero_point(state)
        self.coupled = operands.input(1) is None
        self.cell_log = round(math.log2(cell.scale))
        clip = np.float32(attributes.get("cell_clip", 0.0))
        self.clip = int(min(float(clip / np.float32(cell.scale)), 32767.0)) if clip > 0 else 0
        positions = [i for i in ORDER if operands.input(1 + i) is not None]
        self.units = operands.input(1 + positions[0]).shape[0]
        self.from_data = GateProducts(
            [operands.input(1 + i) for i in positions], data, law,
            [operands.input(12 + i) for i in positions],
        )  # fmt: skip
        self.from_state = GateProducts([operands.input(5 + i) for i in positions], state, law)
        hidden = inner_grid(operands, HIDDEN)
        self.hidden_zero = hidden.zero_points[0]
        self.hidden_real = float(np.float32(2.0**-15 / hidden.scale * 2.0**-15))
        self.logistic = gemmlowp.word_table(gemmlowp.logistic, 3)
        self.tanh = gemmlowp.word_table(gemmlowp.tanh, 3)
        self.tanh_of_cell = gemmlowp.word_table(gemmlowp.tanh, FRACTION + self.cell_log)

    def __call__(self, from_data: np.ndarray, hidden: np.ndarray, cell: np.ndarray):
        """(next output, next cell state).

        from_data: the gates' part that comes from the data; hidden, cell: stored integers.
        """
        h = hidden.astype(np.int32) - np.int32(self.state_zero)
        gates = words(words(from_data) + self.from_state(h))
        units = self.units
        candidate = self.tanh[gates[:, -units:]]
        forget, out, *into = np.split(self.logistic[gates[:, :-units]], gates.shape[1] // units - 1,
                                      axis=1)  # fmt: skip
        kept = shift_half_away(forget * cell, FRACTION)
        opened = 32767 - forget if self.coupled else into[0]
        added = shift_half_away(opened * candidate, 2 * FRACTION + self.cell_log)
        cell = words(kept + added)
        if self.clip:
            cell = np.clip(cell, -self.clip, self.clip)
        product = out * self.tanh_of_cell[cell]
        rescaled = rescale(product, self.hidden_real, self.rounding)
        return saturate(rescaled + self.hidden_zero, np.int8), cell
