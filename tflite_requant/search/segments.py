"""A model as a row of parts that run one after the other, so that equal parts need not run again.

Between two parts lies a *frontier*: the tensors that what follows still reads. Parts end where the
frontier is small, and not between a depthwise convolution and the product that takes its tiles.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tflite_requant.engine.graph import needed, preparable
from tflite_requant.model import Model, Operator, Subgraph, Tensor

LEAST = 3  # operators of a part: fewer are run faster together with their neighbours
CROWD = 1.5  # a frontier may be so many times as large as its largest tensor


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A part as a model of its own; key: the same for parts that compute the same."""

    model: Model
    key: bytes

    @property
    def inputs(self) -> tuple[int, ...]:
        return self.model.main.inputs

    @property
    def outputs(self) -> tuple[int, ...]:
        return self.model.main.outputs


def segments(model: Model, wanted: tuple[int, ...]) -> list[Segment]:
    """The parts that compute the wanted tensors of the main subgraph, in order."""
    main = replace(model.main, outputs=wanted)
    whole = model.changed(subgraphs=(main, *model.subgraphs[1:]), signatures=())
    if not preparable(whole):  # state lives on from part to part
        return [Segment(whole, _key(main, main.operators))]
    operators = needed(main, wanted)
    frontiers = _frontiers(main, operators, wanted)
    parts, first = [], 0
    for last in range(1, len(operators) + 1):
        at_end = last == len(operators)
        if not at_end and (
            last - first < LEAST
            or operators[last - 1].opcode == "DEPTHWISE_CONV_2D"
            or not _is_small(main, frontiers[last])
        ):
            continue
        chosen = operators[first:last]
        inputs = frontiers[first] if first else main.inputs
        part = replace(
            main,
            operators=tuple(replace(op, index=i) for i, op in enumerate(chosen)),
            inputs=inputs,
            outputs=wanted if at_end else frontiers[last],
        )
        key = _key(main, chosen, (*part.inputs, -1, *part.outputs))
        parts.append(Segment(whole.changed(subgraphs=(part, *model.subgraphs[1:])), key))
        first = last
    return parts


def _frontiers(
    main: Subgraph, operators: list[Operator], wanted: Iterable[int]
) -> list[tuple[int, ...]]:
    """Per position: computed tensors made before it and read from there on, or wanted."""
    live = set(wanted)
    found = []
    for op in reversed(operators):
        found.append(tuple(sorted(live)))
        live -= set(op.outputs)
        live |= {t for t in op.inputs if t >= 0 and not main.tensors[t].is_constant}
    return [tuple(sorted(live)), *found[::-1]]


def _is_small(main: Subgraph, frontier: tuple[int, ...]) -> bool:
    sizes = [math.prod(main.tensors[t].shape) for t in frontier]
    return sum(sizes) <= CROWD * max(sizes, default=0)


def _key(main: Subgraph, operators: Iterable[Operator], ends: tuple[int, ...] = ()) -> bytes:
    digest = hashlib.blake2b(repr(ends).encode(), digest_size=16)
    for op in operators:
        options = sorted(op.options.fields.items()) if op.options else ()
        digest.update(repr((op.name, op.inputs, op.outputs, options)).encode())
        for index in (*op.inputs, *op.outputs):
            if index >= 0:
                _add_tensor(digest, main.tensors[index])
    return digest.digest()


def _add_tensor(digest, tensor: Tensor) -> None:
    digest.update(repr((tensor.dtype, tensor.shape, tensor.qparams)).encode())
    if tensor.data is not None:
        digest.update(tensor.data)
