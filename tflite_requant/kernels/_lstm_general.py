"""A time step of an int8 LSTM with peepholes, a projection, or layer normalization.

gate = W x, rescaled, + R h, rescaled, + w * c (peephole), rescaled; saturated to 16 bits after each
sum; normalized over the cells where there are coefficients; then its nonlinearity. Without
normalization the gates' unit is 2**-12, with it that of the operator's inner tensors.
"""

from __future__ import annotations

import math

import numpy as np

from tflite_requant.catalog.arithmetic import Rescaling
from tflite_requant.fixedpoint import gemmlowp
from tflite_requant.fixedpoint.matmul import exact_matmul
from tflite_requant.fixedpoint.multiplier import INTEGER_RESCALES, quantize_multiplier
from tflite_requant.fixedpoint.ranges import saturate, wrap32
from tflite_requant.fixedpoint.rounding import divide_truncated, shift_half_away
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._lstm_gates import GATE_SCALE, HIDDEN, inner_grid, words
from tflite_requant.kernels._rescale import effective_scale, rescale
from tflite_requant.kernels._types import Attributes, KernelError, Operands, QArray

PEEPHOLES = {0: 9, 1: 10, 3: 11}
PROJECTION, PROJECTION_BIAS = 16, 17
NORMS = 20
EXTENSIONS = (*PEEPHOLES.values(), PROJECTION, PROJECTION_BIAS, *range(NORMS, NORMS + 4))
FRACTION = 15


def is_general(operands: Operands) -> bool:
    """Whether an LSTM has operands that only this step knows."""
    return any(operands.input(position) is not None for position in EXTENSIONS)


class GeneralStep:
    """One time step; called with the data, the output state and the cell state."""

    def __init__(self, operands: Operands, attributes: Attributes, law: Rescaling) -> None:
        state, cell = operands.input(18), operands.input(19)
        self.rounding = law.rounding
        self.state_zero, self.outputs = zero_point(state), state.shape[1]
        self.cell_log = round(math.log2(cell.scale))
        self.cell_clip = _steps(attributes.get("cell_clip", 0.0), cell.scale, 32767)
        # The output's scale, also where the state's is another one.
        clip, scale = attributes.get("proj_clip", 0.0), operands.output.qparams.scale
        self.projection_clip = _steps(clip, scale, 127)
        self.coupled = operands.input(1) is None
        self.gates = {
            i: _Gate(operands, i, law, bool(attributes.get("time_major")))
            for i in range(4)
            if operands.input(1 + i) is not None
        }
        hidden = inner_grid(operands, HIDDEN)
        self.hidden_zero = hidden.zero_points[0]
        self.hidden_real = float(np.float32(2.0**-15 / hidden.scale * 2.0**-15))
        self.projection = operands.input(PROJECTION)
        if self.projection is not None:
            bias = operands.input(PROJECTION_BIAS)
            self.projection_bias = 0 if bias is None else bias.integers.astype(np.int64)
            self.projection_real = effective_scale(
                self.projection.scale, hidden.scale, state.scale, law
            )

    def from_data(self, series: np.ndarray) -> np.ndarray:
        """What a call takes of the data: the centred integers themselves."""
        return series

    def __call__(self, x: np.ndarray, hidden: np.ndarray, cell: np.ndarray):
        """(next output, next cell state); x is centred, hidden and cell are stored integers."""
        h = hidden.astype(np.int64) - self.state_zero
        forget = gemmlowp.logistic(self.gates[1](x, h, cell), 3)
        candidate = gemmlowp.tanh(self.gates[2](x, h, cell), 3)
        if self.coupled:
            into = 32767 - forget
        else:
            into = gemmlowp.logistic(self.gates[0](x, h, cell), 3)
        kept = saturate(shift_half_away(forget * cell, FRACTION), np.int16).astype(np.int64)
        added = shift_half_away(into * candidate, 2 * FRACTION + self.cell_log)
        cell = np.clip(kept + added, -32768, 32767)
        if self.cell_clip:
            cell = np.clip(cell, -self.cell_clip, self.cell_clip)
        out = gemmlowp.logistic(self.gates[3](x, h, cell), 3)
        product = out * gemmlowp.tanh(cell, FRACTION + self.cell_log)
        return self._output(rescale(product, self.hidden_real, self.rounding)), cell

    def _output(self, values: np.ndarray) -> np.ndarray:
        if self.projection is None:
            return saturate(values + self.hidden_zero, np.int8)
        stored = saturate(values - self.hidden_zero, np.int8).astype(np.int64) + self.hidden_zero
        sums = wrap32(exact_matmul(stored, self.projection.integers.T) + self.projection_bias)
        projected = rescale(sums, self.projection_real, self.rounding) + self.state_zero
        if self.projection_clip:
            projected = np.clip(projected, -self.projection_clip, self.projection_clip)
        return saturate(projected, np.int8)


class _Gate:
    """Everything up to a gate's nonlinearity; gates count input, forget, cell, output.

    together: whether LiteRT computes all rows of a batch in one call.
    """

    def __init__(self, operands: Operands, number: int, law: Rescaling, together: bool) -> None:
        self.together = together
        data, state, cell = (operands.input(i) for i in (0, 18, 19))
        weights, recurrent = operands.input(1 + number), operands.input(5 + number)
        bias = operands.input(12 + number)
        self.rounding, self.outputs = law.rounding, state.shape[1]
        self.norm = operands.input(NORMS + number)
        unit = GATE_SCALE
        if self.norm is not None:
            unit = inner_grid(operands, number).scale
        self.matrix, self.recurrent = weights.integers.T, recurrent.integers.T
        self.real = effective_scale(data.scale, weights.scale, unit, law)
        self.recurrent_real = effective_scale(state.scale, recurrent.scale, unit, law)
        self.bias = 0 if bias is None else bias.integers.astype(np.int64)
        self.peephole = operands.input(PEEPHOLES[number]) if number in PEEPHOLES else None
        if self.peephole is not None:
            exact = 2.0 ** round(math.log2(cell.scale)) * self.peephole.scale / np.float32(unit)
            self.peephole_real = float(np.float32(exact))

    def __call__(self, x: np.ndarray, h: np.ndarray, cell: np.ndarray) -> np.ndarray:
        first = exact_matmul(x, self.matrix) + (self.bias if self.norm is None else 0)
        gate = words(rescale(wrap32(first), self.real, self.rounding))
        second = rescale(wrap32(exact_matmul(h, self.recurrent)), self.recurrent_real,
                         self.rounding)  # fmt: skip
        gate = words(gate + second)
        if self.peephole is not None:
            gate = self._seen_through(gate, cell)
        return gate if self.norm is None else _normalized(gate, self.norm, self.bias, self.rounding)

    def _seen_through(self, gate: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """Peephole products; LiteRT steps through rows as if they had as many cells as outputs."""
        if not self.together:
            rows = zip(gate, cell, strict=True)
            return np.concatenate([self._row(g[None], c[None]) for g, c in rows])
        return self._row(gate, cell)

    def _row(self, gate: np.ndarray, cell: np.ndarray) -> np.ndarray:
        batch, cells = gate.shape
        if self.outputs > cells:
            raise KernelError("a projection to more outputs than cells, with peepholes")
        count = batch * self.outputs
        weights = np.tile(self.peephole.integers[: self.outputs].astype(np.int64), batch)
        product = rescale(weights * cell.reshape(-1)[:count], self.peephole_real, self.rounding)
        flat = gate.reshape(-1).copy()
        flat[:count] = words(flat[:count] + product)
        return flat.reshape(gate.shape)


def _normalized(gate: np.ndarray, norm: QArray, bias: np.ndarray, rounding: str) -> np.ndarray:
    """Over the cells, with 10 more bits; coefficients and bias applied, saturated to 16 bits."""
    step = INTEGER_RESCALES[rounding]
    gate, count = gate.astype(np.int64), gate.shape[-1]
    mean = divide_truncated(gate.sum(axis=-1, keepdims=True) * 1024, count)
    squares = (gate * gate).sum(axis=-1, keepdims=True)
    variance = divide_truncated(squares * ((1 << 20) // count) - mean * mean, 1 << 20)
    guard = max(1, int(np.float32(10000) * np.float32(norm.scale)))
    multiplier, shift = gemmlowp.inverse_sqrt_multiplier(np.where(variance < 1, guard, variance))
    rescaled = step(1024 * gate - mean, multiplier, shift)
    weighted = rescaled * norm.integers.astype(np.int64) + bias
    halved = divide_truncated(weighted + np.where(weighted > 0, 512, -512), 1024)
    multiplier, shift = quantize_multiplier(float(np.float32(norm.scale)))
    return words(step(halved, multiplier, shift + 12))


def _steps(clip: float, scale: float, most: int) -> int:
    """A real bound in steps of a scale, truncated; 0 where there is none."""
    clip = np.float32(clip or 0.0)
    return int(min(float(clip / np.float32(scale)), float(most))) if clip > 0 else 0
