"""What became of each operator and tensor: the report and its rows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tflite_requant.catalog import spec_of
from tflite_requant.check.weighted import Weighted
from tflite_requant.errors import Finding
from tflite_requant.fixedpoint.power_of_two import told_shifts
from tflite_requant.kernels._refusals import types_without_kernel
from tflite_requant.model import Model, Operator, QParams
from tflite_requant.outcome import LostSide, OperatorOutcome, PortOutcome, Report, TensorOutcome
from tflite_requant.planning import Plan, clamps, identity
from tflite_requant.planning.domains import activation_ports, allowing, is_weighted
from tflite_requant.planning.grid import same_integers
from tflite_requant.rewrite import SubgraphRewrite
from tflite_requant.schemes import Scheme
from tflite_requant.statistics import Statistics
from tflite_requant.wording import plural, share

IN_SOURCE = "LiteRT does not run the source either; "


def report_of(
    model: Model,
    new: Model,
    scheme: Scheme,
    corrections: tuple[str, ...],
    plans: Mapping[int, Plan],
    done: Mapping[int, SubgraphRewrite],
    known: Statistics,
    *,
    judged: Sequence[Finding],
    lost: Mapping[tuple[int, int], str],
    searched: str = "",
) -> Report:
    """The whole report. plans, done: by subgraph; judged: what `check` says of the result; lost:
    (subgraph, operator) of clamps that are not restored -> what would restore them; searched: what
    a search found, a few words behind the origin of the statistics.
    """
    changed = new is not model
    findings = [f for p in plans.values() for f in p.findings if f.severity != "exception"]
    findings += [f for d in done.values() for f in d.findings]
    findings += judged
    findings += _without_kernel(model, new, done)
    if changed and model.unknown_fields:
        findings.append(_unknown_fields(model))
    operators = tuple(o for i, p in plans.items() for o in operator_outcomes(p, done[i], known))
    operators = tuple(_with_widths(o, new, scheme) for o in operators)
    findings += [f for o in operators for f in (*_lost_clamp(o, lost), *_rounded_bias(o))]
    source_bytes, result_bytes = model.to_bytes(), new.to_bytes()
    return Report(
        scheme=scheme.name,
        summary=scheme.summary,
        arithmetic=scheme.arithmetic,
        data=known.origin + searched,
        changed=changed,
        operators=operators,
        tensors=tuple(o for p in plans.values() for o in tensor_outcomes(p)),
        findings=tuple(findings),
        inserted=tuple(line for d in done.values() for line in d.inserted),
        removed=tuple(line for d in done.values() for line in d.removed),
        source_sha256=hashlib.sha256(source_bytes).hexdigest(),
        result_sha256=hashlib.sha256(result_bytes).hexdigest(),
        source_bytes=len(source_bytes),
        result_bytes=len(result_bytes),
        corrections=corrections,
        inputs=tuple(o for i in plans for o in port_outcomes(model, new, i, "inputs")),
        outputs=tuple(o for i in plans for o in port_outcomes(model, new, i, "outputs")),
    )


def port_outcomes(model: Model, new: Model, subgraph: int, side: str) -> list[PortOutcome]:
    """A row for every one of a subgraph's `inputs` or `outputs`, in its order."""
    old, made = model.subgraphs[subgraph], new.subgraphs[subgraph]
    rows = []
    for before, after in zip(getattr(old, side), getattr(made, side), strict=True):
        a, b = old.tensors[before], made.tensors[after]
        rows.append(
            PortOutcome(
                subgraph, before, a.name, a.dtype, *_one_grid(a.qparams),
                b.dtype, *_one_grid(b.qparams),
            )
        )  # fmt: skip
    return rows


def _one_grid(qparams: QParams | None) -> tuple[float | None, int | None]:
    if qparams is None or qparams.per_axis:
        return None, None
    return qparams.scale, qparams.zero_point


def tensor_outcomes(plan: Plan) -> list[TensorOutcome]:
    """A row for every planned tensor."""
    rows = []
    for index, new in sorted(plan.home.items()):
        old = plan.subgraph.tensors[index]
        kept, gain = "regridded", plan.gains.get(index, 1.0)
        if index in plan.offsets or gain != 1:
            kept = "relabelled"
        elif new == old.type:
            kept = "identical"
        elif not old.qparams.per_axis and same_integers(old.type, new):
            kept = "shifted"
        elif index in plan.lifts:
            kept = "nested"
        rows.append(
            TensorOutcome(
                plan.subgraph.index, index, old.name, old.dtype,
                float(np.max(old.qparams.scale)), int(np.max(old.qparams.zero_point)),
                new.dtype, new.qparams.scale, new.qparams.zero_point, kept,
                gain, plan.offsets.get(index, 0.0) / gain,
            )
        )  # fmt: skip
    return rows


def operator_outcomes(
    plan: Plan, done: SubgraphRewrite, known: Statistics
) -> list[OperatorOutcome]:
    """A row for every planned operator of one subgraph."""
    rows = []
    for op in plan.subgraph.operators:
        if op.index in plan.domains:
            rows.append(_outcome(plan, op, done, known))
    return rows


def _outcome(plan: Plan, op: Operator, done: SubgraphRewrite, known: Statistics) -> OperatorOutcome:
    spec, rewritten = spec_of(op), done.weighted.get(op.index)
    facts: dict = {}
    output = op.outputs[0] if op.outputs and op.outputs[0] >= 0 else None
    step = plan.home[output].qparams.scale if output in plan.home else math.inf
    if rewritten is not None:
        size = rewritten.weights.integers.size
        per_channel = size // len(rewritten.exact)
        scales = np.array(rewritten.weights.qparams.scales)
        x = op.input(next(i for i, o in enumerate(spec.inputs) if o.role == "activation"))
        x_scale = plan.at(op.index, "in", op.inputs.index(x), x).qparams.scale
        y_scale = plan.at(op.index, "out", 0, output).qparams.scale
        shifts, only = told_shifts(x_scale * scales / y_scale)
        facts = {
            "channels": len(rewritten.exact),
            "exact_channels": int(rewritten.exact.sum()),
            "weights": size,
            "exact_weights": int(rewritten.exact.sum()) * per_channel,
            "folded": float(np.max(np.abs(rewritten.moved), initial=0.0)) / step,
            "dead_channels": rewritten.dead,
            "shifts": (int(shifts.min()), int(shifts.max())),
            "only_shifts": only,
            "bias_rounded": rewritten.bias_rounded,
        }
    lost = plan.lost_clamps.get(op.index)
    below, above = lost.without(done.clamped.get(op.index, ())) if lost is not None else (0, 0)
    if below or above:
        facts["clamp_lost"] = (below / step, above / step)
        facts["clamp_hits"] = known.hits.get((plan.subgraph.index, output))
    return OperatorOutcome(
        subgraph=plan.subgraph.index,
        index=op.index,
        name=op.name,
        label=plan.subgraph.label(op),
        exactness=_exactness(plan, op, spec, rewritten),
        result_index=done.numbers.get(op.index),
        **facts,
    )


def _with_widths(row: OperatorOutcome, new: Model, scheme: Scheme) -> OperatorOutcome:
    """The row with how wide its sums and its bias are in the result."""
    if not row.channels:
        return row
    subgraph = new.subgraphs[row.subgraph]
    op = subgraph.operators[row.result_index]
    found = Weighted(subgraph, op, spec_of(op), scheme)
    return replace(row, sum_bits=found.sum_bits, bias_bits=found.bias_bits)


def _exactness(plan: Plan, op: Operator, spec, rewritten) -> str:
    ports = activation_ports(plan.subgraph, op, spec)
    for side, position, tensor, _ in ports:
        new = plan.at(op.index, side, position, tensor.index)
        if tensor.qparams.per_axis or not same_integers(tensor.type, new):
            return "approximated"
    if is_weighted(spec) and (
        rewritten is None or not rewritten.exact.all() or rewritten.clipped_bias
    ):
        return "approximated" if plan.domains[op.index].kind != "pinned" else "bit-identical"
    if op.index in plan.lost_clamps:
        return "approximated"
    return (
        "bit-identical" if identity.same_for_all_inputs(plan, op, spec, rewritten) else "grid-exact"
    )


def refusals(
    broken: Sequence[Finding], new: Model, scheme: Scheme, done: Mapping[int, SubgraphRewrite]
) -> tuple[Finding, ...]:
    """Errors of a result, those of operators that were inserted and are not allowed told by what
    they were inserted for: nobody knows them by their numbers."""
    own = {
        s.label(op)
        for s in (new.subgraphs[index] for index in done)
        for op in s.operators
        if op.index not in done[s.index].numbers.values()
    }
    kept = [f for f in broken if f.law != "operator-allowed" or f.where not in own]
    if len(kept) == len(broken):
        return tuple(broken)
    lines = [line for d in done.values() for line in d.inserted]
    return (*kept, *(_not_allowed(line, scheme) for line in lines
                     if not scheme.operators.allows(line.split()[0])))  # fmt: skip


def _not_allowed(line: str, scheme: Scheme) -> Finding:
    """What is told of all of a kind alike, so that they are told together; the place is theirs."""
    what, _, why = line.rpartition(": ")
    kind, _, rest = what.partition(" ")
    place, _, reason = why.rpartition(", ")
    if " the source's op " in place:
        why = f"{place.split()[0]} an operator {reason}"
    hint = allowing(scheme, kind).replace("add it", f"add {kind}")
    if kind in clamps.OPERATORS:
        hint = f"--clamps exact asks for it, --clamps auto takes only what is allowed; or {hint}"
    return Finding(
        "error", f"{kind} {place}: {rest}", "operator-allowed",
        f"scheme {scheme.name} does not allow {kind}, which has to be inserted {why}",
        f"one of {', '.join(scheme.operators.allow)}", hint,
    )  # fmt: skip


def _without_kernel(
    model: Model, new: Model, done: Mapping[int, SubgraphRewrite]
) -> Iterator[Finding]:
    """Warnings of what LiteRT cannot run, as a rule operators that were kept as they are."""
    before = {(s, op) for s, op, _ in types_without_kernel(model)}
    for subgraph, op, finding in types_without_kernel(new):
        numbers = done[subgraph].numbers if subgraph in done else {op: op}
        old = any((subgraph, o) in before for o, n in numbers.items() if n == op)
        yield replace(finding, hint=f"{IN_SOURCE}{finding.hint}") if old else finding


def _unknown_fields(model: Model) -> Finding:
    return Finding(
        "warning", "model", "unknown-field",
        f"{len(model.unknown_fields)} fields are newer than the schema known here and are not "
        f"written: {', '.join(model.unknown_fields[:3])}", "fields of schema/tflite.fbs",
        "a later release may know them",
    )  # fmt: skip


def _rounded_bias(outcome) -> list[Finding]:
    if not outcome.bias_rounded:
        return []
    found = f"its bias was rounded by up to {outcome.bias_rounded:.2g} output steps"
    hint = "more [bias] bits in the scheme lose less, where the hardware holds them"
    return [Finding("note", outcome.label, "bias-position", found, "", hint)]


def _beyond(side: LostSide) -> str:
    finite = math.isfinite(side.steps)
    steps = plural(round(side.steps), "step") if finite else f"{side.steps} steps"
    return f"{steps} {'lower' if side.name == 'below' else 'higher'}"


def _lost_clamp(outcome, lost: Mapping[tuple[int, int], str]) -> list[Finding]:
    hint = lost.get((outcome.subgraph, outcome.index))
    if outcome.clamp_lost is None or hint is None:
        return []
    sides = [_beyond(side) for side in outcome.lost_sides]
    rates = [share(side.hits) for side in outcome.lost_sides if side.hits is not None]
    rates = rates[:1] if set(rates) == {share(0)} else rates
    hits = f"; {' and '.join(rates)} of the samples' values were at the old clamp" if rates else ""
    return [
        Finding("note", outcome.label, "clamp",
                f"the source clipped here; the result goes {' and '.join(sides)}{hits}",
                "", hint)
    ]  # fmt: skip
