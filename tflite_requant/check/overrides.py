"""Overrides of a scheme that no operator of a model is meant by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tflite_requant.errors import Finding
from tflite_requant.model import Subgraph
from tflite_requant.schemes import Override, Scheme
from tflite_requant.spelling import or_meant
from tflite_requant.wording import shorten

SHOWN = 3
NAME_WIDTH = 40


def idle(scheme: Scheme, subgraphs: Iterable[Subgraph]) -> Iterator[Finding]:
    """A warning for each, with names that could have been meant."""
    named = [
        (op.name, next((s.tensors[t].name for t in op.outputs if t >= 0), ""))
        for s in subgraphs
        for op in s.operators
    ]
    for number, override in enumerate(scheme.overrides, 1):
        if not any(override.matches(*names) for names in named):
            yield Finding(
                "warning", "model", "override",
                f"[[override]] {number}, {_told(override)}, matches no operator", "",
                _hint(override, named),
            )  # fmt: skip


def _told(override: Override) -> str:
    words = (("operator", override.operator), ("tensor", override.tensor))
    return " and ".join(f"{key} = {value!r}" for key, value in words if value is not None)


def _hint(override: Override, named: list[tuple[str, str]]) -> str:
    types = list(dict.fromkeys(operator for operator, _ in named))
    if override.operator is not None and override.operator not in types:
        return f"the model has {', '.join(types)}{or_meant(override.operator, types)}"
    outputs = [n for op, n in named if override.operator in (None, op)]
    some = ", ".join(shorten(n, NAME_WIDTH) for n in outputs[:SHOWN])
    some += (", ..." if len(outputs) > SHOWN else "")
    return f"tensor = is searched in names of first outputs, such as {some}"
