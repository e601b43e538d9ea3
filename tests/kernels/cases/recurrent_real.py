"""RNN, its sequences and SVDF of floats, with float or int8 weights; hybrid TRANSPOSE_CONV."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.testing import TensorSpec, one_operator_model

from .make import FUSED, Case, Group, index, scale

ACTIVATIONS = ("TANH", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def _weights(rng, *size: int, hybrid: bool) -> TensorSpec:
    if hybrid:
        return TensorSpec("int8", None, scale(rng, 0.01), data=_bytes(rng, size))
    return TensorSpec("float32", data=(rng.standard_normal(size) * 0.4).astype(np.float32))


def _bytes(rng, size) -> np.ndarray:
    return rng.integers(-127, 128, size).astype(np.int8)


def _run(rng, opcode: str, inputs, outputs, options) -> Case:
    model = one_operator_model(opcode, inputs, outputs, options)
    runs = [[rng.standard_normal(t.shape).astype(np.float32) for t in model.inputs]
            for _ in range(2)]  # fmt: skip
    if rng.integers(0, 3) == 0:
        runs[0] = [np.zeros_like(fed) for fed in runs[0]]
    kinds = [None if t is None else t.dtype for t in inputs]
    return Case(model, runs, f"{opcode} {options} on {kinds}")


def _options(rng, time: bool = True) -> dict:
    options = {"fused_activation_function": str(rng.choice(ACTIVATIONS)),
               "asymmetric_quantize_inputs": bool(rng.integers(0, 2))}  # fmt: skip
    return {**options, "time_major": bool(rng.integers(0, 2))} if time else options


def _direction(rng, batch: int, width: int, units: int, hybrid: bool) -> list[TensorSpec]:
    state = TensorSpec("float32", (batch, units), is_variable=True)
    return [_weights(rng, units, width, hybrid=hybrid), _weights(rng, units, units, hybrid=hybrid),
            _weights(rng, units, hybrid=False), state]  # fmt: skip


def rnn(opcode: str, rng, dtype: str) -> Case:
    batch, time = (int(n) for n in rng.integers(1, 4, 2))
    width, units = (int(n) for n in rng.integers(1, 12, 2))
    options = _options(rng, opcode != "RNN")
    lead = (time, batch) if options.get("time_major") else (batch, time)
    lead = (batch,) if opcode == "RNN" else lead
    cell = _direction(rng, batch, width, units, bool(rng.integers(0, 2)))
    data, output = TensorSpec(dtype, (*lead, width)), TensorSpec(dtype, (*lead, units))
    return _run(rng, opcode, [data, *cell], [output], options)


def both_ways(rng, dtype: str) -> Case:
    batch, time = (int(n) for n in rng.integers(1, 4, 2))
    width, units, other = (int(n) for n in rng.integers(1, 12, 3))
    hybrid = bool(rng.integers(0, 2))
    options = {**_options(rng), "merge_outputs": bool(rng.integers(0, 2))}
    options["time_major"] &= not hybrid
    lead = (time, batch) if options["time_major"] else (batch, time)
    beside = [None] * 3
    if not hybrid and not options["time_major"] and rng.integers(0, 2):
        weights = [_weights(rng, n, 3, hybrid=False) for n in (units, other)]
        beside = [TensorSpec(dtype, (*lead, 3)), *weights]
    inputs = [TensorSpec(dtype, (*lead, width)), *_direction(rng, batch, width, units, hybrid),
              *_direction(rng, batch, width, other, hybrid), *beside]  # fmt: skip
    widths = [units + other] if options["merge_outputs"] else [units, other]
    outputs = [TensorSpec(dtype, (*lead, n)) for n in widths]
    return _run(rng, "BIDIRECTIONAL_SEQUENCE_RNN", inputs, outputs, options)


def svdf(rng, dtype: str) -> Case:
    batch, rank, units = (int(n) for n in rng.integers(1, 4, 3))
    width, memory = (int(n) for n in rng.integers(1, 10, 2))
    filters, hybrid = rank * units, bool(rng.integers(0, 2))
    bias = _weights(rng, units, hybrid=False) if rng.integers(0, 2) else None
    state = TensorSpec(dtype, (batch, memory * filters), is_variable=True)
    inputs = [TensorSpec(dtype, (batch, width)), _weights(rng, filters, width, hybrid=hybrid),
              _weights(rng, filters, memory, hybrid=hybrid), bias, state]  # fmt: skip
    options = {**_options(rng, False), "rank": rank}
    return _run(rng, "SVDF", inputs, [TensorSpec(dtype, (batch, units))], options)


def transposed(rng, dtype: str) -> Case:
    batch, depth, count = (int(n) for n in rng.integers(1, 5, 3))
    kernel, stride, width = (int(rng.integers(1, 4)) for _ in range(3))
    padding = str(rng.choice(["SAME", "VALID"]))
    side = width * stride if padding == "SAME" else (width - 1) * stride + kernel
    scales = [scale(rng, 0.02) for _ in range(count)] if rng.integers(0, 2) else 0.02
    size = (count, kernel, kernel, depth)
    filters = TensorSpec("int8", None, scales, [0] * count if isinstance(scales, list) else 0,
                         data=_bytes(rng, size))  # fmt: skip
    bias = [_weights(rng, count, hybrid=False)] if rng.integers(0, 2) else []
    shape = (batch, side, side, count)
    inputs = [index(*shape), filters, TensorSpec(dtype, (batch, width, width, depth)), *bias]
    options = {"padding": padding, "stride_h": stride, "stride_w": stride,
               "fused_activation_function": str(rng.choice(FUSED))}  # fmt: skip
    return _run(rng, "TRANSPOSE_CONV", inputs, [TensorSpec(dtype, shape)], options)


def gelu(rng, dtype: str) -> Case:
    spec = TensorSpec(dtype, (3, int(rng.integers(1, 40))))
    return _run(rng, "GELU", [spec], [spec], {"approximate": True})


GROUPS = (
    *(Group(op, ("float32",), partial(rnn, op), 10)
      for op in ("RNN", "UNIDIRECTIONAL_SEQUENCE_RNN")),
    Group("BIDIRECTIONAL_SEQUENCE_RNN", ("float32",), both_ways, 10),
    Group("SVDF", ("float32",), svdf, 10),
    Group("TRANSPOSE_CONV_HYBRID", ("float32",), transposed, 10),
    Group("GELU", ("float32",), gelu, 4),
)  # fmt: skip
