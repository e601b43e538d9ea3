"""Which law every operator's activations follow, and which operators are refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from tflite_requant.catalog import OpSpec, spec_of
from tflite_requant.errors import Finding
from tflite_requant.model import Model, Operator, Subgraph, Tensor
from tflite_requant.model.dtypes import ACTIVATION_DTYPES
from tflite_requant.planning.usable import DAMAGED, unusable
from tflite_requant.schemes import MIXED, ActivationLaw, Scheme, load_scheme, preset_names

# Where the asked type has no kernel: the type to compute in instead, by preference.
FALLBACKS = {
    "int16": ("int8", "uint8"), "int8": ("uint8",), "uint8": ("int8",), MIXED: ("int8", "uint8"),
}  # fmt: skip
ACCELERATOR_OPERATORS = {
    "edgetpu-custom-op": "an Edge TPU-compiled model",
    "ethos-u": "a Vela-compiled model",
}
# Operators that run other subgraphs, and the options that name these.
CALLS = {
    "IF": ("then_subgraph_index", "else_subgraph_index"),
    "WHILE": ("cond_subgraph_index", "body_subgraph_index"),
    "CALL_ONCE": ("init_subgraph_index",),
    "CALL": ("subgraph",),
    "STABLEHLO_COMPOSITE": ("decomposition_subgraph_index",),
}


@dataclass(frozen=True, slots=True)
class Domain:
    """How an operator's activations are quantized.

    kind: "scheme" (the law asks), "fence" (the law's type has no kernel: computed in another one,
    on the nearest grid), or "pinned" (type and parameters of the source).
    """

    kind: str
    law: ActivationLaw | None = None


PINNED = Domain("pinned")


@cache
def allowing(scheme: Scheme, operator: str) -> str:
    """What to do about an operator that a scheme does not allow: take the hardware preset that
    differs from it in its list only, or add the operator to the list."""
    told = {key: getattr(scheme, key) for key in ("name", "summary", "source", "unknown")}
    alike = next(
        (
            name
            for name in preset_names()
            if (found := load_scheme(name)).source
            and found.operators.allows(operator)
            and replace(found, operators=scheme.operators, **told) == scheme
        ),
        None,
    )
    hint = "add it to [operators] allow, if the hardware has it"
    return hint if alike is None else f"scheme {alike} does; or {hint}"


def is_weighted(spec: OpSpec | None) -> bool:
    """Whether the operator multiplies by a constant operand of its own."""
    return spec is not None and any(o.role == "weights" for o in spec.inputs)


def activation_ports(
    subgraph: Subgraph, op: Operator, spec: OpSpec | None
) -> list[tuple[str, int, Tensor, object]]:
    """(side, position, tensor, operand) of every quantized activation; without a spec, of every
    quantized tensor, with operand None."""
    return [port for port in _ports(subgraph, op, spec) if port[2].is_quantized_activation]


def _ports(
    subgraph: Subgraph, op: Operator, spec: OpSpec | None
) -> Iterator[tuple[str, int, Tensor, object]]:
    """The same of every activation, and without a spec of every tensor."""
    for side, indices in (("in", op.inputs), ("out", op.outputs)):
        for position, index in enumerate(indices):
            if index < 0:
                continue
            operand = None
            if spec is not None:
                operand = spec.input(position) if side == "in" else spec.output(position)
                if operand is None or operand.role != "activation":
                    continue
            yield side, position, subgraph.tensors[index], operand


def called_subgraphs(model: Model) -> set[int]:
    """Indices of subgraphs that other operators run: their quantization belongs to the caller."""
    called = set()
    for _, op in model.operators():
        for name in CALLS.get(op.opcode, ()):
            index = op.option(name)
            if isinstance(index, int):
                called.add(index)
    return called


def assign(
    subgraph: Subgraph, scheme: Scheme, keep_unknown: bool
) -> tuple[dict[int, Domain], list[Finding]]:
    """Operator index -> Domain for every operator that reads or writes quantized activations."""
    domains: dict[int, Domain] = {}
    findings: list[Finding] = []
    for op in subgraph.operators:
        spec = spec_of(op)
        ports = activation_ports(subgraph, op, spec)
        if not ports:
            continue
        where = subgraph.label(op)
        if spec is None:
            if not keep_unknown:
                findings.append(_unknown(where, op))
            domains[op.index] = PINNED
            continue
        findings += unusable(subgraph, op, spec, [tensor for _, _, tensor, _ in ports])
        findings += _without_scale(where, _ports(subgraph, op, spec))
        if not scheme.operators.allows(op.name):
            findings.append(
                Finding(
                    "error", where, "operator-allowed",
                    f"scheme {scheme.name} does not allow {op.name}",
                    f"one of {', '.join(scheme.operators.allow)}",
                    allowing(scheme, op.name),
                )
            )  # fmt: skip
        domains[op.index] = _domain(subgraph, op, spec, scheme, where, findings)
    return domains, findings


def _without_scale(where: str, ports: Iterable) -> list[Finding]:
    """Activations that have lost what those beside them have."""
    return [
        Finding("error", where, "scale-positive", f"{tensor.label()} is {tensor.dtype} without "
                "a scale", "scale and zero point, as its other activations", DAMAGED)
        for _, _, tensor, operand in ports
        if tensor.dtype in ACTIVATION_DTYPES and tensor.qparams is None
        and not (operand.pinned or operand.types)
    ]  # fmt: skip


def _domain(subgraph, op, spec, scheme, where, findings) -> Domain:
    output = next((subgraph.tensors[t].name for t in op.outputs if t >= 0), "")
    law = scheme.for_operator(op.name, output).activations
    to_int32 = op.opcode == "QUANTIZE" and subgraph.tensors[op.outputs[0]].dtype == "int32"
    if to_int32 and law.dtype != "int16":
        return PINNED  # the runtime converts to int32 from int16 alone
    if all(dtype in spec.dtypes for dtype in law.dtypes):
        return Domain("scheme", law)
    for dtype in FALLBACKS[law.dtype]:
        if dtype in spec.dtypes and dtype in law.dtypes and dtype != "uint8":
            return Domain("scheme", law.of(dtype))  # uint8 alone has no place for negative values
        if dtype in spec.dtypes:
            return Domain("fence", ActivationLaw(dtype))
    findings.append(
        Finding(
            "error", where, "operator-dtype", f"kernels exist for {', '.join(spec.dtypes)} only",
            law.dtype, "use a scheme of one of these types, or an [[override]]",
        )
    )  # fmt: skip
    return PINNED


def _unknown(where: str, op: Operator) -> Finding:
    return Finding(
        "error", where, "operator-unknown", f"{op.name} is not in the operator catalog",
        "an operator that docs/operators.md in the sources lists",
        "--keep-unknown leaves it on its old quantization, between QUANTIZE operators",
    )  # fmt: skip
