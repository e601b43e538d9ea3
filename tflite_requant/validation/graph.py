"""The graph: every tensor written once and before it is read, no subgraph that runs itself."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.catalog.forms import FORMS
from tflite_requant.errors import Finding
from tflite_requant.model.graph import Model, Operator, Subgraph
from tflite_requant.validation.words import at_tensor, damaged

MAX_DEPTH = 16  # of subgraphs that run subgraphs


def findings(model: Model) -> Iterator[Finding]:
    """Everything that is wrong with the order and the writers of tensors."""
    for subgraph in model.subgraphs:
        yield from _borders(subgraph)
        yield from _order(subgraph)
    yield from _calls(model)


def _borders(subgraph: Subgraph) -> Iterator[Finding]:
    place = f"subgraph {subgraph.index}" if subgraph.index else "model"
    for index in sorted({t for t in subgraph.inputs if subgraph.inputs.count(t) > 1}):
        label = subgraph.tensors[index].label()
        yield damaged(place, "graph-inputs", f"{label} is an input twice", "every input once")
    for index in subgraph.inputs:
        if subgraph.tensors[index].is_constant:
            label = subgraph.tensors[index].label()
            yield damaged(place, "graph-inputs", f"{label} is a constant", "inputs without data")


def _order(subgraph: Subgraph) -> Iterator[Finding]:
    tensors = subgraph.tensors
    writers: dict[int, list[Operator]] = {}
    for op in subgraph.operators:
        for t in op.outputs:
            if t >= 0:
                writers.setdefault(t, []).append(op)
    known = {t.index for t in tensors if t.is_constant or t.is_variable} | set(subgraph.inputs)
    for op in subgraph.operators:
        where = subgraph.label(op)
        for t in dict.fromkeys(op.inputs):
            if t < 0 or t in known or op.name not in FORMS:
                continue
            label = tensors[t].label()
            if t not in writers:
                yield damaged(where, "graph-order", f"reads {label}, which nothing writes",
                              "a constant, an input or another operator's output")  # fmt: skip
            else:
                later = subgraph.label(writers[t][0])
                found = f"reads {label} before {later} writes it"
                need = "operators in the order in which they run, without a cycle"
                yield damaged(where, "graph-order", found, need)
        for position, t in enumerate(op.outputs):
            if t < 0:
                continue
            label = tensors[t].label()
            kind = _kind(subgraph, t)
            if kind:
                yield damaged(
                    where, "graph-writer", f"writes {label}, {kind}", "a tensor of its own"
                )
            elif writers[t][0] is not op or t in op.outputs[:position]:
                found = f"writes {label}, which {subgraph.label(writers[t][0])} writes"
                yield damaged(where, "graph-writer", found, "one writer a tensor")
        known.update(t for t in op.outputs if t >= 0)
    for t in dict.fromkeys(subgraph.outputs):
        if t not in known:
            where = at_tensor(subgraph, tensors[t])
            yield damaged(where, "graph-outputs", "a graph output that nothing writes", "a writer")


def _kind(subgraph: Subgraph, index: int) -> str:
    """What keeps a tensor from being an operator's output, or ""."""
    if subgraph.tensors[index].is_constant:
        return "a constant"
    if subgraph.tensors[index].is_variable:
        return "a variable, which operators change in place"
    return "a graph input" if index in subgraph.inputs else ""


def called(op: Operator) -> list[int]:
    """The subgraphs that an operator runs."""
    if op.options is None:
        return []
    fields = op.options.fields.items()
    return [v for n, v in fields if n.endswith("subgraph_index") or n == "subgraph"]


def _calls(model: Model) -> Iterator[Finding]:
    calls = {s.index: [i for op in s.operators for i in called(op)] for s in model.subgraphs}
    for start in calls:
        reached, depth = {start}, 0
        while reached and depth <= MAX_DEPTH:
            reached, depth = {i for at in reached for i in calls[at]}, depth + 1
        if reached:
            found = f"subgraph {start} runs subgraphs without end"
            yield damaged("model", "graph-calls", found, f"at most {MAX_DEPTH} levels")
    for subgraph, op in model.operators():
        for index in called(op) if op.name in ("IF", "WHILE", "CALL_ONCE") else ():
            yield from _arguments(subgraph, op, model.subgraphs[index])


def _arguments(subgraph: Subgraph, op: Operator, other: Subgraph) -> Iterator[Finding]:
    """Counts of what goes into a subgraph that is run and of what comes out."""
    given = {"IF": len(op.inputs) - 1, "WHILE": len(op.inputs), "CALL_ONCE": 0}[op.name]
    is_condition = op.name == "WHILE" and other.index == op.option("cond_subgraph_index")
    if -1 in (*op.inputs, *op.outputs):
        yield damaged(subgraph.label(op), "graph-calls", "an absent argument", "all of them")
    taken = 1 if is_condition else len(op.outputs)
    for side, count, there in (("inputs", given, other.inputs), ("outputs", taken, other.outputs)):
        if count != len(there) and not (op.name == "CALL_ONCE" and side == "outputs"):
            found = f"{count} {side} for subgraph {other.index}, which has {len(there)}"
            yield damaged(subgraph.label(op), "graph-calls", found, "as many")
