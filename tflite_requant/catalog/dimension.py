"""The dimension that a tensor's scales go along, as a file has it, and whether LiteRT takes it.

LiteRT looks at it when it loads a model, also where one scale goes along none.
"""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.flatbuffer.reader import quantization_of
from tflite_requant.model.graph import Subgraph, Tensor


def stored_dimension(tensor: Tensor) -> int:
    """The `quantized_dimension` that a file of this tensor has; 0 where it has no scale."""
    if tensor.qparams is None:
        return 0
    record = tensor.rest.get("quantization")
    if record is not None and quantization_of(record) == tensor.qparams:
        return record["quantized_dimension"]
    return tensor.qparams.axis if tensor.qparams.per_axis else 0


def dimension_error(tensor: Tensor) -> str:
    """Why LiteRT refuses to load a model with this tensor; "" where it does not."""
    dimension, rank = stored_dimension(tensor), len(tensor.shape)
    if dimension >= 0 and (rank == 0 or dimension < rank):
        return ""
    scales = "its scale goes" if len(tensor.qparams.scales) == 1 else "its scales go"
    return f"{scales} along dimension {dimension} of shape {list(tensor.shape)}"


def dimension_errors(subgraph: Subgraph) -> Iterator[tuple[Tensor, str, str]]:
    """(tensor, label of the first operator that touches it, what is wrong) of all that LiteRT
    refuses, in execution order; the place of one that no operator touches is the tensor itself."""
    wrong = {t.index: t for t in subgraph.tensors if dimension_error(t)}
    for op in subgraph.operators:
        for index in (*op.inputs, *op.outputs):
            tensor = wrong.pop(index, None)
            if tensor is not None:
                yield tensor, subgraph.label(op), f"{tensor.label()}: {dimension_error(tensor)}"
    for tensor in wrong.values():
        yield tensor, tensor.label(), dimension_error(tensor)
