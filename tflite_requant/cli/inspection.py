"""A model's facts as plain values: what `inspect` tells, as text or as JSON."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from typing import Any

from tflite_requant.catalog import spec_of
from tflite_requant.cli.oddities import block_size, oddities, operand
from tflite_requant.kernels._refusals import mixed_operator
from tflite_requant.memory import memory_of, relabelled_of
from tflite_requant.model import Model, Operator, Subgraph, Tensor
from tflite_requant.report.findings import finding_value
from tflite_requant.validation import unsound


def inspection(model: Model, size: int) -> dict[str, Any]:
    """Everything about a model of `size` bytes, ready for JSON."""
    found = unsound(model)
    mixed = None if found else mixed_operator(model)
    return {
        "bytes": size,
        "schema_version": model.version,
        "description": model.description or "",
        "min_runtime_version": _text(model, "min_runtime_version"),
        "metadata": [
            {"name": name, "bytes": len(model.metadata_bytes(name) or b"")}
            for name, _ in model.metadata
        ],
        "made": _made(model),
        "relabelled": relabelled_of(model),
        "mixed": None if mixed is None else mixed.where,
        "signatures": [
            {
                "key": s.key,
                "subgraph": s.subgraph,
                "inputs": dict(s.inputs),
                "outputs": dict(s.outputs),
            }
            for s in model.signatures
        ],
        "trailing": {"bytes": len(model.trailing), "files": zip_names(model.trailing)},
        "operator_counts": dict(
            sorted(
                Counter(op.name for _, op in model.operators()).items(), key=lambda i: (-i[1], i[0])
            )
        ),
        "per_axis_tensors": sum(
            t.qparams is not None and t.qparams.per_axis for s in model.subgraphs for t in s.tensors
        ),
        "subgraphs": [_subgraph(s) for s in model.subgraphs],
        "oddities": [finding_value(f) for f in found or oddities(model)],
    }


def zip_names(trailing: bytes) -> list[str]:
    """Names in the ZIP that follows the flatbuffer; none where there is no sound one."""
    try:
        with zipfile.ZipFile(io.BytesIO(trailing)) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return []


def _made(model: Model) -> dict[str, str] | None:
    """Scheme and arithmetic of what this program made; None of other models."""
    told = memory_of(model) or {}
    found = {key: told[key] for key in ("scheme", "arithmetic") if isinstance(told.get(key), str)}
    return found or None


def _text(model: Model, name: str) -> str:
    return (model.metadata_bytes(name) or b"").split(b"\0")[0].decode("utf-8", "replace")


def _subgraph(subgraph: Subgraph) -> dict[str, Any]:
    return {
        "name": subgraph.name,
        "inputs": list(subgraph.inputs),
        "outputs": list(subgraph.outputs),
        "operators": [_operator(subgraph, op) for op in subgraph.operators],
        "tensors": [_tensor(t) for t in subgraph.tensors],
    }


def _operator(subgraph: Subgraph, op: Operator) -> dict[str, Any]:
    weights = operand(subgraph, op, "weights")
    bias = operand(subgraph, op, "bias")
    return {
        "index": op.index,
        "name": op.name,
        "version": op.version,
        "activation": op.option("fused_activation_function", "NONE"),
        "cataloged": spec_of(op) is not None,
        "inputs": list(op.inputs),
        "outputs": list(op.outputs),
        "weights": None if weights is None else weights.index,
        "bias": None if bias is None else bias.index,
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    q = tensor.qparams
    return {
        "index": tensor.index,
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape_signature or tensor.shape),
        "constant": tensor.is_constant,
        "variable": tensor.is_variable,
        "scales": [] if q is None else list(q.scales),
        "zero_points": [] if q is None else list(q.zero_points),
        "axis": q.axis if q is not None and q.per_axis else None,
        "block_size": block_size(tensor),
    }
