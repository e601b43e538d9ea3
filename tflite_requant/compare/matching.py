"""Which tensor of one model is which tensor of another."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from tflite_requant.errors import UsageError
from tflite_requant.memory import memory_of
from tflite_requant.model import Model, Tensor


@dataclass(frozen=True, slots=True)
class Meaning:
    """How a relabelled tensor is to be read: true real = stored real / gain - offset."""

    gain: float = 1.0
    offset: float = 0.0


PLAIN = Meaning()


@dataclass(frozen=True, slots=True)
class Pair:
    """A tensor of A and the one of B that means the same, and how each is to be read."""

    a: Tensor
    b: Tensor
    meaning_a: Meaning = PLAIN
    meaning_b: Meaning = PLAIN
    is_output: bool = False

    @property
    def exact(self) -> bool:
        """Whether stored values may be compared: they stand for the same real numbers."""
        return self.a.type == self.b.type and self.meaning_a == self.meaning_b


@dataclass(frozen=True, slots=True)
class Origin:
    """What a model's metadata says about where it comes from.

    source: the hash of the model it was made from, or its own. shared: tensors with a smaller index
    are the source's. meanings: of relabelled tensors, by index. merged: the source's tensors that
    are gone -> those that have their values. All of the main subgraph.
    """

    source: str
    shared: int
    meanings: dict[int, Meaning]
    merged: dict[int, int] = field(default_factory=dict)


def origin_of(model: Model) -> Origin:
    """The origin of a model; what its metadata says wrongly formed counts as not said."""
    memory = memory_of(model) or {}
    try:
        meanings = {
            int(entry["tensor"]): Meaning(float(entry["gain"]), float(entry["offset"]))
            for entry in memory.get("relabelled", ())
            if entry["subgraph"] == 0
        }
        merged = {
            int(entry["tensor"]): int(entry["into"])
            for entry in memory.get("merged", ())
            if entry["subgraph"] == 0
        }
        shared = int(memory["source_tensors"][0])
        return Origin(str(memory["source_sha256"]), shared, meanings, merged)
    except (KeyError, IndexError, TypeError, ValueError):
        own = hashlib.sha256(model.to_bytes()).hexdigest()
        return Origin(own, len(model.main.tensors), {})


def computed(model: Model) -> Iterator[Tensor]:
    """Tensors that operators of the main subgraph write, in execution order."""
    main = model.main
    seen = {-1}
    for op in main.operators:
        for t in op.outputs:
            if t not in seen:
                seen.add(t)
                yield main.tensors[t]


def match(a: Model, b: Model) -> list[Pair]:
    """Pairs of computed tensors, in A's execution order.

    Graph outputs by name, or in graph order where their names differ; other tensors by what the
    metadata of a requantized model says of its source, then by name. Tensors of different shape
    are never a pair. Raises UsageError where no output of A has a partner.
    """
    partners = _outputs(a, b)
    if a.outputs and not partners:
        raise UsageError(
            f"the models have no output in common: {_shapes(a)} and {_shapes(b)}; "
            "compare a model with what it was made from"
        )
    outputs = set(partners)
    taken = set(partners.values())
    theirs = {t.index: t for t in computed(b)}
    from_a, from_b = origin_of(a), origin_of(b)
    shared = min(from_a.shared, from_b.shared) if from_a.source == from_b.source else 0
    ours = [t for t in computed(a) if t.index not in partners]
    for t in ours:
        twin = theirs.get(t.index) if t.index < shared else None
        if twin is not None and twin.shape == t.shape and twin.index not in taken:
            partners[t.index] = twin.index
            taken.add(twin.index)
        elif twin is None and t.index < shared and from_b.merged.get(t.index) in theirs:
            partners[t.index] = from_b.merged[t.index]
    by_name = _unique_names(t for i, t in theirs.items() if i not in taken)
    names = _unique_names(t for t in ours if t.index not in partners)
    for name, t in names.items():
        twin = by_name.get(name)
        if twin is not None and twin.shape == t.shape:
            partners[t.index] = twin.index
    return [
        Pair(
            t,
            b.main.tensors[partners[t.index]],
            from_a.meanings.get(t.index, PLAIN),
            from_b.meanings.get(partners[t.index], PLAIN),
            t.index in outputs,
        )
        for t in computed(a)
        if t.index in partners
    ]


def _outputs(a: Model, b: Model) -> dict[int, int]:
    """Indices of A's computed graph outputs -> of B's."""
    theirs = _unique_names(b.outputs)
    if {t.name for t in a.outputs} == set(theirs):
        pairs = [(t, theirs[t.name]) for t in a.outputs]
    elif len(a.outputs) == len(b.outputs):
        pairs = list(zip(a.outputs, b.outputs, strict=True))
    else:
        pairs = [(t, theirs[t.name]) for t in a.outputs if t.name in theirs]
    ours, others = ({t.index for t in computed(m)} for m in (a, b))
    return {
        t.index: u.index
        for t, u in pairs
        if t.shape == u.shape and t.index in ours and u.index in others
    }


def _unique_names(tensors) -> dict[str, Tensor]:
    """Name -> tensor, for names that only one of them has."""
    found: dict[str, list[Tensor]] = {}
    for t in tensors:
        found.setdefault(t.name, []).append(t)
    return {name: some[0] for name, some in found.items() if name and len(some) == 1}


def _shapes(model: Model) -> str:
    return ", ".join(f"{t.name} {list(t.shape)}" for t in model.outputs) or "none"


def match_inputs(a: Model, b: Model) -> list[tuple[int, Tensor, Tensor]]:
    """For each input of B: its position among A's inputs, A's tensor and B's.

    By name where the names are the same ones, else in graph order. Raises UsageError where the
    models do not take arrays of the same shapes.
    """
    positions = list(range(len(a.inputs)))
    names = [t.name for t in a.inputs]
    if len(set(names)) == len(names) and sorted(names) == sorted(t.name for t in b.inputs):
        positions = [names.index(t.name) for t in b.inputs]
    fits = len(a.inputs) == len(b.inputs) and all(
        a.inputs[p].shape == t.shape for p, t in zip(positions, b.inputs, strict=True)
    )
    if not fits:
        told = (", ".join(f"{t.name} {list(t.shape)}" for t in m.inputs) for m in (a, b))
        raise UsageError(f"the models take different inputs: {' and '.join(told)}")
    return [(p, a.inputs[p], t) for p, t in zip(positions, b.inputs, strict=True)]


def class_scores(model: Model) -> Tensor | None:
    """The graph output that holds one score a class, behind the last SOFTMAX; None without."""
    from tflite_requant.extract import PASSES_THROUGH, last_softmax_input

    if last_softmax_input(model) is None:
        return None
    producers = model.main.producers()
    for t in model.outputs:
        op = producers.get(t.index)
        while op is not None and op.opcode in PASSES_THROUGH:
            op = producers.get(op.input(0))
        one_row = bool(t.shape) and t.shape[-1] == math.prod(t.shape) >= 2
        if op is not None and op.opcode == "SOFTMAX" and one_row:
            return t
    return None
