"""Which part of a model a command runs, and which not: the main subgraph or that of `--signature`,
and what it calls."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tflite_requant.errors import UsageError
from tflite_requant.spelling import or_meant

if TYPE_CHECKING:  # flags are known before anything heavy is
    from tflite_requant.model import Model


def add_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--signature", metavar="NAME",
        help="take the subgraph of this signature, by its names of inputs and outputs; default the "
        "main subgraph",
    )  # fmt: skip


def entered(model: Model, signature: str | None, path: str) -> Model:
    """The model that is run. Raises UsageError for a signature that it does not have."""
    from tflite_requant import extract

    keys = [s.key for s in model.signatures]
    if signature is None:
        return model
    if signature not in keys:
        known = f"known: {', '.join(keys)}" if keys else "the model has none"
        raise UsageError(
            f"{path}: --signature: unknown {signature!r}{or_meant(signature, keys)}; {known}"
        )
    return extract.entered(model, signature)


def not_run(model: Model, signature: str | None = None) -> list[dict[str, Any]]:
    """Subgraphs that start by themselves, but for the one that is run, and the signatures of
    each."""
    from tflite_requant.planning.domains import called_subgraphs

    called, entry = called_subgraphs(model), _entry(model, signature)
    return [
        {"subgraph": s.index, "name": s.name, "signatures": _keys(model, s.index)}
        for s in model.subgraphs
        if s.index != entry and s.index not in called
    ]


def entry_fields(
    model: Model, signature: str | None = None, flag: str = "--signature"
) -> list[tuple[str, str]]:
    """Lines that say what is run and what not; none where there is no other. flag: what runs
    another one, before its name."""
    left = not_run(model, signature)
    if not left:
        return []
    told = [_told(s["subgraph"], s["name"], s["signatures"]) for s in left]
    keys = [key for s in left for key in s["signatures"]]
    how = f"; {flag} {keys[0]} runs it" if keys else ""
    entry = _entry(model, signature)
    keys = _keys(model, entry) if signature is None else [signature]
    return [
        ("run", _told(entry, model.subgraphs[entry].name, keys)),
        ("not run", ", ".join(told) + how),
    ]


def _entry(model: Model, signature: str | None) -> int:
    return next((s.subgraph for s in model.signatures if s.key == signature), 0)


def _keys(model: Model, subgraph: int) -> list[str]:
    return [s.key for s in model.signatures if s.subgraph == subgraph]


def _told(index: int, name: str, keys: list[str]) -> str:
    known = f" (signature {', '.join(keys)})" if keys else ""
    return f"subgraph {index} {name}".rstrip() + known
