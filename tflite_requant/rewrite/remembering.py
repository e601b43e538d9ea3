"""What a result says of itself: its metadata, and a note in its description."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping

from tflite_requant.catalog import min_runtime_version
from tflite_requant.memory import METADATA_NAME, memory_of
from tflite_requant.model import Edit, Model
from tflite_requant.planning import Plan
from tflite_requant.schemes import Scheme
from tflite_requant.version import VERSION

MIN_RUNTIME = "min_runtime_version"


def remember(
    edit: Edit, model: Model, scheme: Scheme, plans: dict[int, Plan], keep_unknown: bool
) -> None:
    """Put the metadata into the edit by which later commands know what the model is."""
    entry = {
        "format": 1,
        "tool": f"tflite_requant {VERSION}",
        "scheme": scheme.name,
        "arithmetic": scheme.arithmetic,
        "source_sha256": hashlib.sha256(model.to_bytes()).hexdigest(),
        "source_tensors": [len(s.tensors) for s in model.subgraphs],
        "relabelled": [entry for s, p in plans.items() for entry in _relabelled(s, p)],
    }
    if keep_unknown:
        entry["keep_unknown"] = True
    _set_entry(edit, entry)
    edit.description = described(model.description, scheme.name)
    _set_min_runtime(edit, model)


def remember_merged(
    edit: Edit, model: Model, merged: Mapping[int, Iterable[tuple[int, int]]]
) -> None:
    """Add to a result's metadata which tensors are gone and which ones have their values. edit: of
    `model`, the result; merged: by subgraph."""
    entry = memory_of(model) or {}
    entry["merged"] = [
        {"subgraph": s, "tensor": gone, "into": kept}
        for s, pairs in sorted(merged.items())
        for gone, kept in pairs
    ]
    _set_entry(edit, entry)
    _set_min_runtime(edit, model)


def _set_entry(edit: Edit, entry: dict) -> None:
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    edit.set_metadata(METADATA_NAME, text.encode())


def _set_min_runtime(edit: Edit, model: Model) -> None:
    """What the edit's operators ask for, where the model says what its own do."""
    old = model.metadata_bytes(MIN_RUNTIME)
    if old is not None:
        kinds = [(op.opcode, op.version) for s in edit.subgraphs for op in s.operators_in_order()]
        version = min_runtime_version(kinds)
        if version is not None:
            edit.set_metadata(MIN_RUNTIME, version.encode().ljust(len(old), b"\0"))


def described(old: str | None, scheme: str) -> str:
    """A model's description with a note at its end, which viewers such as Netron show."""
    kept = re.sub(r" ?\[tflite_requant [^\[\]]*\]$", "", old or "")
    return f"{kept} [tflite_requant {VERSION}: {scheme}]".lstrip()


def _relabelled(subgraph: int, plan: Plan) -> list[dict]:
    """Tensors whose stored reals are not the true ones: true = scale * (q - zero_point) - offset,
    with the true scale, which is the stored one over the gain."""
    changed = {t for t, gain in plan.gains.items() if gain != 1} | set(plan.offsets)
    entries = []
    for tensor in sorted(changed):
        gain = plan.gains.get(tensor, 1.0)
        entries.append(
            {
                "subgraph": subgraph,
                "tensor": tensor,
                "scale": plan.home[tensor].qparams.scale / gain,
                "offset": plan.offsets.get(tensor, 0.0) / gain,
                "gain": gain,
            }
        )
    return entries
