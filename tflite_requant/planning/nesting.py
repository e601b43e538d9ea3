"""Nested rounding: cells of the new grid that are made of whole cells of the source's.

A tensor of values from 0 up that fills 256 steps s of the source has 128 steps on a grid with zero
point 0 of a signed type. Where its producer computes what it computed in the source, a value x
that the source rounds to k steps need not be rounded anew: with

    step 2 s,   n = round((x + s / 2) / (2 s)) = ceil(k / 2)   (ties aside),

what is stored, 2 n, is k or k + 1: the error has variance 1/4 s^2 about its mean, 1/2 s. Without
the s / 2, thresholds lie in the middle of the source's cells, and it is 1/2 s^2; on a grid whose
cells have no relation to the source's it is (1 + r^2) / 12 s^2 for a step r s. The mean, which is 0
where k is, is for the consumers' biases to take.

N1  the producer is a weighted operator, and all tensors before it keep the source's grid, step by
    step: so its accumulators are the source's, but for weights that had to leave their grid.
N2  every consumer is a weighted operator that reads it as its input; it is no graph output, and
    nothing outside asks for it by name.
N3  the source's values begin at 0, and 2 s per step loses at most the last one of them.
N4  1/4 is less than (1 + r^2) / 12: r, the step that covers the old range, is above sqrt(2) s.
N5  that last value is rare. What is stored for it is 1 step below k instead of 1/2 above, in whole
    regions alike, which no sum averages out: so it counts COHERENT times, as what is cut off does
    in `ranges`. It has to cost less than what is gained, 5/12 - 1/4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tflite_requant.catalog import spec_of
from tflite_requant.model import Operator, Tensor, TensorType
from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning.context import Context, Node
from tflite_requant.planning.domains import is_weighted
from tflite_requant.planning.grids import Grids
from tflite_requant.planning.nodes import Nodes

LEAST = math.sqrt(2)
NOISE = 1e-6  # of ratios of float32 scales
COHERENT = 4.0
RARE = (5 / 12 - 1 / 4) / (COHERENT * (3 / 2) ** 2)  # share of all values


def saturated(shares: Mapping[int, float]) -> frozenset[int]:
    """Tensors that are not nested for N5. shares: of the greatest stored integer, by tensor."""
    return frozenset(t for t, share in shares.items() if share > RARE)


def candidates(context: Context, nodes: Nodes, grids: Grids) -> frozenset[int]:
    """Tensors that may be nested (N1 to N4), on these grids; N5 is for who knows more."""
    if not context.fold or context.scheme.bias.own_scale:  # few bits: no room for half a step
        return frozenset()
    same = {t for t in context.subgraph.inputs if context.at_border(t)}
    found = set()
    for op, _, ports in nodes.ported:
        read = [(t, p) for side, p, t, _ in ports if side == "in" and not t.is_constant]
        if not all(
            t.index in same and _ratio(grids, t, nodes.port_nodes[op.index, "in", p]) == 1
            for t, p in read
        ):
            continue
        for side, position, tensor, _ in ports:
            node = nodes.port_nodes[op.index, side, position]
            if side == "out" and _ratio(grids, tensor, node) == 1:
                same.add(tensor.index)
            elif side == "out" and _may_nest(context, nodes, grids, op, tensor):
                found.add(tensor.index)
    return frozenset(found)


def lifts(context: Context, nodes: Nodes, grids: Grids) -> dict[int, float]:
    """What the producers of `context.nested` add before they round: s / 2, in stored reals; where
    the step is twice the source's in the end."""
    return {
        t: grids.at(nodes.home_node(t)).qparams.scale / 4
        for t in sorted(context.nested)
        if _ratio(grids, context.tensor(t), nodes.home_node(t)) == 2
    }


def _ratio(grids: Grids, tensor: Tensor, node: Node) -> float:
    """True step at a node over the source's; 0 where the source has many."""
    if tensor.qparams.per_axis:
        return 0.0
    ratio = grids.true_at(node).qparams.scale / tensor.qparams.scale
    return round(ratio) if abs(ratio - round(ratio)) <= NOISE else ratio


def _may_nest(context: Context, nodes: Nodes, grids: Grids, op: Operator, tensor: Tensor) -> bool:
    index, home = tensor.index, nodes.home_node(tensor.index)
    readers = context.consumers.get(index, ())
    around = [op, *(reader for reader, _ in readers)]
    return (
        is_weighted(spec_of(op))
        and bool(readers)
        and all(context.domains.get(o.index) == context.default for o in around)
        and all(_reads_as_input(reader, position) for reader, position in readers)
        and all(nodes.port_nodes[o.index, "in", p] == home for o, p in readers)
        and index not in {*context.subgraph.outputs, *context.named}
        and len(nodes.groups.members(home)) == 1
        and _has_room(context, tensor, grids.at(home))
        and _ratio(grids, tensor, home) > LEAST
    )


def _reads_as_input(op: Operator, position: int) -> bool:
    spec = spec_of(op)
    return is_weighted(spec) and spec.inputs[position].role == "activation"


def _has_room(context: Context, tensor: Tensor, new: TensorType) -> bool:
    """Whether values begin at 0, and twice the source's step leaves out at most the last (N3)."""
    low, high = context.interval(tensor)
    steps = RANGES[new.dtype][1] - new.qparams.zero_point
    return (
        low == 0 and new.qparams.zero_point == 0 and high < (2 * steps + 1.5) * tensor.qparams.scale
    )
