"""A time step of an int8 LSTM as TFLite Micro computes it, from its operators of its own.

Gates are products by FULLY_CONNECTED with 16-bit results in units of 2**-12, their nonlinearities
the int16 LOGISTIC and TANH; products of gates and cell state are those of MUL. So multipliers are
of scales even where powers of two would do, and nonlinearities go through the sigmoid table.
"""

from __future__ import annotations

import math

import numpy as np

from tflite_requant.catalog.arithmetic import Rescaling
from tflite_requant.fixedpoint.ranges import saturate
from tflite_requant.fixedpoint.sigmoid_table import logistic16, tanh16
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._lstm_gates import GateProducts, words
from tflite_requant.kernels._rescale import prepared_rescale
from tflite_requant.kernels._types import Attributes, KernelError, Operands

ORDER = (1, 0, 3, 2)  # forget, input, output, cell: those with a logistic function first
LIFT = 3  # from units of 2**-12 to those of the sigmoid table
GATE_LOG, STATE_STEP = -12, 2.0**-15


class MicroStep:
    """One time step. Raises KernelError for an input gate that is coupled to the forget gate."""

    def __init__(self, operands: Operands, attributes: Attributes, law: Rescaling) -> None:
        if operands.input(1) is None:
            raise KernelError("TFLite Micro has no LSTM without weights of the input gate")
        data, state, cell = (operands.input(i) for i in (0, 18, 19))
        self.state_zero = zero_point(state)
        self.cell_log = round(math.log2(cell.scale))
        clip = float(np.float32(attributes.get("cell_clip", 0.0)))
        self.clip = int(min(clip / cell.scale, 32767.0)) if clip > 0 else 0
        self.from_data = GateProducts(
            [operands.input(1 + i) for i in ORDER], data, law,
            [operands.input(12 + i) for i in ORDER],
        )  # fmt: skip
        self.from_state = GateProducts([operands.input(5 + i) for i in ORDER], state, law)
        self.kept = prepared_rescale(STATE_STEP * cell.scale / cell.scale, law.rounding)
        self.added = prepared_rescale(STATE_STEP * STATE_STEP / cell.scale, law.rounding)
        self.shown = prepared_rescale(STATE_STEP * STATE_STEP / state.scale, law.rounding)

    def __call__(self, from_data: np.ndarray, hidden: np.ndarray, cell: np.ndarray):
        """(next output, next cell state).

        from_data: the gates' part that comes from the data; hidden, cell: stored integers.
        """
        h = hidden.astype(np.int32) - np.int32(self.state_zero)
        gates = words(words(from_data) + words(self.from_state(h)))
        forget, into, out, candidate = np.split(gates, len(ORDER), axis=1)
        forget, into, out = (logistic16(LIFT * gate) for gate in (forget, into, out))
        kept = words(self.kept(forget * cell))
        added = words(self.added(into * _tanh(candidate, GATE_LOG)))
        cell = words(kept + added)
        if self.clip:
            cell = np.clip(cell, -self.clip, self.clip)
        shown = self.shown(_tanh(cell, self.cell_log) * out)
        return saturate(shown + self.state_zero, np.int8), cell


def _tanh(values: np.ndarray, log: int) -> np.ndarray:
    """tanh of values in units of 2**log, in units of 2**-15; finer units are rounded half up."""
    left = log - GATE_LOG
    lifted = LIFT * values
    return tanh16(lifted << left if left >= 0 else (lifted + (1 << (-left - 1))) >> -left)
