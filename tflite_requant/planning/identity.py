"""Which operators give the source's integers, shifted, for every input.

Equal real grids are not enough: uint8 and int8 kernels of one operator may round differently. The
table says which do; products of scales are compared as the runtime forms them.
"""

from __future__ import annotations

import numpy as np

from tflite_requant.catalog import OpSpec
from tflite_requant.fixedpoint.multiplier import quantize_multiplier
from tflite_requant.model import Operator, TensorType
from tflite_requant.planning.domains import is_weighted
from tflite_requant.planning.plan import Plan

# Operators whose uint8 and int8 reference kernels differ: the law by which they do.
DIFFERENT_LAWS = {
    "AVERAGE_POOL_2D": "pool-tie",
    "RESIZE_BILINEAR": "resize",
    "SUM": "sum",
    "SOFTMAX": "softmax",
    "LOG_SOFTMAX": "softmax",
    "L2_NORMALIZATION": "normalization",
    "PRELU": "slope",
    "TRANSPOSE_CONV": "multiplier",
}


def same_for_all_inputs(plan: Plan, op: Operator, spec: OpSpec | None, rewritten) -> bool:
    """Whether an operator on shifted grids, with exact constants, is the same function on integers.

    Judged for the reference kernels. Says no wherever that is not certain.
    """
    first = next((t for t in (*op.inputs, *op.outputs) if t in plan.home), None)
    if first is None or spec is None:
        return True
    if plan.subgraph.tensors[first].dtype == plan.home[first].dtype:
        return True
    if op.name in DIFFERENT_LAWS and op.name != "TRANSPOSE_CONV":
        return False
    if is_weighted(spec):
        return _same_multipliers(plan, op, spec, rewritten)
    return True


def multiplier(
    input_scale: float,
    weight_scales: np.ndarray,
    output_scale: float,
    dtype: str,
    fully_connected: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """(multiplier, shift) per channel as the reference kernels of a type form it: uint8 multiplies
    the two scales in float32, int8 and int16 convolutions in float64."""
    if dtype == "uint8" or (fully_connected and len(weight_scales) == 1):
        product = np.float64(np.float32(input_scale) * weight_scales.astype(np.float32))
    else:
        product = input_scale * weight_scales
    return quantize_multiplier(product / output_scale)


def _same_multipliers(plan: Plan, op: Operator, spec: OpSpec, rewritten) -> bool:
    if op.opcode == "FULLY_CONNECTED":
        return True  # the reference kernel multiplies by the same double for every type
    position = next(i for i, o in enumerate(spec.inputs) if o.role == "activation")
    w_position = next(i for i, o in enumerate(spec.inputs) if o.role == "weights")
    x, y = op.inputs[position], op.outputs[0]
    old_w = plan.subgraph.tensors[op.inputs[w_position]].qparams
    new_w = rewritten.weights.qparams

    def factors(x_type: TensorType, y_type: TensorType, scales: tuple[float, ...]):
        return multiplier(
            x_type.qparams.scale, np.array(scales), y_type.qparams.scale, x_type.dtype, False
        )

    tensors = plan.subgraph.tensors
    old = factors(tensors[x].type, tensors[y].type, old_w.scales)
    new = factors(
        plan.at(op.index, "in", position, x), plan.at(op.index, "out", 0, y), new_w.scales
    )
    return all(bool((a == b).all()) for a, b in zip(old, new, strict=True))
