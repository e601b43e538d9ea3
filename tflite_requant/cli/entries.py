"""Which part of a model a command runs, and which not: the main subgraph, and what it calls."""

from __future__ import annotations

from typing import Any

from tflite_requant.model import Model
from tflite_requant.planning.domains import called_subgraphs


def not_run(model: Model) -> list[dict[str, Any]]:
    """Subgraphs that start by themselves, but for the main one, and the signatures of each."""
    called = called_subgraphs(model)
    return [
        {"subgraph": s.index, "name": s.name, "signatures": _keys(model, s.index)}
        for s in model.subgraphs[1:]
        if s.index not in called
    ]


def entry_fields(model: Model) -> list[tuple[str, str]]:
    """Lines that say what is run and what not; none where there is no other."""
    left = not_run(model)
    if not left:
        return []
    told = [_told(s["subgraph"], s["name"], s["signatures"]) for s in left]
    keys = [key for s in left for key in s["signatures"]]
    how = f"; in Python, Interpreter.run(..., signature={keys[0]!r}) runs it" if keys else ""
    return [
        ("run", _told(0, model.main.name, _keys(model, 0))),
        ("not run", ", ".join(told) + how),
    ]


def _keys(model: Model, subgraph: int) -> list[str]:
    return [s.key for s in model.signatures if s.subgraph == subgraph]


def _told(index: int, name: str, keys: list[str]) -> str:
    known = f" (signature {', '.join(keys)})" if keys else ""
    return f"subgraph {index} {name}".rstrip() + known
