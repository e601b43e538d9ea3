"""Operators with weights: their integers, biases and rescales, before and after."""

from __future__ import annotations

import numpy as np

from tflite_requant.catalog import spec_of
from tflite_requant.fixedpoint.power_of_two import told_shifts
from tflite_requant.model import Model, Operator, QArray, Subgraph
from tflite_requant.study.outcome import WeightsStudy
from tflite_requant.study.values import weight_histogram

BEHIND = ("QUANTIZE", "MINIMUM", "MAXIMUM")  # what may be inserted behind an operator


def weights_studies(source: Model, result: Model, partners: dict[int, int]) -> list[WeightsStudy]:
    """Operators of the source's main subgraph whose partner is found.

    partners: tensors of the source -> tensors of the result that mean the same.
    """
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
            found.append(_study(source.main, op, result.main, twin, parts, others))
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
) -> WeightsStudy:
    ratios = multipliers(result, twin, others["weights"])
    shifts, only = told_shifts(ratios)
    step = result.tensors[twin.outputs[0]].qparams
    change = np.zeros(0)
    if "bias" in parts and "bias" in others and step is not None:
        change = (others["bias"].real() - parts["bias"].real()) / step.scale
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
