"""One model as a page: what is in it, its scales, its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tflite_requant.report.html import plots, require_packages
from tflite_requant.report.html.page import multiplier_range, rendered, tensor_name
from tflite_requant.report.text import shifts
from tflite_requant.study.outcome import SingleWeights


def inspection_page(
    model: str,
    facts: dict[str, Any],
    overview: Sequence[tuple[str, str]],
    weights: Sequence[SingleWeights],
) -> str:
    """The page's text. model: the file's name; facts: what `inspect --json` tells of it.

    Raises UsageError where jinja2 or matplotlib is not installed.
    """
    require_packages()
    activations = list(_activations(facts))
    return rendered(
        "inspection.html.j2",
        model=model,
        facts=facts,
        overview=overview,
        scales=plots.scales_figure(activations) if activations else "",
        rows=[_row(w) for w in weights],
    )


def _activations(facts: dict[str, Any]):
    """(name, scale) of what operators write on one scale, in order of execution."""
    for subgraph in facts["subgraphs"]:
        for op in subgraph["operators"]:
            for index in op["outputs"]:
                tensor = subgraph["tensors"][index] if index >= 0 else None
                if tensor and len(tensor["scales"]) == 1 and tensor["scales"][0] > 0:
                    yield f"{op['name']}: {tensor['name']}", tensor["scales"][0]


def _row(one: SingleWeights) -> dict[str, Any]:
    return {
        "op": one,
        "tensor": tensor_name(one.label, one.name),
        "multiplier": multiplier_range(one.multipliers),
        "shifts": shifts(
            (min(one.shifts), max(one.shifts)) if one.shifts else None, one.only_shifts
        ),
        "figure": plots.single_figure("weights, share of each step (log)", one.weights),
    }
