"""Explicit padding: which convolutions read a PADV2, so that zero-point folding reaches through.

A convolution pads with real zeros, that is with its input's zero point. In a folded tensor real
zero is another integer, c = zero point + offset / scale. A PADV2 that frames the tensor with c,
before the same convolution without padding, computes what the source computed, on hardware that
knows no zero points, and the tensor keeps its full source grid.

P1  CONV_2D or DEPTHWISE_CONV_2D with padding SAME whose window leaves an input of static size.
P2  everything else about the tensor permits folding (F1, F2, F3 of `folding`).
Where only some may be padded, the tensors come first whose grid would otherwise disturb the
outputs most; see `choose`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tflite_requant.catalog import spec_of
from tflite_requant.model import Operator, Subgraph, TensorType
from tflite_requant.planning import folding
from tflite_requant.planning.domains import is_weighted

ANY = "any"
PADDED = ("CONV_2D", "DEPTHWISE_CONV_2D")

Frame = tuple[tuple[int, int], tuple[int, int]]  # (before, after) of rows, of columns
# Grids that tensors would be put on -> what each of these would cost at the outputs.
Rank = Callable[[Mapping[int, TensorType]], Mapping[int, float]]


def can_be_explicit(subgraph: Subgraph, op: Operator) -> bool:
    """Whether a PADV2 may take over an operator's padding (P1)."""
    if op.opcode not in PADDED or op.option("padding") != "SAME":
        return False
    x = subgraph.tensors[op.inputs[0]]
    sizes = (*x.shape[1:], *(x.shape_signature or x.shape)[1:])
    return len(x.shape) == 4 and min(sizes) > 0 and folding.reads_padding(subgraph, op)


def frame(subgraph: Subgraph, op: Operator) -> Frame:
    """What SAME padding puts around the input, the odd one behind."""
    x, w, y = (subgraph.tensors[i].shape for i in (op.inputs[0], op.inputs[1], op.outputs[0]))
    around = []
    for axis, name in ((1, "h"), (2, "w")):
        stride = op.option(f"stride_{name}", 1)
        reach = (w[axis] - 1) * (op.option(f"dilation_{name}_factor", 1) or 1) + 1
        total = max((y[axis] - 1) * stride + reach - x[axis], 0)
        around.append((total // 2, total - total // 2))
    return around[0], around[1]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tied group of tensors that explicit padding would let fold.

    lead: the tensor that the others copy; grid: what it has to be stored on otherwise, in true
    reals; readers: operators to pad; frames: how many PADV2 they need together.
    """

    lead: int
    grid: TensorType
    readers: tuple[int, ...]
    frames: int


def candidate(
    subgraph: Subgraph, tensors: Iterable[int], grid: TensorType, producers: dict, consumers: dict
) -> Candidate:
    """tensors: all of a tied group; grid: what they get without folding."""
    tensors = sorted(tensors)
    readers = {
        (t, op.index, frame(subgraph, op))
        for t in tensors
        for op, position in consumers.get(t, ())
        if position == 0 and can_be_explicit(subgraph, op)
    }
    return Candidate(
        next((t for t in tensors if is_weighted(spec_of(producers[t]))), tensors[0]),
        grid,
        tuple(sorted({op for _, op, _ in readers})),
        len({(t, around) for t, _, around in readers}),
    )


def choose(
    candidates: Iterable[Candidate], limit: int | str, rank: Rank | None = None
) -> frozenset[int]:
    """Operators to pad explicitly: all candidates' readers where `limit` PADV2 suffice for them or
    it is "any", else those of the tensors that `rank` says matter most for each PADV2 (without it,
    of the first ones)."""
    candidates = list(candidates)
    if limit == ANY or sum(c.frames for c in candidates) <= limit:
        return frozenset(op for c in candidates for op in c.readers)
    costs = rank({c.lead: c.grid for c in candidates}) if rank and candidates else {}
    ranked = sorted(candidates, key=lambda c: (-costs.get(c.lead, 0.0) / c.frames, c.readers))
    chosen: set[int] = set()
    for one in ranked:
        if one.frames <= limit:
            chosen.update(one.readers)
            limit -= one.frames
    return frozenset(chosen)
