"""The weights and rescales of one model alone."""

from __future__ import annotations

import numpy as np

from tflite_requant.catalog import spec_of
from tflite_requant.fixedpoint.power_of_two import told_shifts
from tflite_requant.model import Model, Operator, QArray
from tflite_requant.study.outcome import SingleWeights
from tflite_requant.study.values import weight_histogram
from tflite_requant.study.weights import multipliers, operands


def single_weights(model: Model) -> list[SingleWeights]:
    """Operators with quantized constant weights, of every subgraph."""
    found = []
    for subgraph, op in model.operators():
        parts = operands(subgraph, op)
        if parts is None or not parts["weights"].integers.size:
            continue
        ratios = multipliers(subgraph, op, parts["weights"])
        shifts, only = told_shifts(ratios)
        found.append(
            SingleWeights(
                subgraph.index,
                op.index,
                op.name,
                subgraph.label(op),
                weight_histogram(parts["weights"]),
                tuple(ratios.tolist()),
                tuple(shifts.tolist()),
                only,
                _dead(op, parts["weights"]),
            )
        )
    return found


def _dead(op: Operator, weights: QArray) -> int:
    """Output channels whose weights are all zero."""
    operand = next(o for o in spec_of(op).inputs if o.role == "weights")
    channels = np.moveaxis(weights.centred(), operand.axis, 0)
    return int((~channels.reshape(len(channels), -1).any(axis=1)).sum())
