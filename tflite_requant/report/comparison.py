"""A comparison as 80 columns of plain text, and as plain values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tflite_requant.compare.outcome import BEYOND, STEPS, Comparison, Mismatch, TensorComparison
from tflite_requant.report.as_json import finite, plain
from tflite_requant.report.layout import (
    WIDTH,
    at_most,
    fields,
    number,
    percent,
    plural,
    shorten,
    table,
    wrap,
)

SHOWN = 10
NAME_WIDTH = 30
LISTED = 3


def comparison_lines(found: Comparison, b: str, verbose: bool = False) -> list[str]:
    """What was compared and what differs. b: the name of the other side. verbose: every tensor."""
    shown, title = _shown(found, verbose)
    lines = fields(_overview(found, b))
    if shown:
        lines += ["", f"  {title}", *_table(shown)]
    return lines


def _overview(found: Comparison, b: str) -> list[tuple[str, str]]:
    pairs = [("against", b), ("arithmetic", _arithmetic(found)), ("compared", _compared(found))]
    pairs.append(("answer", _answer(found)))
    first = found.first
    if first is not None:
        pairs += [
            ("first", _where(first)),
            ("", f"{first.differing:,} of {plural(first.elements, 'element')}; {_example(first)}"),
        ]
        if first.histogram:
            pairs.append(("", f"steps {histogram_text(first.histogram)}"))
        total = total_histogram(found)
        if total and sum(bool(t.differing) for t in found.tensors) > 1:
            pairs.append(("all", f"steps {histogram_text(total)}"))
    if not found.equal:
        pairs += [("output", _output(t)) for t in found.outputs]
    if found.logits_sqnr is not None and not found.equal:
        pairs.append(("logits", f"SQNR of the logits {decibels(found.logits_sqnr)}, means removed"))
    if found.raw and not found.equal:
        told = ", ".join(f"{shorten(t.name, NAME_WIDTH)} {_decibels_of(t)}" for t in found.raw)
        pairs.append(("raw", f"SQNR of what post-processing reads: {told}"))
    if found.same_top1 is not None:
        share = percent(found.same_top1, found.samples)
        pairs.append(("top-1", f"the same in {found.same_top1:,} of {found.samples:,} ({share})"))
    unseen = "only A" if found.against == "model" else "not shown"
    for name, names in ((unseen, found.only_a), ("only B", found.only_b)):
        if names:
            pairs.append((name, _listed(names)))
    return pairs


def _arithmetic(found: Comparison) -> str:
    if found.arithmetic_b in ("", found.arithmetic):
        return found.arithmetic
    return f"{found.arithmetic} of A, {found.arithmetic_b} of B"


def _compared(found: Comparison) -> str:
    elements = sum(t.elements for t in found.tensors)
    exact = sum(t.exact for t in found.tensors)
    how = "stored values" if found.exact else "real values, in steps of A's scale"
    if 0 < exact < len(found.tensors):
        how = f"{exact} by stored values, {len(found.tensors) - exact} by real ones in A's steps"
    what = f"{plural(len(found.tensors), 'tensor')}, {plural(elements, 'element')}"
    return f"{what}, {plural(found.samples, 'sample')}: {how}"


def _answer(found: Comparison) -> str:
    if found.equal:
        return "equal, 0 elements differ" if found.exact else "equal to half a step"
    tensors = sum(bool(t.differing) for t in found.tensors)
    count = sum(t.differing for t in found.tensors)
    return f"{plural(count, 'element')} in {plural(tensors, 'tensor')} differ"


def _where(tensor: TensorComparison) -> str:
    label = shorten(tensor.operator, WIDTH - 16)
    if tensor.operator.endswith(tensor.name):
        return label
    return f"{label}, tensor {tensor.index} {shorten(tensor.name, WIDTH - 26)}"


def _example(tensor: TensorComparison) -> str:
    at: Mismatch = tensor.first
    if isinstance(at.a, str):
        return f"sample {at.sample} has shape {at.a} in A, {at.b} in B"
    place = ", ".join(map(str, at.position))
    return f"sample {at.sample} at [{place}] has {number(at.a)} in A, {number(at.b)} in B"


def _output(tensor: TensorComparison) -> str:
    sqnr = "" if tensor.sqnr is None else f", SQNR of the output {decibels(tensor.sqnr)}"
    if tensor.sqnr == math.inf:
        sqnr = ", exact"
    share = percent(tensor.elements - tensor.differing, tensor.elements or 1)
    return f"{shorten(tensor.name, NAME_WIDTH)}: {share} of the elements equal{sqnr}"


def _decibels_of(tensor: TensorComparison) -> str:
    return "none" if tensor.sqnr is None else decibels(tensor.sqnr)


def _listed(names: tuple[str, ...]) -> str:
    some = ", ".join(shorten(n, NAME_WIDTH) for n in names[:LISTED])
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return f"{plural(len(names), 'tensor')}: {some}{more}"


def _shown(found: Comparison, verbose: bool) -> tuple[list[TensorComparison], str]:
    """The tensors of the table in execution order, and its title."""
    if verbose:
        return list(found.tensors), "tensors"
    differing = [t for t in found.tensors if t.differing]
    if len(differing) <= SHOWN:
        return differing, "tensors that differ; -v shows all"
    if found.exact:
        title = f"the first {SHOWN} of {len(differing)} tensors that differ; -v shows all"
        return differing[:SHOWN], title
    worst = sorted(differing, key=lambda t: math.inf if t.sqnr is None else t.sqnr)[:SHOWN]
    title = f"the {SHOWN} worst of {len(differing)} tensors that differ; -v shows all"
    return [t for t in differing if t in worst], title


def _table(tensors: Iterable[TensorComparison]) -> list[str]:
    rows = [
        (
            t.operator.split()[1],
            shorten(t.name, NAME_WIDTH),
            "" if t.exact else "real",
            str(t.elements),
            str(t.differing),
            span(t.histogram),
            "" if t.sqnr is None else decibels(t.sqnr),
        )
        for t in tensors
    ]
    lines = table(("op", "tensor", "by", "elements", "differ", "steps", "SQNR"), rows, "><<>>>>")
    if any(row[5].endswith("far") for row in rows):
        lines += wrap(f"far: some are more than {max(STEPS)} steps away", "  ")
    return lines


def span(histogram: Mapping[int | str, int]) -> str:
    """The steps that occur: "0", "-1..2"; with "far" where some are beyond the histogram."""
    steps = [step for step in STEPS if histogram.get(step)]
    told = ""
    if steps:
        told = str(steps[0]) if len(steps) == 1 else f"{steps[0]}..{steps[-1]}"
    return f"{told} far".strip() if histogram.get(BEYOND) else told


def histogram_text(histogram: Mapping[int | str, int]) -> str:
    """ "-1: 12, 0: 4,080, +1: 4, beyond: 1"; what does not occur is left out."""
    told = [(f"{k:+d}" if k else "0", histogram[k]) for k in STEPS] + [(BEYOND, histogram[BEYOND])]
    return ", ".join(f"{name}: {count:,}" for name, count in told if count)


def total_histogram(found: Comparison) -> dict[int | str, int]:
    """The sum of all tensors' histograms; {} where none has one."""
    some = [t.histogram for t in found.tensors if t.histogram]
    return {k: sum(h[k] for h in some) for k in (*STEPS, BEYOND)} if some else {}


def decibels(value: float) -> str:
    """ "41.2 dB"; "exact" where nothing differs."""
    return "exact" if value == math.inf else f"{at_most(value, 1)} dB"


def comparison_value(found: Comparison) -> dict[str, Any]:
    """A comparison as JSON holds it."""
    first = found.first
    return {
        "arithmetic": found.arithmetic,
        "arithmetic_b": found.arithmetic_b,
        "against": found.against,
        "samples": found.samples,
        "exact": found.exact,
        "equal": found.equal,
        "numbers": {name: finite(value) for name, value in found.numbers().items()},
        "same_top1": found.same_top1,
        "first": None if first is None else first.index,
        "histogram": _histogram(total_histogram(found)),
        "tensors": [_tensor(t) for t in found.tensors],
        "only_a": list(found.only_a),
        "only_b": list(found.only_b),
    }


def _tensor(t: TensorComparison) -> dict[str, Any]:
    first = None
    if t.first is not None:
        at = t.first
        first = {"sample": at.sample, "position": at.position, "a": at.a, "b": at.b}
    return plain(
        {
            "name": t.name,
            "index": t.index,
            "index_b": t.index_b,
            "operator": t.operator,
            "exact": t.exact,
            "output": t.is_output,
            "elements": t.elements,
            "differing": t.differing,
            "histogram": _histogram(t.histogram),
            "sqnr": t.sqnr,
            "first": first,
        }
    )


def _histogram(counts: Mapping[int | str, int]) -> dict[str, int] | None:
    return {str(k): n for k, n in counts.items()} if counts else None
