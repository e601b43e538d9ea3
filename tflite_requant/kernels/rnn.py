"""RNN, UNIDIRECTIONAL_SEQUENCE_RNN, BIDIRECTIONAL_SEQUENCE_RNN of floats, with float or int8
weights.

h' = activation(bias + W x + A a + R h), one product added after the other; a is the auxiliary input
that the bidirectional operator may have. int8 weights are hybrid: x, a and h are put on grids of
their own, and a product with nothing but zeros is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.rational_tanh import rational_tanh
from tflite_requant.kernels import _activation, _hybrid
from tflite_requant.kernels._lanes import accumulated
from tflite_requant.kernels._types import Attributes, KernelError, Operands, QArray, Stage


def step(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    """RNN: one time step; operands: data, weights, recurrent weights, bias, state."""
    cell = _Cell(operands, (1, 2, 3), None, attributes)
    hidden = cell(operands.input(0).integers, None, operands.input(4).integers)
    yield "state4", hidden
    yield "output", hidden


def sequence(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    cell = _Cell(operands, (1, 2, 3), None, attributes)
    data, together = operands.input(0).integers, bool(attributes.get("time_major"))
    outputs, hidden = _run(cell, data, None, operands.input(4).integers, together, False)
    yield "state4", hidden
    yield "output", outputs


def both_ways(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """Outputs forward and backward, or side by side where merge_outputs says so."""
    data, together = operands.input(0).integers, bool(attributes.get("time_major"))
    auxiliary = operands.input(9)
    if auxiliary is not None and (operands.input(10) is None or operands.input(11) is None):
        raise KernelError("an auxiliary input without weights of its own")
    hybrid = operands.input(1).dtype.kind != "f"
    if (auxiliary is not None and (hybrid or together)) or (hybrid and together):
        raise KernelError(
            "auxiliary input, time_major and int8 weights: two of these together make LiteRT "
            "compute in a way that is not known here"
        )
    beside = None if auxiliary is None else auxiliary.integers
    results = []
    for first, weights, backward in ((1, 10, False), (5, 11, True)):
        extra = None if auxiliary is None else weights
        cell = _Cell(operands, (first, first + 1, first + 2), extra, attributes)
        state = operands.input(first + 3).integers
        outputs, hidden = _run(cell, data, beside, state, together, backward)
        results.append(outputs)
        yield f"state{first + 3}", hidden
    if attributes.get("merge_outputs"):
        yield "output", np.concatenate(results, axis=-1)
    else:
        yield "output", results[0]
        yield "output1", results[1]


class _Cell:
    """One time step of a direction; weights, recurrent weights, bias and A at these positions."""

    def __init__(self, operands: Operands, positions, extra: int | None, attributes) -> None:
        self.weights, self.recurrent, self.bias = (operands.input(p) for p in positions)
        self.extra = None if extra is None else operands.input(extra)
        self.attributes = attributes
        self.wide = bool(attributes.get("asymmetric_quantize_inputs"))

    def __call__(self, x: np.ndarray, beside: np.ndarray | None, hidden: np.ndarray) -> np.ndarray:
        total = np.broadcast_to(self.bias.integers, hidden.shape)
        total = self._plus(total, self.weights, x)
        if beside is not None:
            total = self._plus(total, self.extra, beside)
        total = self._plus(total, self.recurrent, hidden)
        name = _activation.fused(self.attributes)
        if name == "TANH":
            return rational_tanh(total)
        if name not in ("NONE", *_activation.REAL_BOUNDS):
            raise KernelError(f"fused activation {name}")
        return activated(total, name)

    def _plus(self, total: np.ndarray, weights: QArray, vectors: np.ndarray) -> np.ndarray:
        if weights.dtype.kind == "f":
            return accumulated(total, weights.integers, vectors)
        if not vectors.any():
            return total
        return total + _hybrid.row_products(vectors, weights, self.wide)


def activated(values: np.ndarray, name: str) -> np.ndarray:
    """A fused activation as vector code clamps: NaN and -0 become the lower bound."""
    low, high = _activation.REAL_BOUNDS.get(name, (None, None))
    if low is not None:
        values = np.where(values > np.float32(low), values, np.float32(low))
    return values if high is None else np.minimum(values, np.float32(high))


def _run(cell: _Cell, data, beside, hidden, together: bool, backward: bool):
    """(outputs, last state): time first where rows of a batch come together, else batch first."""
    if not together:
        parts = [
            _run(cell, data[b][:, None], None if beside is None else beside[b][:, None],
                 hidden[b : b + 1], True, backward)
            for b in range(len(data))
        ]  # fmt: skip
        outputs = np.stack([part[:, 0] for part, _ in parts])
        return outputs, np.concatenate([last for _, last in parts])
    outputs = np.zeros((*data.shape[:2], hidden.shape[1]), np.float32)
    times = range(len(data))
    for t in reversed(times) if backward else times:
        hidden = cell(data[t], None if beside is None else beside[t], hidden)
        outputs[t] = hidden
    return outputs, hidden
