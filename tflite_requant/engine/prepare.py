"""Which operators have a fast form, as their operands are declared."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tflite_requant.catalog.delegation import node_arithmetic
from tflite_requant.engine import addition, pooling, weighted
from tflite_requant.engine.graph import Constants
from tflite_requant.engine.rescaling import Rescaling
from tflite_requant.engine.splitting import Columns
from tflite_requant.engine.weighted import BYTES, Weighted
from tflite_requant.kernels import KernelError, Operands
from tflite_requant.kernels._types import Attributes
from tflite_requant.model.graph import Operator, Subgraph

PREPARE = {
    "CONV_2D": weighted.conv_2d,
    "DEPTHWISE_CONV_2D": weighted.depthwise_conv_2d,
    "FULLY_CONNECTED": weighted.fully_connected,
    "AVERAGE_POOL_2D": pooling.average_pool_2d,
    "MEAN": pooling.mean,
    "ADD": addition.fit,
}


@dataclass(slots=True, eq=False)
class Fast:
    """An operator with a fast form, and how it works together with its neighbours.

    weighted:  its weights and law, or affine2: its addition.
    rescaling: the proven rescaling of the law.
    order:     its tiles' column i is the tensor's channel order[i].
    fixed:     the tensor's channels that no tile has, in the byte domain; others are not meant.
    parts:     of each channel of a depthwise operator with 16-bit sums; columns: in which order.
    leader:    the depthwise operator whose tiles this product takes as they come.
    streamed:  the product that makes this depthwise operator's rows when it needs them.
    """

    op: Operator
    weighted: Weighted | None = None
    affine2: addition.Affine2 | None = None
    rescaling: Rescaling | None = None
    order: np.ndarray | None = None
    fixed: np.ndarray | int = 0
    parts: np.ndarray | None = None
    columns: Columns | None = None
    leader: Fast | None = None
    streamed: Fast | None = None


def prepared(
    subgraph: Subgraph, op: Operator, constants: Constants, attributes: Attributes, profile: str
) -> Fast | None:
    """The operator's fast form, or None where there is none."""
    if op.name not in PREPARE or not _is_regular(subgraph, op):
        return None
    operands = constants.declared(op)
    try:
        found = PREPARE[op.name](operands, attributes, node_arithmetic(profile, subgraph, op))
    except KernelError:
        return None
    if found is None:
        return None
    if isinstance(found, addition.Affine2):
        return Fast(op, affine2=found)
    return Fast(op, found) if _declares(operands, found) else None


def _is_regular(subgraph: Subgraph, op: Operator) -> bool:
    """Computed data, constant weights and bias; additions of two computed, equal shapes."""
    constant = [t < 0 or subgraph.tensors[t].is_constant for t in op.inputs]
    tensors = [subgraph.tensors[t] for t in (*op.inputs, *op.outputs) if t >= 0]
    if len(op.outputs) != 1 or any(0 in t.shape for t in tensors) or constant[0]:
        return False
    if op.name == "ADD":
        return (
            not constant[1]
            and all(t.dtype in BYTES and t.qparams is not None for t in tensors)
            and len({t.shape for t in tensors}) == 1
        )
    return all(constant[1:])


def _declares(operands: Operands, found: Weighted) -> bool:
    """Whether the file declares the shape that the operator's output will have."""
    declared, channels = operands.output.shape, found.weights.shape[-1]
    if found.y is not None:
        whole = (1, found.y.out, found.x.out, channels)
        return declared == whole or (
            operands.output.shape == (1, channels) and whole[1:3] == (1, 1)
        )
    size, depth = math.prod(operands.input(0).shape), found.weights.shape[0]
    return (
        size % depth == 0
        and bool(declared)
        and declared[-1] == channels
        and math.prod(declared) == size // depth * channels
    )
