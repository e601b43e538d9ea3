"""UNIDIRECTIONAL_SEQUENCE_LSTM with int8 data and weights, int16 cell state, int16 gates.

Supported: bias, coupled input and forget gates, cell clip; not: peepholes, projection, layer
normalization. Gates have units of 2**-12 before and 2**-15 after their nonlinearity; the cell
state's scale is a power of two. Operands by position: 0 data; 1-4 data weights and 5-8 recurrent
weights of input, forget, cell, output gate; 12-15 their biases; 18 output state; 19 cell state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic, Rescaling
from tflite_requant.fixedpoint import gemmlowp
from tflite_requant.fixedpoint.matmul import exact_matmul
from tflite_requant.fixedpoint.ranges import saturate, wrap32
from tflite_requant.fixedpoint.rounding import shift_half_away
from tflite_requant.kernels._accumulate import centred32, zero_point
from tflite_requant.kernels._rescale import effective_scale, rescale
from tflite_requant.kernels._types import Attributes, KernelError, Operands, QArray, Stage

GATES = ("input", "forget", "cell", "output")
UNSUPPORTED = {9: "peepholes", 10: "peepholes", 11: "peepholes", 16: "a projection",
               17: "a projection", 20: "layer normalization", 21: "layer normalization",
               22: "layer normalization", 23: "layer normalization"}  # fmt: skip
GATE_SCALE = 2.0**-12
FRACTION = 15


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    for position, what in UNSUPPORTED.items():
        if operands.input(position) is not None:
            raise KernelError(f"an LSTM with {what} is not supported")
    data, output_state, cell_state = (operands.input(i) for i in (0, 18, 19))
    step = _Step(operands, attributes, arithmetic.rescaling("int8"))
    time_major = bool(attributes.get("time_major"))
    series = centred32(data) if time_major else np.swapaxes(centred32(data), 0, 1)
    hidden, cell = output_state.integers, cell_state.integers.astype(np.int64)
    outputs = []
    for x in series:
        hidden, cell = step(x, hidden, cell)
        outputs.append(hidden)
    yield "state18", hidden
    yield "state19", cell.astype(np.int16)
    stacked = np.stack(outputs)
    yield "output", stacked if time_major else np.swapaxes(stacked, 0, 1)


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
        self.gates = {
            name: (
                _product(operands.input(1 + i), data, operands.input(12 + i), law),
                _product(operands.input(5 + i), state, None, law),
            )
            for i, name in enumerate(GATES)
            if operands.input(1 + i) is not None
        }
        hidden = operands.intermediates[4] if len(operands.intermediates) > 4 else operands.output
        self.hidden_zero = hidden.qparams.zero_points[0]
        self.hidden_real = float(np.float32(2.0**-15 / hidden.qparams.scale * 2.0**-15))

    def __call__(self, x: np.ndarray, hidden: np.ndarray, cell: np.ndarray):
        """(next output, next cell state); x is centred, hidden and cell are stored integers."""
        h = hidden.astype(np.int64) - self.state_zero
        forget = gemmlowp.logistic(self._gate("forget", x, h), 3)
        candidate = gemmlowp.tanh(self._gate("cell", x, h), 3)
        into = 32767 - forget if self.coupled else gemmlowp.logistic(self._gate("input", x, h), 3)
        kept = shift_half_away(forget * cell, FRACTION)
        added = shift_half_away(into * candidate, 2 * FRACTION + self.cell_log)
        cell = np.clip(kept + added, -32768, 32767)
        if self.clip:
            cell = np.clip(cell, -self.clip, self.clip)
        out = gemmlowp.logistic(self._gate("output", x, h), 3)
        product = out * gemmlowp.tanh(cell, FRACTION + self.cell_log)
        rescaled = rescale(product, self.hidden_real, self.rounding)
        return saturate(rescaled + self.hidden_zero, np.int8), cell

    def _gate(self, name: str, x: np.ndarray, h: np.ndarray) -> np.ndarray:
        (matrix, bias, real), (recurrent, _, recurrent_real) = self.gates[name]
        first = rescale(wrap32(exact_matmul(x, matrix) + bias), real, self.rounding)
        first = np.clip(first, -32768, 32767)
        second = rescale(wrap32(exact_matmul(h, recurrent)), recurrent_real, self.rounding)
        return np.clip(first + second, -32768, 32767)


def _product(weights: QArray, data: QArray, bias: QArray | None, law: Rescaling):
    """(matrix (in, out), bias, real multiplier to the gate's units) of one product."""
    real = effective_scale(data.scale, weights.scale, GATE_SCALE, law)
    return weights.integers.T, 0 if bias is None else bias.integers.astype(np.int64), real
