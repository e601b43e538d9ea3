"""Is what was read a model at all? Runs once behind the reader, before anything else looks at it.

The reader vouches for the file's structure and indices. Here tensors, graph, operators and shapes
are held against each other, so that planner, rules and kernels may take for granted what a sound
model has. All findings are collected; the operator laws are data in `catalog.forms`.
"""

from __future__ import annotations

from tflite_requant.errors import Finding, damage
from tflite_requant.model.graph import Model
from tflite_requant.validation import graph, memory, operators, shapes, tensors

__all__ = ["require_filled", "require_sound", "unsound"]


def unsound(model: Model) -> tuple[Finding, ...]:
    """Every finding; shapes are judged only where tensors, graph and operators are sound."""
    found = [*tensors.findings(model), *graph.findings(model), *operators.findings(model)]
    return tuple(found or shapes.findings(model))


def require_sound(model: Model) -> None:
    """Raise FormatError with all findings where a model is damaged, or needs too much memory."""
    found = unsound(model)
    if found:
        raise damage(found)
    memory.require_fits(model)


def require_filled(model: Model) -> None:
    """Raise FormatError where constants do not fill their shapes; for models made in memory."""
    found = tuple(f for f in tensors.findings(model) if f.law == "constant-size")
    if found:
        raise damage(found)
