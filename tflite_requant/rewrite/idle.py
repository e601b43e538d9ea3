"""QUANTIZE operators of the source that became copies, once all grids are settled: they go.

What was one in the source stays, as everything does that the source has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tflite_requant.model import Edit, Model, Operator, SubgraphEdit
from tflite_requant.rewrite.desk import SubgraphRewrite
from tflite_requant.rewrite.remembering import remember_merged
from tflite_requant.schemes import Scheme

# (tensor that is gone, tensor that has its values)
Merged = tuple[int, int]


def without_idle(
    source: Model, new: Model, done: Mapping[int, SubgraphRewrite], scheme: Scheme
) -> Model:
    """The new model without them, and its own metadata about it; the same integers for all inputs.

    done: by subgraph, of which `numbers` and `removed` follow.
    """
    edit = Edit(new)
    merged: dict[int, list[Merged]] = {}
    for index, one in done.items():
        sides = [s for s in new.signatures if s.subgraph == index]
        named = {t for s in sides for _, t in (*s.inputs, *s.outputs)}
        for op in _became_copies(source, new, index, one):
            pair = _merge(edit.subgraphs[index], op, named, scheme)
            if pair is None:
                continue
            merged.setdefault(index, []).append(pair)
            edit.subgraphs[index].remove_operator(op.index)
            name = new.subgraphs[index].tensors[op.outputs[0]].name
            old = next(o for o, n in one.numbers.items() if n == op.index)
            one.removed.append(f"QUANTIZE {name}: the source's op {old}, a copy in the result")
        left = edit.subgraphs[index].new_indices()
        one.numbers = {o: left[n] for o, n in one.numbers.items() if n in left}
    if not merged:
        return new
    remember_merged(edit, new, merged)
    return edit.commit()


def _became_copies(
    source: Model, new: Model, index: int, one: SubgraphRewrite
) -> Iterator[Operator]:
    """Operators of the result."""
    before, after = source.subgraphs[index].tensors, new.subgraphs[index].tensors
    for old in source.subgraphs[index].operators:
        if old.opcode != "QUANTIZE" or before[old.inputs[0]].type == before[old.outputs[0]].type:
            continue
        op = new.subgraphs[index].operators[one.numbers[old.index]]
        a, b = after[op.inputs[0]], after[op.outputs[0]]
        held = any(t.is_constant or t.is_variable for t in (a, b))
        if a.type == b.type and a.shape == b.shape and not held:
            yield op


def _merge(edit: SubgraphEdit, op: Operator, named: set[int], scheme: Scheme) -> Merged | None:
    """Let who reads and writes one end of a copy do so with the other; None where both ends have to
    stay, or where an override of the scheme would no longer find the operator that it means."""
    start, end = edit.operator(op.index).inputs[0], op.outputs[0]
    if end not in (*edit.outputs, *named):
        gone, kept = end, start
    elif start not in (*edit.inputs, *edit.outputs, *named):
        gone, kept = start, end
        writer = next(o for o in _operators(edit) if start in o.outputs)
        names = [edit.tensors[t].name for t in (start, end)]
        laws = [scheme.for_operator(writer.name, name) for name in names]
        if writer.outputs[0] == start and laws[0] != laws[1]:
            return None
    else:
        return None
    for other in _operators(edit):
        if other.index == op.index or gone not in (*other.inputs, *other.outputs):
            continue
        inputs, outputs = (
            tuple(kept if t == gone else t for t in side) for side in (other.inputs, other.outputs)
        )
        edit.set_operator(other.index, inputs=inputs, outputs=outputs)
    return gone, kept


def _operators(edit: SubgraphEdit) -> list[Operator]:
    """Those that are there yet, as they are by now, with their numbers of before."""
    return [edit.operator(i) for i in edit.new_indices()]
