"""What is unusual about a model: things that surprise hardware or this program."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog import spec_of
from tflite_requant.check.dimensions import misplaced
from tflite_requant.errors import Finding
from tflite_requant.kernels._refusals import types_without_kernel
from tflite_requant.model import Model, Operator, Subgraph, Tensor, dtypes
from tflite_requant.planning.domains import ACCELERATOR_OPERATORS
from tflite_requant.report.layout import plural

ALIGNMENT = 16
BIAS_SCALE_TOLERANCE = 1e-5  # float32 products of correct converters stay well below


def oddities(model: Model) -> list[Finding]:
    """Everything unusual, operators in graph order and the file's own behind them."""
    found = [f for s, op in model.operators() for f in _operator(s, op)]
    found += [f for s in model.subgraphs for f in misplaced(s, "warning")]
    found += [f for _, _, f in types_without_kernel(model)]
    found += [f for s in model.subgraphs for t in s.tensors for f in _constant(s, t)]
    return [*found, *_file(model)]


def operand(subgraph: Subgraph, op: Operator, role: str) -> Tensor | None:
    """The first operand with a role in the catalog, or None."""
    spec = spec_of(op)
    for position, index in enumerate(op.inputs):
        entry = spec.input(position) if spec is not None else None
        if index >= 0 and entry is not None and entry.role == role:
            return subgraph.tensors[index]
    return None


def dead_channels(op: Operator, weights: Tensor) -> int:
    """Output channels whose weights all stand for 0; 0 for weights that cannot be read."""
    axis = next(o.axis for o in spec_of(op).inputs if o.role == "weights")
    if not weights.is_constant or weights.qparams is None or axis is None or size_error(weights):
        return 0
    centred = weights.qarray().centred()
    return int((~np.moveaxis(centred, axis, 0).reshape(centred.shape[axis], -1).any(axis=1)).sum())


def block_size(tensor: Tensor) -> int | None:
    """Elements that share a scale of a blockwise quantization, which another tensor holds; None of
    any other."""
    quantization = tensor.rest.get("quantization")
    details = quantization.get("details") if quantization is not None else None
    if details is None or details.type != "BlockwiseQuantization":
        return None
    return details["block_size"]


def hybrid_operators(model: Model) -> list[Operator]:
    """Operators that read floats beside quantized weights."""
    found = []
    for subgraph, op in model.operators():
        x, weights = operand(subgraph, op, "activation"), operand(subgraph, op, "weights")
        if x is None or weights is None or not x.dtype.startswith("float"):
            continue
        if weights.qparams is not None or block_size(weights):
            found.append(op)
    return found


def size_error(constant: Tensor) -> str:
    """How bytes and shape of a constant disagree, "" where they do not or nobody can tell."""
    if constant.dtype not in dtypes.NUMPY:
        return ""
    try:
        constant.array()
    except ValueError as error:
        return str(error)
    return ""


def bias_scale_error(x: Tensor, weights: Tensor, bias: Tensor) -> float:
    """Greatest relative distance of the bias scales from input scale times weights scale, where the
    bias is not 0: that is 0 on every scale."""
    if x.qparams is None or weights.qparams is None or bias.qparams is None:
        return 0.0
    law = np.atleast_1d(x.qparams.scale) * np.atleast_1d(weights.qparams.scale)
    scales = np.atleast_1d(bias.qparams.scale)
    if law.size != scales.size and 1 not in (law.size, scales.size) or not np.all(law > 0):
        return float("inf")
    off = np.abs(scales - law) / law
    if bias.is_constant and math.prod(bias.shape) in (1, off.size) and not size_error(bias):
        off = np.where(bias.array().reshape(-1) != 0, off, 0.0)
    return float(np.max(off))


def unaligned_buffers(model: Model) -> int:
    """Constants whose bytes do not start at a multiple of 16 in the file that was read."""
    if model.source is None:
        return 0
    start = _address(model.source)
    places = [_address(b.data) - start for b in model.buffers if b.data is not None and len(b.data)]
    return sum(p % ALIGNMENT != 0 for p in places if 0 <= p < len(model.source))


def _address(data: bytes | memoryview) -> int:
    return np.frombuffer(data, np.uint8).__array_interface__["data"][0]


def _operator(subgraph: Subgraph, op: Operator) -> Iterator[Finding]:
    where = subgraph.label(op)
    tensors = [subgraph.tensors[t] for t in (*op.inputs, *op.outputs) if t >= 0]
    if op.name in ACCELERATOR_OPERATORS:
        found = f"this is {ACCELERATOR_OPERATORS[op.name]} (custom operator {op.name})"
        hint = "requantize the model it was compiled from"
        yield Finding("warning", where, "operator", found, "", hint)
    elif spec_of(op) is None and any(t.is_quantized_activation for t in tensors):
        yield Finding("warning", where, "operator", f"{op.name} is not in the operator catalog")
    weights, bias = operand(subgraph, op, "weights"), operand(subgraph, op, "bias")
    if weights is None:
        return
    dead = dead_channels(op, weights)
    if dead:
        yield Finding(
            "note", where, "dead-channels", f"no weight but 0 in {plural(dead, 'channel')}"
        )
    x = operand(subgraph, op, "activation")
    error = bias_scale_error(x, weights, bias) if x is not None and bias is not None else 0.0
    if error > BIAS_SCALE_TOLERANCE:
        yield Finding(
            "warning", where, "bias-scale",
            f"bias scales differ from input x weights scale by up to {100 * error:.3g} %",
        )  # fmt: skip


def _constant(subgraph: Subgraph, tensor: Tensor) -> Iterator[Finding]:
    problem = size_error(tensor) if tensor.is_constant else ""
    if problem:
        where = f"subgraph {subgraph.index} " if subgraph.index else ""
        yield Finding("warning", where + tensor.label(), "constant-size", problem)


def _file(model: Model) -> Iterator[Finding]:
    hybrid = hybrid_operators(model)
    if hybrid:
        found = f"{plural(len(hybrid), 'operator')} with quantized weights and float activations"
        tensors = [t for s in model.subgraphs for t in s.tensors]
        alone = not any(t.is_quantized_activation and not t.is_constant for t in tensors)
        hint = "requantize refuses this model: quantize its activations first" if alone else ""
        yield Finding("note", "file", "hybrid", found, "", hint)
    unaligned = unaligned_buffers(model)
    if unaligned:
        yield Finding(
            "note", "file", "alignment", f"{plural(unaligned, 'constant')} not at a multiple of 16"
        )
    if len(model.subgraphs) > 1:
        yield Finding("note", "file", "subgraphs", f"{len(model.subgraphs)} subgraphs")
    external = sum(b.external for b in model.buffers)
    if external:
        yield Finding(
            "note", "file", "external", f"{plural(external, 'constant')} behind the flatbuffer"
        )
    if model.trailing:
        yield Finding(
            "note", "file", "trailing", f"{len(model.trailing):,} bytes follow the flatbuffer"
        )
