"""Which nodes LiteRT's XNNPACK delegate takes on x86, as data and a predicate.

Only quantized nodes are listed. What a record does not say is in `taken`: every 8-bit tensor has a
grid, activations one scale, and a tensor with one scale names dimension 0 as its quantized one;
int8 weights may name another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tflite_requant.catalog.arithmetic import DELEGATES, Arithmetic, arithmetic_for
from tflite_requant.catalog.dimension import stored_dimension
from tflite_requant.model.graph import Operator, Subgraph, Tensor

EIGHT_BIT = ("uint8", "int8")
LEAST_SLOPE = -(2.0**7 - 2.0**-8)
UNKNOWN_ACTIVATIONS = ("TANH", "SIGN_BIT")


@dataclass(frozen=True, slots=True)
class Node:
    """What the delegate asks of one operator, beyond that its operands are 8-bit.

    dtypes:    types that the leading operand may have.
    leading:   which operand that is.
    constants: operands that must be constants where they are present.
    weights:   the operand with weights, whose int8 zero point must be 0 (not that of
               TRANSPOSE_CONV with one scale).
    bias:      the operand that needs a scale where it is present.
    ratio:     what must lie in `between` (powers of two, upper end excluded): "each" input scale
               over the output's, "product" of both input scales over the output's, "slopes":
               the ratio and what alpha makes of it, or "".
    covering:  under SAME padding the kernel is no smaller than the stride.
    equal:     inputs of the leading operand's type have the output's scale and zero point.
    """

    dtypes: tuple[str, ...] = EIGHT_BIT
    leading: int = 0
    constants: tuple[int, ...] = ()
    weights: int | None = None
    bias: int | None = None
    ratio: str = ""
    between: tuple[int, int] = (0, 0)
    equal: bool = False
    covering: bool = False


WEIGHTED = Node(constants=(1, 2), weights=1, bias=2)
MOVED = Node(equal=True)

XNNPACK: dict[str, Node] = {
    "CONV_2D": WEIGHTED,
    "DEPTHWISE_CONV_2D": WEIGHTED,
    "FULLY_CONNECTED": WEIGHTED,
    "TRANSPOSE_CONV": Node(leading=2, constants=(0, 1, 3), weights=1, bias=3, covering=True),
    "BATCH_MATMUL": Node(dtypes=("int8",), weights=1),
    "ADD": Node(ratio="each", between=(-10, 8)),
    "SUB": Node(ratio="each", between=(-10, 8)),
    "MUL": Node(ratio="product", between=(-16, 8)),
    "MAX_POOL_2D": MOVED,
    "MEAN": Node(constants=(1,)),
    "SUM": Node(constants=(1,)),
    "REDUCE_MAX": Node(constants=(1,)),
    "REDUCE_MIN": Node(constants=(1,)),
    "CONCATENATION": MOVED,
    "RESIZE_BILINEAR": Node(constants=(1,), equal=True),
    "PAD": Node(constants=(1,), equal=True),
    "TRANSPOSE": Node(constants=(1,), equal=True),
    "SPLIT": Node(leading=1, constants=(0,), equal=True),
    "SPACE_TO_DEPTH": MOVED,
    "DEPTH_TO_SPACE": MOVED,
    "RESHAPE": MOVED,
    "LOGISTIC": Node(),
    "TANH": Node(),
    "ELU": Node(dtypes=("int8",)),
    "LEAKY_RELU": Node(ratio="slopes", between=(-8, 7)),
    "QUANTIZE": Node(dtypes=("float32", *EIGHT_BIT), ratio="each", between=(-8, 7)),
    "DEQUANTIZE": Node(),
}


def profile_of(profile: str, subgraph: Subgraph, op: Operator) -> str:
    """The profile whose arithmetic a node has: the delegate's, or that of what it leaves over."""
    if profile not in DELEGATES or taken(subgraph, op):
        return profile
    return DELEGATES[profile]


def node_arithmetic(profile: str, subgraph: Subgraph, op: Operator) -> Arithmetic:
    """The record of the node in that profile. Raises UsageError for an unknown profile."""
    return arithmetic_for(profile_of(profile, subgraph, op), op.name)


def taken(subgraph: Subgraph, op: Operator) -> bool:
    """Whether the XNNPACK delegate takes this quantized node."""
    node = XNNPACK.get(op.name)
    if node is None or node.leading >= len(op.inputs):
        return False
    inputs = [subgraph.tensors[t] if t >= 0 else None for t in op.inputs]
    output = subgraph.tensors[op.outputs[0]]
    leading = inputs[node.leading]
    if leading is None or leading.dtype not in node.dtypes:
        return False
    present = [t for t in (*inputs, output) if t is not None]
    if not all(_has_grid(t) for t in present) or output.qparams is leading.qparams is None:
        return False
    return (
        all(_plain_dimension(t) for t in present if not _is_int8_weights(node, inputs, t))
        and not any(t.qparams and t.qparams.per_axis for t in (leading, output))
        and _output_type_fits(op.name, leading, output)
        and op.option("fused_activation_function") not in UNKNOWN_ACTIVATIONS
        and all(_constant(inputs, p) for p in node.constants)
        and (op.name not in ("MEAN", "SUM") or 0 not in inputs[1].shape)
        and (node.weights is None or _zero_fits(op.name, inputs[node.weights]))
        and (node.weights is None or _width_fits(op.name, inputs[node.weights]))
        and (node.bias is None or _has_scale(inputs, node.bias))
        and (not node.covering or _covers(op, inputs[1]))
        and (op.name != "DEPTHWISE_CONV_2D" or _multiplies(op, leading, inputs[1]))
        and (not node.equal or _equal_grids(leading, inputs, output))
        and (not node.ratio or _ratio_fits(node, op, inputs, output))
    )


def _has_grid(tensor: Tensor) -> bool:
    if tensor.qparams is None:
        return tensor.dtype not in EIGHT_BIT
    return all(scale > 0 for scale in tensor.qparams.scales)


def _plain_dimension(tensor: Tensor) -> bool:
    """Whether a tensor with one scale names dimension 0 as the quantized one."""
    if tensor.qparams is None or tensor.qparams.per_axis:
        return True
    return stored_dimension(tensor) == 0


def _output_type_fits(operator: str, leading: Tensor, output: Tensor) -> bool:
    if operator == "DEQUANTIZE":
        return output.dtype == "float32"
    if operator == "QUANTIZE" and leading.dtype == "float32":
        return output.dtype in EIGHT_BIT
    return output.dtype == leading.dtype


def _constant(inputs: list[Tensor | None], position: int) -> bool:
    tensor = inputs[position] if position < len(inputs) else None
    return tensor is None or tensor.is_constant


def _width_fits(operator: str, weights: Tensor) -> bool:
    """int4 weights are taken by FULLY_CONNECTED only, where rows fill whole bytes."""
    whole = operator == "FULLY_CONNECTED" and weights.shape[-1] % 2 == 0
    return weights.dtype != "int4" or whole


def _zero_fits(operator: str, weights: Tensor) -> bool:
    if operator == "TRANSPOSE_CONV" and not weights.qparams.per_axis:
        return True
    return weights.dtype != "int8" or not any(weights.qparams.zero_points)


def _has_scale(inputs: list[Tensor | None], position: int) -> bool:
    tensor = inputs[position] if position < len(inputs) else None
    return tensor is None or tensor.qparams is not None


def _is_int8_weights(node: Node, inputs: list[Tensor | None], tensor: Tensor) -> bool:
    weights = inputs[node.weights] if node.weights is not None else None
    return tensor is weights and tensor.is_constant and tensor.dtype == "int8"


def _covers(op: Operator, filters: Tensor) -> bool:
    _, kernel_h, kernel_w, _ = filters.shape
    fits = kernel_h >= op.option("stride_h") and kernel_w >= op.option("stride_w")
    return fits or op.option("padding") != "SAME"


def _multiplies(op: Operator, data: Tensor, filters: Tensor) -> bool:
    """Whether the option depth_multiplier, which the kernels do not read, tells the truth."""
    return filters.shape[3] == data.shape[3] * (op.option("depth_multiplier") or 0)


def _equal_grids(leading: Tensor, inputs: Iterable[Tensor | None], output: Tensor) -> bool:
    alike = [t for t in inputs if t is not None and t.dtype == leading.dtype]
    return all(t.qparams == output.qparams for t in alike)


def _ratio_fits(node: Node, op: Operator, inputs: list[Tensor | None], output: Tensor) -> bool:
    one = np.float32
    scales = [one(t.qparams.scale) for t in inputs if t.dtype in EIGHT_BIT]
    out_scale = one(output.qparams.scale)
    low, high = (2.0**power for power in node.between)
    if node.ratio == "product":
        scales = [scales[0] * scales[1]]
    ratios = [float(scale / out_scale) for scale in scales]
    if node.ratio == "slopes":
        below = float(one(ratios[0]) * one(op.option("alpha", 0.0)))
        return all(low <= r <= high for r in (ratios[0], abs(below))) and below >= LEAST_SLOPE
    return all(low <= ratio < high for ratio in ratios)
