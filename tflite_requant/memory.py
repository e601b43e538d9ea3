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


def arithmetic_of(model: Model) -> str | None:
    """The arithmetic profile that a model was made for, or None where it does not say."""
    told = (memory_of(model) or {}).get("arithmetic")
    return told if isinstance(told, str) else None
