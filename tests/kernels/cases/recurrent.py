"""SVDF with int16 state, and UNIDIRECTIONAL_SEQUENCE_LSTM: int8 data, int16 cell state."""

from __future__ import annotations

import numpy as np

from tflite_requant.testing import GraphBuilder, TensorSpec

from .make import Case, Group, case, grid, scale, values


def _weights(rng, dtype: str, shape, middle: float) -> TensorSpec:
    high = np.iinfo(dtype).max
    data = rng.integers(-high, high + 1, shape).astype(dtype)
    return TensorSpec(dtype, None, scale(rng, middle), data=data)


def svdf(rng, dtype: str) -> Case:
    batch, width, units, memory = 1, int(rng.integers(1, 9)), int(rng.integers(1, 6)), 4
    rank = int(rng.integers(1, 3))
    filters = units * rank
    data = TensorSpec(dtype, (batch, width), **grid(rng, dtype))
    feature = _weights(rng, "int8", (filters, width), 0.01)
    time = _weights(rng, "int16", (filters, memory), 2e-5)
    state = TensorSpec("int16", (batch, memory * filters), scale(rng, 1e-4), is_variable=True)
    product = float(np.float32(state.scale) * np.float32(time.scale))
    drawn = rng.integers(-1000, 1000, units).astype(np.int32)
    bias = TensorSpec("int32", None, product, data=drawn)
    out = TensorSpec(dtype, (batch, units), **grid(rng, dtype, 0.02))
    options = {"rank": rank, "fused_activation_function": "RELU"}
    return case(rng, "SVDF", [data, feature, time, bias, state], [out], options)


def lstm(rng, dtype: str) -> Case:
    """Three time steps; input and forget gate are coupled in some, the cell clipped in some."""
    batch, time, width, cells = 2, 3, int(rng.integers(1, 7)), int(rng.integers(1, 7))
    coupled, time_major = bool(rng.integers(0, 2)), bool(rng.integers(0, 2))
    graph = GraphBuilder()
    lead = (time, batch) if time_major else (batch, time)
    data = TensorSpec(dtype, (*lead, width), **grid(rng, dtype, 0.02))
    state = TensorSpec(dtype, (batch, cells), **grid(rng, dtype, 1 / 128, 0.3), is_variable=True)
    cell = TensorSpec("int16", (batch, cells), 2.0 ** int(rng.integers(-13, -9)), is_variable=True)
    operands = [graph.tensor(data)] + [-1] * 23
    for gate in range(int(coupled), 4):
        operands[1 + gate] = graph.tensor(_weights(rng, "int8", (cells, width), 0.01))
        operands[5 + gate] = graph.tensor(_weights(rng, "int8", (cells, cells), 0.01))
        drawn = rng.integers(-3000, 3000, cells).astype(np.int32)
        operands[12 + gate] = graph.tensor(TensorSpec("int32", None, 1e-4, data=drawn))
    operands[18], operands[19] = graph.tensor(state), graph.tensor(cell)
    same = {"scale": state.scale, "zero_point": state.zero_point}
    out = graph.tensor(TensorSpec(dtype, (*lead, cells), **same))
    inner = [graph.tensor(TensorSpec("int16", (0,), 2.0**-12)) for _ in range(4)]
    inner.append(graph.tensor(TensorSpec(dtype, (0,), **same)))
    options = {
        "fused_activation_function": "TANH",
        "time_major": time_major,
        "cell_clip": float(rng.choice([0.0, 0.5])),
    }
    opcode = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    graph.operator(opcode, operands, [out], options, intermediates=inner)
    model = graph.build(operands[:1], [out])
    fed = [[values(rng, dtype, data.shape)] for _ in range(2)]
    return Case(model, fed, f"LSTM {options} coupled {coupled} {width} -> {cells}")


GROUPS = (
    Group("SVDF", ("int8",), svdf, 12),
    Group("UNIDIRECTIONAL_SEQUENCE_LSTM", ("int8",), lstm, 12),
)
