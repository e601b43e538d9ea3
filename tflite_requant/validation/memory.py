"""What running a model would take, from the shapes in its file, before anything is allocated."""

from __future__ import annotations

import math

from tflite_requant import limits
from tflite_requant.catalog.forms import FORMS
from tflite_requant.errors import FormatError
from tflite_requant.model.graph import Model, Operator, Subgraph, Tensor
from tflite_requant.validation.operators import dtype_size

PER_OPERAND, PER_RESULT = 12, 40  # bytes a kernel uses beside the stored ones, an element
BLOCK = 64 << 20  # of windows that convolutions unroll at a time


def require_fits(model: Model) -> None:
    """Raise FormatError, one line, where a model needs more memory than it may take."""
    allowed = limits.max_memory(len(model.source or b""))
    need, where = estimate(model)
    if need > allowed:
        raise FormatError(
            f"running it takes about {limits.told(need)} of memory, most of it at {where}; "
            f"{limits.allowance(allowed)}; --max-memory allows more"
        )


def estimate(model: Model) -> tuple[int, str]:
    """(bytes, name of the greediest operator): tensors that live at once and a kernel's own."""
    size = len(model.source or b"")
    worst, where = size, "the file"
    for subgraph in model.subgraphs:
        need, place = _peak(subgraph)
        if need + size > worst:
            worst, where = need + size, place
    return worst, where


def _peak(subgraph: Subgraph) -> tuple[int, str]:
    last = {t: i for i, op in enumerate(subgraph.operators) for t in (*op.inputs, *op.outputs)}
    for t in subgraph.outputs:
        last[t] = len(subgraph.operators)
    live = sum(_stored(subgraph.tensors[t]) for t in subgraph.inputs)
    variables = sum(_stored(t) for t in subgraph.tensors if t.is_variable)
    peak, where = live, "its inputs"
    for i, op in enumerate(subgraph.operators):
        live += sum(_stored(subgraph.tensors[t]) for t in op.outputs if t >= 0)
        need = live + variables + workspace(subgraph, op)
        if need > peak:
            peak, where = need, subgraph.label(op)
        for t in {t for t in (*op.inputs, *op.outputs) if t >= 0 and last[t] == i}:
            live -= 0 if subgraph.tensors[t].is_constant else _stored(subgraph.tensors[t])
    return peak + variables, where


def _stored(tensor: Tensor) -> int:
    return math.prod(tensor.shape) * dtype_size(tensor.dtype)


def workspace(subgraph: Subgraph, op: Operator) -> int:
    """Bytes that the kernel of an operator uses, by the shapes in the file."""
    if op.name not in FORMS:
        return 0
    tensors = subgraph.tensors
    read = sum(math.prod(tensors[t].shape) for t in op.inputs if t >= 0)
    made = sum(math.prod(tensors[t].shape) for t in op.outputs if t >= 0)
    return PER_OPERAND * (read + _padding(subgraph, op)) + PER_RESULT * made


def _padding(subgraph: Subgraph, op: Operator) -> int:
    """Elements of an image once what its windows read beyond the border is there."""
    form = FORMS[op.name]
    if form.shapes not in ("window", "pool") or op.option("padding") != "SAME":
        return 0
    n, height, width, channels = subgraph.tensors[op.inputs[0]].shape or (1, 1, 1, 1)
    sizes = []
    for size, letter, axis, field in (
        (height, "h", 1, "filter_height"),
        (width, "w", 2, "filter_width"),
    ):
        kernel = op.option(field) or subgraph.tensors[op.inputs[1]].shape[axis]
        stride = op.option(f"stride_{letter}", 1)
        dilation = op.option(f"dilation_{letter}_factor", 1) or 1
        out = -(-size // stride)
        sizes.append(max((out - 1) * stride + (kernel - 1) * dilation + 1, size))
    return n * math.prod(sizes) * channels
