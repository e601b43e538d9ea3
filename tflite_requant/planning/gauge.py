"""Power-of-two scales as a gauge: which tensors may be stored in units of their own.

With power-of-two scales everywhere, only ratios matter: input scale times weight scale over output
scale of a weighted operator, and the ratios around an ADD. Storing a tensor as gain times its real
value changes no ratio that a weighted operator cannot take into its weights and bias. So a tensor
keeps the scale e that suits it, and is written with the power of two n next to it: its stored reals
are gain = n / e times the true ones.

G1  tensors that an operator adds, compares or passes on share one gain, and the two sides of a
    QUANTIZE that will be put between an operator and what it reads or writes.
G2  a weighted operator joins nothing: its weights take the ratio of the gains around it.
G3  graph inputs and outputs, fixed outputs, fences and all other operators have gain 1; SOFTMAX
    takes the gain of its input into beta.
Where tensors of different size share a gain, their scales share a mantissa b: e = b 2^k, with b
chosen so that rounding k up wastes least of the grids.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping

from tflite_requant.catalog import OpSpec
from tflite_requant.model import Operator, QParams, TensorType
from tflite_requant.planning.domains import is_weighted
from tflite_requant.planning.groups import Groups

SHARING = {
    "ADD", "SUB", "MEAN", "SUM", "RELU", "LEAKY_RELU", "EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL",
    "GREATER", "GREATER_EQUAL",
}  # fmt: skip
FREE_READERS = {"ARG_MAX", "ARG_MIN"}
ADDING = {"ADD", "SUB"}
FIRST = ("out", 0)
MANTISSAS = 64
SLACK = 0.02  # octaves by which a range may be cut rather than its grid be doubled


def absorbs_input_gain(op: Operator) -> bool:
    """Whether the operator has an option that undoes a gain of its input."""
    return op.opcode == "SOFTMAX" and isinstance(op.option("beta"), float) and op.option("beta") > 0


def gain_classes(
    ported: Iterable[tuple[Operator, OpSpec | None, list]],
    root_at: Mapping[tuple[int, str, int], Hashable],
    anchored: Iterable[Hashable],
    bridged: Iterable[tuple[Hashable, Hashable]] = (),
) -> tuple[Groups, set[Hashable]]:
    """(classes of group representatives that share a gain, representatives of gain 1).

    root_at: port -> representative of its group; anchored: those known to have gain 1; bridged:
    pairs with a QUANTIZE between them.
    """
    classes, fixed = Groups(), set(anchored)
    for one, other in bridged:
        classes.union(one, other)
    for op, spec, ports in ported:
        roots = [(side, operand, root_at[op.index, side, p]) for side, p, _, operand in ports]
        for _, _, root in roots:
            classes.add(root)
        if is_weighted(spec) or op.opcode in FREE_READERS:
            continue
        if absorbs_input_gain(op):
            fixed |= {root for side, _, root in roots if side == "out"}
        elif op.opcode in SHARING or (spec is not None and all(o.tie for _, o, _ in roots)):
            for _, _, root in roots:
                classes.union(roots[0][2], root)
        else:
            fixed |= {root for _, _, root in roots}
    return classes, {classes.find(root) for root in fixed}


def added(
    ported: Iterable[tuple[Operator, OpSpec | None, list]],
    root_at: Mapping[tuple[int, str, int], Hashable],
) -> Groups:
    """Classes of group representatives that some ADD or SUB brings together."""
    classes = Groups()
    for op, _, ports in ported:
        if op.opcode in ADDING:
            for side, position, _, _ in ports:
                classes.union(root_at[(op.index, *FIRST)], root_at[op.index, side, position])
    return classes


def of_one_mantissa(scales: list[float], given: Iterable[float] = ()) -> list[float]:
    """Scales whose ratios are powers of two, from those that suit best; given: scales of the same
    class that cannot change, whose mantissa is taken."""
    given = list(given)
    if not given and len(set(scales)) < 2:
        return scales
    if given:
        mantissa = 2 * math.frexp(given[0])[0]
    else:
        ordered = sorted(set(scales))
        steps = [2.0 ** (i / MANTISSAS) for i in range(MANTISSAS)]
        own = [2 * math.frexp(s)[0] for s in ordered]
        mantissa = min([*own, *steps], key=lambda b: (_waste(ordered, b), b))
    return [math.ldexp(mantissa, _exponent(s, mantissa)) for s in scales]


def relabelled(scales: list[float]) -> list[tuple[float, float]]:
    """(power of two to write, gain) for tensors that share a gain, from scales that suit them."""
    distinct = sorted(set(scales))
    if len(distinct) == 1:
        exponent = round(math.log2(distinct[0]))
        written = math.ldexp(1.0, exponent)
        return [(written, written / distinct[0])] * len(scales)
    index = min(range(MANTISSAS), key=lambda i: (_waste(distinct, 2.0 ** (i / MANTISSAS)), i))
    mantissa = 2.0 ** (index / MANTISSAS)
    shift = round(index / MANTISSAS)
    gain = math.ldexp(1.0, shift) / mantissa
    return [(math.ldexp(1.0, _exponent(s, mantissa) + shift), gain) for s in scales]


def _exponent(scale: float, mantissa: float) -> int:
    return math.ceil(math.log2(scale / mantissa) - SLACK)


def _waste(scales: list[float], mantissa: float) -> float:
    # A range that is cut is no gain: scales that are powers of two already must stay.
    ratios = [mantissa * 2.0 ** _exponent(s, mantissa) / s for s in scales]
    return sum(max(r, 1 / r) ** 2 for r in ratios)


def written(grid: TensorType, scale: float) -> TensorType:
    """The same stored integers, under another scale."""
    return TensorType(grid.dtype, QParams((scale,), grid.qparams.zero_points))
