"""What a model remembers of how it was made: the metadata entry `tflite_requant`."""

from __future__ import annotations

import hashlib
import json

from tflite_requant.model import Model

METADATA_NAME = "tflite_requant"
DEFAULT_ARITHMETIC = "litert-reference"


def memory_of(model: Model) -> dict | None:
    """What the entry says, or None for a model of another origin."""
    data = model.metadata_bytes(METADATA_NAME)
    if data is None:
        return None
    try:
        entry = json.loads(data)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def relabelled_of(model: Model) -> list[dict[str, int | float]]:
    """What the entry says of relabelled tensors: subgraph and tensor, and the true value as
    scale * (integer - zero_point) - offset; gain: the file's scale over this one.

    What is wrongly formed, or of tensors that the model does not have, counts as not said.
    """
    try:
        found = [
            {
                "subgraph": int(entry["subgraph"]),
                "tensor": int(entry["tensor"]),
                "scale": float(entry["scale"]),
                "offset": float(entry["offset"]),
                "gain": float(entry["gain"]),
            }
            for entry in (memory_of(model) or {}).get("relabelled", ())
        ]
    except (KeyError, OverflowError, TypeError, ValueError):
        return []
    sizes = [len(s.tensors) for s in model.subgraphs]
    known = all(
        0 <= e["subgraph"] < len(sizes) and 0 <= e["tensor"] < sizes[e["subgraph"]] for e in found
    )
    return found if known else []


def memory_of_subgraph(model: Model, index: int) -> bytes:
    """The entry of a model of which a subgraph becomes the main one: what is said of that one, and
    of which source; of a model that says nothing, that it is its own."""
    entry = memory_of(model)
    if entry is None:
        source = hashlib.sha256(model.to_bytes()).hexdigest()
        sizes = [len(s.tensors) for s in model.subgraphs]
        entry = {"source_sha256": source, "source_tensors": sizes}
    told = dict(entry)
    try:
        told["source_tensors"] = entry["source_tensors"][index:]
        for key in ("relabelled", "merged"):
            own = [e for e in entry.get(key, ()) if e["subgraph"] == index]
            told[key] = [{**e, "subgraph": 0} for e in own]
    except (KeyError, TypeError, ValueError):
        pass  # wrongly formed: as good as not said
    return json.dumps(told, sort_keys=True).encode()


def arithmetic_of(model: Model) -> str | None:
    """The arithmetic profile that a model was made for, or None where it does not say."""
    told = (memory_of(model) or {}).get("arithmetic")
    return told if isinstance(told, str) else None
