"""What a model remembers of how it was made: the metadata entry `tflite_requant`."""

from __future__ import annotations

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


def arithmetic_of(model: Model) -> str | None:
    """The arithmetic profile that a model was made for, or None where it does not say."""
    told = (memory_of(model) or {}).get("arithmetic")
    return told if isinstance(told, str) else None
