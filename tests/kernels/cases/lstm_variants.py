"""LSTM in its basic and full form; sequences with peepholes, projection, layer normalization."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.testing import GraphBuilder, TensorSpec

from .make import Case, Group, grid, scale, values
from .recurrent import _weights


def basic(rng, dtype: str) -> Case:
    """Outputs and states feed back: both runs start afresh, each output is compared."""
    batch, width, cells = (int(n) for n in rng.integers(1, 6, 3))
    own = {"scale": 1 / 128, "zero_point": 128}
    graph = GraphBuilder()
    weights = TensorSpec(
        dtype, None, scale(rng, 0.01), int(rng.integers(100, 156)),
        data=rng.integers(0, 256, (4 * cells, width + cells)).astype(np.uint8),
    )  # fmt: skip
    drawn = rng.integers(-3000, 3000, 4 * cells).astype(np.int32)
    product = float(np.float32(weights.scale) * np.float32(1 / 128))
    state = TensorSpec("int16", (batch, cells), 2.0**-11, is_variable=True)
    specs = [
        TensorSpec(dtype, (batch, width), **own),
        TensorSpec(dtype, (batch, cells), **own, is_variable=True),
        weights,
        TensorSpec("int32", None, product, data=drawn),
        state,
        TensorSpec(dtype, (batch, cells), **own),
        TensorSpec("int16", (batch, cells), 2.0**-11),
        TensorSpec(dtype, (batch, width + cells), **own),
        TensorSpec("int16", (batch, 4 * cells), 2.0**-12),
    ]
    tensors = [graph.tensor(spec) for spec in specs]
    options = {"kernel_type": "BASIC", "fused_activation_function": "TANH"}
    graph.operator("LSTM", tensors[:5], tensors[5:], options, version=2)
    model = graph.build(tensors[:1], tensors[5:7])
    fed = [[values(rng, dtype, (batch, width))] for _ in range(3)]
    return Case(model, fed, f"LSTM basic {width} -> {cells}")


def variant(opcode: str, rng, dtype: str) -> Case:
    """Every extension is there or not; cells may be more than outputs where there is a projection.

    LSTM has one time step and no time axis.
    """
    batch, time, width, cells = 2, 3, int(rng.integers(1, 7)), int(rng.choice([2, 4, 8]))
    coupled, peephole, projection, norm = (bool(b) for b in rng.integers(0, 2, 4))
    count = int(rng.integers(1, cells + 1)) if projection and not peephole else cells
    graph = GraphBuilder()
    lead = (batch,) if opcode == "LSTM" else (batch, time)
    data = TensorSpec(dtype, (*lead, width), **grid(rng, dtype, 0.02))
    state = TensorSpec(dtype, (batch, count), **grid(rng, dtype, 1 / 128, 0.3), is_variable=True)
    cell = TensorSpec("int16", (batch, cells), 2.0 ** int(rng.integers(-13, -9)), is_variable=True)
    operands = [graph.tensor(data)] + [-1] * 23
    for gate in range(int(coupled), 4):
        operands[1 + gate] = graph.tensor(_weights(rng, "int8", (cells, width), 0.01))
        operands[5 + gate] = graph.tensor(_weights(rng, "int8", (cells, count), 0.01))
        drawn = rng.integers(-3000, 3000, cells).astype(np.int32)
        operands[12 + gate] = graph.tensor(TensorSpec("int32", None, 1e-4, data=drawn))
        if peephole and gate != 2:
            place = {0: 9, 1: 10, 3: 11}[gate]
            operands[place] = graph.tensor(_weights(rng, "int16", (cells,), 2e-5))
        if norm:
            operands[20 + gate] = graph.tensor(_weights(rng, "int16", (cells,), 3e-5))
    if projection:
        operands[16] = graph.tensor(_weights(rng, "int8", (count, cells), 0.01))
        if rng.integers(0, 2):
            drawn = rng.integers(-3000, 3000, count).astype(np.int32)
            operands[17] = graph.tensor(TensorSpec("int32", None, 1e-4, data=drawn))
    operands[18], operands[19] = graph.tensor(state), graph.tensor(cell)
    same = {"scale": state.scale, "zero_point": state.zero_point}
    out = graph.tensor(TensorSpec(dtype, (*lead, count), **same))
    unit = scale(rng, 2.0**-12, 1.0) if norm else 2.0**-12
    inner = [graph.tensor(TensorSpec("int16", (0,), unit)) for _ in range(4)]
    hidden = grid(rng, dtype, 1 / 128, 0.3) if projection else same
    inner.append(graph.tensor(TensorSpec(dtype, (0,), **hidden)))
    options = {
        "fused_activation_function": "TANH",
        "cell_clip": float(rng.choice([0.0, 0.5])),
        "proj_clip": float(rng.choice([0.0, 0.5])) if projection else 0.0,
    }
    graph.operator(opcode, operands, [out], options, intermediates=inner)
    model = graph.build(operands[:1], [out])
    fed = [[values(rng, dtype, data.shape)] for _ in range(2)]
    having = f"coupled {coupled} peephole {peephole} projection {projection} norm {norm}"
    return Case(model, fed, f"{opcode} {options} {having} {width} -> {cells} -> {count}")


GROUPS = (
    Group("LSTM", ("uint8",), basic, 8),
    Group("LSTM", ("int8",), partial(variant, "LSTM"), 12),
    Group("UNIDIRECTIONAL_SEQUENCE_LSTM_VARIANT", ("int8",),
          partial(variant, "UNIDIRECTIONAL_SEQUENCE_LSTM"), 16),
)  # fmt: skip
