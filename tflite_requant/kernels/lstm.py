"""LSTM: one time step. The basic kernel on uint8; the full one on int8, as a sequence of one.

Basic: data and previous output side by side, less 128, times the weights, plus bias, rescaled by
4096 * s_bias to 3 integer bits of 16; gates in the order input, candidate, forget, output, their
nonlinearities in fixed point; the state has 4 integer bits. Operands: data, previous output,
weights, bias, previous state; outputs: output, state, the operands side by side, the gates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint import gemmlowp
from tflite_requant.fixedpoint.matmul import exact_matmul
from tflite_requant.fixedpoint.ranges import saturate, wrap32
from tflite_requant.fixedpoint.rounding import shift_half_away
from tflite_requant.kernels import unidirectional_sequence_lstm as sequence
from tflite_requant.kernels._accumulate import zero_point
from tflite_requant.kernels._rescale import rescale
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage

MIDDLE = 128
STATE_SCALE = 2.0**-11


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    if operands.input(0).dtype == np.uint8:
        yield from _basic(operands, attributes, arithmetic)
    else:
        yield from _full(operands, attributes, arithmetic)


def _full(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0)
    longer = replace(data, integers=data.integers[None])
    sole = replace(operands, inputs=(longer, *operands.inputs[1:]))
    for name, value in sequence.stages(sole, {**attributes, "time_major": True}, arithmetic):
        yield name, value[0] if name == "output" else value


def _basic(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, previous, weights, bias, state = (operands.input(i) for i in range(5))
    if abs(operands.outputs[1].qparams.scale / STATE_SCALE - 1) > 1e-3:
        raise KernelError(f"the state's scale must be {STATE_SCALE}: LiteRT refuses")
    beside = np.concatenate([data.integers, previous.integers], axis=-1)
    matrix = (weights.integers.astype(np.int64) - zero_point(weights)).T
    accumulator = wrap32(exact_matmul(beside.astype(np.int64) - MIDDLE, matrix) + bias.integers)
    yield "accumulator", accumulator
    law = arithmetic.rescaling("uint8")
    gates = saturate(rescale(accumulator, 4096.0 * bias.scale, law.rounding), np.int16)
    into, candidate, forget, out = np.split(gates.astype(np.int64), 4, axis=-1)
    product = gemmlowp.high_mul(gemmlowp.logistic(into, 3), gemmlowp.tanh(candidate, 3), 16)
    kept = gemmlowp.high_mul(gemmlowp.logistic(forget, 3), state.integers.astype(np.int64), 16)
    moved = np.clip(shift_half_away(product, 4) + kept, -32768, 32767)
    narrowed = gemmlowp.saturating_shift(moved, 1, 16)
    active = gemmlowp.high_mul(gemmlowp.logistic(out, 3), gemmlowp.tanh(narrowed, 3), 16)
    stored = (np.clip(shift_half_away(active, 8), -128, 127) + MIDDLE).astype(np.uint8)
    yield "state1", stored
    yield "state4", moved.astype(np.int16)
    yield "output", stored
    yield "output1", moved.astype(np.int16)
    yield "output2", beside
    yield "output3", gates
