"""New quantization for every activation of a subgraph.

The grid on which a tensor is produced is its home. Where an operator needs it on another one, the
plan says so at that port, and a QUANTIZE operator will be put there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tflite_requant.catalog import OpSpec
from tflite_requant.errors import Finding
from tflite_requant.model import Operator, Subgraph, TensorType
from tflite_requant.planning import clamps, dead, nesting, padding
from tflite_requant.planning.context import Context, Port
from tflite_requant.planning.domains import Domain, assign
from tflite_requant.planning.grids import Grids
from tflite_requant.planning.nodes import Nodes
from tflite_requant.planning.reach import Reach
from tflite_requant.planning.units import NO_FACTORS, Unit
from tflite_requant.schemes import Scheme


@dataclass
class Plan:
    """What every activation of one subgraph becomes.

    home:        tensor -> its new type; tensors that are not in it keep theirs.
    ports:       port -> type, only where it differs from the tensor's home.
    outputs:     graph output tensor -> type, only where it differs from its home.
    offsets:     tensor -> what its stored reals are above the true ones (zero-point folding).
    gains:       tensor -> what its stored reals are times the true ones (power of two as a gauge).
    lifts:       tensor -> what its producer adds to stored reals before it rounds (`nesting`).
    activation:  operator -> fused activation, only where it changes.
    lost_clamps: operator -> the clamp that could not be restored.
    equivalent:  operator -> simpler constants for the same outputs (dead channels).
    padded:      operator -> what a PADV2 puts around its input, for it to read no padding.
    domains:     operator -> the law it follows.
    units:       scales that could as well be others.
    """

    subgraph: Subgraph
    domains: dict[int, Domain]
    home: dict[int, TensorType] = field(default_factory=dict)
    ports: dict[Port, TensorType] = field(default_factory=dict)
    outputs: dict[int, TensorType] = field(default_factory=dict)
    offsets: dict[int, float] = field(default_factory=dict)
    gains: dict[int, float] = field(default_factory=dict)
    lifts: dict[int, float] = field(default_factory=dict)
    activation: dict[int, str] = field(default_factory=dict)
    lost_clamps: dict[int, clamps.Restored] = field(default_factory=dict)
    equivalent: Mapping[int, dead.Equivalent] = field(default_factory=dict)
    padded: dict[int, padding.Frame] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """How many PADV2 operators explicit padding takes."""
        inputs = {op: self.subgraph.operators[op].inputs[0] for op in self.padded}
        return len({(inputs[op], frame) for op, frame in self.padded.items()})

    def at(self, op: int, side: str, position: int, tensor: int) -> TensorType:
        """The new type of a tensor as one operator sees it."""
        port = self.ports.get((op, side, position))
        return port or self.home.get(tensor) or self.subgraph.tensors[tensor].type


def plan(
    subgraph: Subgraph,
    scheme: Scheme,
    *,
    keep_io: bool = False,
    keep_unknown: bool = False,
    fold: bool = True,
    nest: bool = True,
    saturated: frozenset[int] = frozenset(),
    named: frozenset[int] = frozenset(),
    allow_padv2: int | str = 0,
    rank: padding.Rank | None = None,
    factors: Mapping[Unit, float] = NO_FACTORS,
    equivalent: Mapping[int, dead.Equivalent] = dead.NO_EQUIVALENTS,
) -> Plan:
    """The new quantization of a subgraph under a scheme; `fold` permits zero-point folding, except
    of the tensors that signatures have `named`, and `nest`, where that is permitted, nested
    rounding, except of those that are `saturated` too often; `allow_padv2` of them (or "any") may
    need a PADV2 to be folded, by `rank` where not all may. `factors` multiply the scales of
    `Plan.units`. The plan carries `equivalent`.

    Nothing is raised: what cannot be done is an "error" among the plan's findings.
    """
    domains, findings = assign(subgraph, scheme, keep_unknown)
    made = Plan(subgraph, domains, findings=findings)
    if any(f.severity == "error" for f in findings):
        return made
    context = Context(subgraph, scheme, domains, keep_io, fold, named)
    nodes = Nodes(context)
    grids = Grids(context, nodes, factors)
    if allow_padv2:
        context = _padded(context, nodes, grids, allow_padv2, rank)
        grids = Grids(context, nodes, factors)
        made.padded = {
            op: padding.frame(subgraph, subgraph.operators[op]) for op in sorted(context.padded)
        }
        made.findings += _padding_findings(made, scheme)
    if nest:
        context, grids = _nested(context, nodes, grids, factors, saturated)
        made.lifts = nesting.lifts(context, nodes, grids)
    made.findings += [*nodes.findings, *grids.findings]
    made.offsets, made.gains, made.units = grids.offsets, grids.gains, grids.units
    made.equivalent = equivalent
    _place(made, context, nodes, grids)
    reach = Reach()
    for op, spec, ports in nodes.ported:
        _restore_clamps(made, op, spec, ports, reach)
    return made


def _padded(
    context: Context, nodes: Nodes, grids: Grids, limit: int | str, rank: padding.Rank | None
) -> Context:
    """The context with explicit padding where it lets most be folded."""
    subgraph = context.subgraph
    able = frozenset(op.index for op in subgraph.operators if padding.can_be_explicit(subgraph, op))
    every = Grids(replace(context, padded=able), nodes)
    candidates = []
    for root, members in nodes.groups.sets():
        tensors = {t for t, _ in members}
        if tensors & every.offsets.keys() and not tensors & grids.offsets.keys():
            plain = grids.true_at(root)
            candidates.append(
                padding.candidate(subgraph, tensors, plain, context.producers, context.consumers)
            )
    return replace(context, padded=padding.choose(candidates, limit, rank))


def _nested(
    context: Context, nodes: Nodes, grids: Grids, factors: Mapping[Unit, float],
    spared: frozenset[int],
) -> tuple[Context, Grids]:  # fmt: skip
    """The context with what may be nested and, under these factors, ends on twice the source's
    step; and the grids of it."""
    chosen = nesting.candidates(context, nodes, grids) - spared
    while chosen:
        inner = replace(context, nested=chosen)
        found = Grids(inner, nodes, factors)
        kept = frozenset(nesting.lifts(inner, nodes, found))
        if kept == chosen:
            return inner, found
        chosen = kept
    return context, grids


def _padding_findings(plan: Plan, scheme: Scheme) -> list[Finding]:
    if not plan.padded or scheme.operators.allows("PADV2"):
        return []
    op = plan.subgraph.operators[min(plan.padded)]
    return [
        Finding(
            "error", plan.subgraph.label(op), "operator-allowed",
            f"explicit padding needs PADV2, which scheme {scheme.name} does not allow",
            f"one of {', '.join(scheme.operators.allow)}",
            "leave out --allow-padv2, or add PADV2 to [operators] allow",
        )
    ]  # fmt: skip


def _place(plan: Plan, context: Context, nodes: Nodes, grids: Grids) -> None:
    """Homes of all tensors, and what operators and graph outputs need beside them."""
    quantized = {
        tensor for _, _, ports in nodes.ported for _, _, t, _ in ports for tensor in (t.index,)
    }
    border = {
        t for t in (*context.subgraph.inputs, *context.subgraph.outputs) if context.at_border(t)
    }
    for index in sorted(quantized | border):
        tensor = context.subgraph.tensors[index]
        if not tensor.is_quantized_activation:
            continue
        if index in context.producers and context.producers[index].index not in context.domains:
            continue
        plan.home[index] = grids.at(nodes.home_node(index))
    for op, _, ports in nodes.ported:
        for side, position, tensor, _ in ports:
            want = grids.at(nodes.port_nodes[op.index, side, position])
            if want != plan.home[tensor.index]:
                plan.ports[op.index, side, position] = want
    for index in context.subgraph.outputs:
        if index in plan.home and context.at_border(index):
            want = grids.at((index, context.border_domain(index)))
            if want != plan.home[index]:
                plan.outputs[index] = want


def _restore_clamps(
    plan: Plan, op: Operator, spec: OpSpec | None, ports: list, reach: Reach
) -> None:
    """Fuse the clamp that the source's saturation made, where the new grid ends elsewhere."""
    if spec is None or spec.movement or plan.domains[op.index].kind == "pinned":
        return
    within = reach.within(op, spec, [tensor for side, _, tensor, _ in ports if side == "in"])
    for side, position, tensor, operand in ports:
        if side == "in" or operand.fixed:
            continue
        fused = op.option("fused_activation_function", "NONE")
        reach.note(tensor, within, fused)
        if tensor.index in plan.offsets:
            # The saturation is the clamp; a fused one would cut at the shifted zero.
            if fused != "NONE":
                plan.activation[op.index] = "NONE"
            continue
        if operand.tie:
            continue
        new = plan.at(op.index, side, position, tensor.index)
        gain = plan.gains.get(tensor.index, 1.0)
        same = plan.equivalent.get(op.index)
        if same is not None and same.dead.all():  # constants do not leave the old range
            within = clamps.interval(tensor.type, fused)
        limits = (within[0] * gain, within[1] * gain)
        restored = clamps.restore(tensor.type, fused, new, spec.activations, gain, limits)
        if restored.activation != fused and spec.activations:
            plan.activation[op.index] = restored.activation
        if not restored.kept:
            plan.lost_clamps[op.index] = restored
