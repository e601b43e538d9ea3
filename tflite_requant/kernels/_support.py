"""Which operators the interpreter computes, and for which a profile is known to be LiteRT's."""

from __future__ import annotations

from tflite_requant.catalog.delegation import profile_of
from tflite_requant.catalog.verified import verified
from tflite_requant.kernels import KERNELS, QUANTIZED
from tflite_requant.kernels._session import CONTROL
from tflite_requant.model.dtypes import NUMPY
from tflite_requant.model.graph import Operator, Subgraph


def why_unsupported(subgraph: Subgraph, op: Operator) -> str:
    """Why no kernel computes an operator; "" where one does."""
    if op.name in CONTROL:
        return ""
    entry = KERNELS.get(op.name)
    if entry is None or entry.custom != (op.opcode == "CUSTOM"):
        return f"no kernel for {op.name}"
    leading = op.input(entry.position)
    dtype = subgraph.tensors[leading].dtype if leading >= 0 else "nothing"
    if dtype not in entry.dtypes:
        return f"no kernel for {op.name} on {dtype}; there is one for {', '.join(entry.dtypes)}"
    for t in op.inputs:
        if t >= 0 and subgraph.tensors[t].dtype not in NUMPY:
            return f"no kernel for {op.name} with a {subgraph.tensors[t].dtype} operand"
    scaled = [op.input(p) for p in entry.quantized] + list(op.outputs if entry.quantized else ())
    if dtype in entry.plain and all(t < 0 or subgraph.tensors[t].qparams is None for t in scaled):
        return ""
    for t in scaled:
        tensor = subgraph.tensors[t] if t >= 0 else None
        if tensor and tensor.dtype in QUANTIZED and tensor.qparams is None:
            return f"{tensor.label()} has no scale"
    return ""


def why_unverified(arithmetic: str, subgraph: Subgraph, op: Operator) -> str:
    """Why a kernel's result is not known to be the profile's."""
    if op.name in CONTROL:
        return ""
    leading = op.input(KERNELS[op.name].position)
    dtype = subgraph.tensors[leading].dtype if leading >= 0 else "nothing"
    for profile in (arithmetic, profile_of(arithmetic, subgraph, op)):
        if not verified(profile, op.name, dtype):
            return f"{op.name} on {dtype} was not compared with LiteRT under {profile}"
    return ""
