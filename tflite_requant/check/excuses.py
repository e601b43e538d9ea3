"""Activations that may be as they are, although the scheme asks for something else, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tflite_requant.catalog import OpSpec
from tflite_requant.model import Operator, Subgraph, Tensor
from tflite_requant.schemes import Scheme

Ported = tuple[Operator, "OpSpec | None", list]  # an operator and its activation ports
KEPT = "was kept as it was: asked for by --keep-unknown"
BORDER = "QUANTIZE converts this input or output; without --keep-io it is put on the scheme"
BETWEEN = "QUANTIZE alone reads and writes it; no kernel computes with it"


def excuses(
    subgraph: Subgraph,
    ported: Iterable[Ported],
    law_of: Callable[[Operator], Scheme],
    keep_unknown: bool,
) -> dict[int, str]:
    """Tensor -> reason."""
    ported = list(ported)
    found: dict[int, str] = {}
    for op, spec, ports in ported:
        if spec is None:
            if keep_unknown:
                found |= {tensor.index: f"{op.name} {KEPT}" for _, _, tensor, _ in ports}
        else:
            found |= _own(op, spec, ports, law_of(op))
    _spread(subgraph, ported, found)
    return found


def _own(op: Operator, spec: OpSpec, ports: list, scheme: Scheme) -> dict[int, str]:
    """What the runtime knows in no other form."""
    found = {}
    law = scheme.activations
    for _, _, tensor, operand in ports:
        missing = [dtype for dtype in law.dtypes if dtype not in spec.dtypes]
        if missing:
            found[tensor.index] = f"{op.name} has no {missing[0]} kernel"
        elif operand.types.get(law.dtype) == tensor.dtype:
            found[tensor.index] = f"{op.name} takes {tensor.dtype} there"
        elif operand.pinned:
            found[tensor.index] = f"{op.name} reads its stored integers"
        fixed = operand.fixed.get(tensor.dtype) if operand.fixed else None
        fixed = fixed if tensor.dtype in law.dtypes else None  # the type is not what is fixed
        if fixed is not None and is_on(tensor, *fixed) and scheme.operators.may_be_fixed(op.name):
            cpu = f"{op.name} runs on the CPU, and " if op.name in scheme.operators.cpu else ""
            found[tensor.index] = f"{cpu}TFLite fixes the output of {op.name}"
    return found


def _spread(subgraph: Subgraph, ported: list[Ported], found: dict[int, str]) -> None:
    """What shares an excused tensor's grid by law is excused too; so is what only QUANTIZE
    operators touch on one side and the graph's border or excused tensors on the other."""
    for op, spec, ports in ported:
        if spec is not None and op.opcode != "QUANTIZE":
            tied = [t.index for _, _, t, o in ports if o.tie]
            reason = next((found[t] for t in tied if t in found), None)
            if reason is not None:
                for index in tied:
                    found.setdefault(index, reason)
    readers, writers = subgraph.consumers(), subgraph.producers()
    for op, _, ports in reversed(ported):
        if op.opcode != "QUANTIZE":
            continue
        for side, _, tensor, _ in ports:
            if side == "in" and tensor.index in subgraph.inputs:
                border = all(o.opcode == "QUANTIZE" for o, _ in readers[tensor.index])
            elif side == "in":
                writer = writers.get(tensor.index)
                border = writer is not None and writer.opcode == "QUANTIZE"
            else:
                border = tensor.index in subgraph.outputs
            if border:
                at_end = tensor.index in (*subgraph.inputs, *subgraph.outputs)
                found.setdefault(tensor.index, BORDER if at_end else BETWEEN)


def is_on(tensor: Tensor, scale: float, zero_point: int) -> bool:
    """Whether a tensor has this one scale, but for rounding, and this zero point."""
    if tensor.qparams is None or tensor.qparams.per_axis:
        return False
    same = abs(tensor.qparams.scale - scale) <= 1e-3 * scale
    return bool(same and tensor.qparams.zero_point == zero_point)
