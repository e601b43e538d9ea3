"""Operators with weights: their integers, biases and rescales, before and after."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tflite_requant.catalog import spec_of
from tflite_requant.compare.matching import PLAIN, Meaning, Origin, origin_of
from tflite_requant.fixedpoint.power_of_two import told_shifts
from tflite_requant.model import Model, Operator, QArray, Subgraph
from tflite_requant.study.outcome import WeightsStudy
from tflite_requant.study.values import weight_histogram

BEHIND = ("QUANTIZE", "MINIMUM", "MAXIMUM")  # what may be inserted behind an operator
BEFORE = ("QUANTIZE", "PADV2")  # and before one; both sorts keep the stored reals


def weights_studies(
    source: Model, result: Model, partners: Mapping[int, int]
) -> list[WeightsStudy]:
    """Operators of the source's main subgraph whose partner is found.

    partners: tensors of the source -> tensors of the result that mean the same.
    """
    origin = origin_of(result)
    producers = result.main.producers()
    found = []
    for op in source.main.operators:
        parts = operands(source.main, op)
        twin = producers.get(partners.get(op.outputs[0], -1)) if op.outputs else None
        while twin is not None and twin.opcode in BEHIND and twin.opcode != op.opcode:
            twin = producers.get(twin.input(0))
        if parts is None or twin is None or twin.opcode != op.opcode:
            continue
        others = operands(result.main, twin)
        if others is not None:
            written = origin.meanings.get(partners[op.outputs[0]], PLAIN)
            change = _bias_change(result.main, twin, parts, others, origin, written)
            found.append(_study(source.main, op, result.main, twin, parts, others, change))
    return found


def operands(subgraph: Subgraph, op: Operator) -> dict[str, QArray] | None:
    """Weights and bias by role, where the operator has quantized constant weights."""
    spec, found = spec_of(op), {}
    for position, tensor in enumerate(op.inputs):
        operand = spec.input(position) if spec is not None else None
        if operand is not None and tensor >= 0 and operand.role in ("weights", "bias"):
            declared = subgraph.tensors[tensor]
            if declared.is_constant and declared.qparams is not None:
                found[operand.role] = declared.qarray()
    return found if "weights" in found else None


def multipliers(subgraph: Subgraph, op: Operator, weights: QArray) -> np.ndarray:
    """s_in * s_w / s_out per scale of the weights, float64."""
    spec = spec_of(op)
    position = next(i for i, o in enumerate(spec.inputs) if o.role == "activation")
    x, y = subgraph.tensors[op.input(position)], subgraph.tensors[op.outputs[0]]
    if x.qparams is None or y.qparams is None:
        return np.zeros(0)
    return x.qparams.scale * np.array(weights.qparams.scales, np.float64) / y.qparams.scale


def _study(
    source: Subgraph,
    op: Operator,
    result: Subgraph,
    twin: Operator,
    parts: dict[str, QArray],
    others: dict[str, QArray],
    change: np.ndarray,
) -> WeightsStudy:
    ratios = multipliers(result, twin, others["weights"])
    shifts, only = told_shifts(ratios)
    return WeightsStudy(
        op.index,
        op.name,
        source.label(op),
        weight_histogram(parts["weights"]),
        weight_histogram(others["weights"]),
        tuple(change.reshape(-1).tolist()),
        tuple(ratios.tolist()),
        tuple(shifts.tolist()),
        only,
    )


def _bias_change(
    result: Subgraph,
    twin: Operator,
    parts: dict[str, QArray],
    others: dict[str, QArray],
    origin: Origin,
    written: Meaning,
) -> np.ndarray:
    """The result's bias less the source's, less what zero points that are folded into it ask for,
    in steps of the output; float64 [channels], of size 0 without a bias on both sides. 0 where a
    channel gave up all its weights, for which the bias stands then.

    written: how the operator's output is to be read.
    """
    step = result.tensors[twin.outputs[0]].qparams
    if "bias" not in parts or "bias" not in others or step is None:
        return np.zeros(0)
    inputs = spec_of(twin).inputs
    read = _meaning(result, twin.input([o.role for o in inputs].index("activation")), origin)
    axis = next(o.axis for o in inputs if o.role == "weights")
    before, rows = (_rows(some["weights"], axis) for some in (parts, others))
    sums = rows.sum(axis=1)
    # Stored reals are gain * (true + offset), those read and those written.
    bias = others["bias"].real() + sums * (read.gain * read.offset)
    change = (bias - written.gain * (parts["bias"].real() + written.offset)) / step.scale
    return np.where(before.any(axis=1) & ~rows.any(axis=1), 0.0, change)


def _rows(weights: QArray, axis: int) -> np.ndarray:
    """Real weights, float64 [channels, K]."""
    return np.moveaxis(weights.real(), axis, 0).reshape(weights.integers.shape[axis], -1)


def _meaning(result: Subgraph, tensor: int, origin: Origin) -> Meaning:
    """How a tensor is to be read, or the source's from which inserted operators made it."""
    producers = result.producers()
    while tensor >= origin.shared and tensor not in origin.meanings:
        op = producers.get(tensor)
        if op is None or op.opcode not in BEFORE:
            break
        tensor = op.input(0)
    return origin.meanings.get(tensor, PLAIN)
