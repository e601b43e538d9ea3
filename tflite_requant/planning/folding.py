"""Zero-point folding: which tensors may move their zero point into their neighbours' biases.

A tensor stored as q = y / s + Z has real value s * q = y + s * Z when its zero point is written as
0. The producer's bias makes that shift, every consumer's bias undoes it, and the tensor keeps its
full source grid on hardware that knows no zero points. It is exact but for the rounding of one
bias.

F1  the producer is a weighted operator, and its clamp is exactly the saturation of the grid.
F2  every consumer is a weighted operator that reads no padding, or whose padding a PADV2 takes over
    (`padding`), or sees only differences (SOFTMAX, ARG_MAX), or passes the tensor on unchanged (a
    pool, a reshape) to such ones.
F3  the tensor is no constant, no variable, no graph input or output.
"""

from __future__ import annotations

from tflite_requant.catalog import spec_of
from tflite_requant.model import Operator, Subgraph
from tflite_requant.planning import clamps, grid
from tflite_requant.planning.domains import is_weighted

TRANSPARENT = {
    "AVERAGE_POOL_2D", "EXPAND_DIMS", "MAX_POOL_2D", "RESHAPE", "SQUEEZE", "TRANSPOSE",
}  # fmt: skip
NEVER_UNPADDED = {"TRANSPOSE_CONV"}
# Their results are the same for x and x + constant.
BLIND_TO_OFFSETS = {"ARG_MAX", "ARG_MIN", "LOG_SOFTMAX", "SOFTMAX"}


def reads_padding(subgraph: Subgraph, op: Operator) -> bool:
    """Whether a weighted operator's window ever leaves its input."""
    if op.opcode in NEVER_UNPADDED:
        return True
    if op.opcode == "FULLY_CONNECTED" or op.option("padding") == "VALID":
        return False
    x, w, y = (subgraph.tensors[i].shape for i in (op.inputs[0], op.inputs[1], op.outputs[0]))
    for axis, name in ((1, "h"), (2, "w")):
        stride, dilation = (
            op.option(f"stride_{name}", 1),
            op.option(f"dilation_{name}_factor", 1) or 1,
        )
        if (y[axis] - 1) * stride + (w[axis] - 1) * dilation + 1 > x[axis]:
            return True
    return False


def may_fold(
    subgraph: Subgraph,
    tensors: set[int],
    producers: dict,
    consumers: dict,
    padded: frozenset[int] = frozenset(),
) -> bool:
    """Whether all tensors of a tied group may move their common zero point (F1, F2, F3).

    padded: operators whose padding a PADV2 takes over.
    """
    return all(_one(subgraph, t, tensors, producers, consumers, padded) for t in sorted(tensors))


def _one(
    subgraph: Subgraph,
    index: int,
    tensors: set[int],
    producers: dict,
    consumers: dict,
    padded: frozenset[int],
) -> bool:
    tensor, producer = subgraph.tensors[index], producers.get(index)
    outside = index in subgraph.inputs or index in subgraph.outputs
    if tensor.is_constant or tensor.is_variable or outside or producer is None:
        return False
    if not (is_weighted(spec_of(producer)) or _passes_on(producer, tensors)):
        return False
    if not _clamp_is_saturation(tensor, producer):
        return False
    readers = consumers.get(index, ())
    return all(_reader_allows(subgraph, op, p, tensors, padded) for op, p in readers)


def _passes_on(op: Operator, tensors: set[int]) -> bool:
    return op.opcode in TRANSPARENT and op.inputs[0] in tensors and op.outputs[0] in tensors


def _clamp_is_saturation(tensor, producer: Operator) -> bool:
    fused = producer.option("fused_activation_function", "NONE")
    low, high = clamps.interval(tensor.type, fused)
    least, greatest = grid.real_range(tensor.type)
    half = tensor.qparams.scale / 2
    return fused in clamps.BOUNDS and low - least < half and greatest - high < half


def _reader_allows(
    subgraph: Subgraph, op: Operator, position: int, tensors: set[int], padded: frozenset[int]
) -> bool:
    spec = spec_of(op)
    if is_weighted(spec):
        unpadded = op.index in padded or not reads_padding(subgraph, op)
        return spec.inputs[position].role == "activation" and unpadded
    return position == 0 and (op.opcode in BLIND_TO_OFFSETS or _passes_on(op, tensors))
