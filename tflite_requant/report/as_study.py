"""A study as JSON values, and as node data for Model Explorer."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from tflite_requant.report.as_json import plain
from tflite_requant.study.outcome import Study

MOST = 99.0  # dB that stand for no difference: node data are numbers
GRADIENT = ((0.0, "#c2452f"), (0.4, "#e0b33c"), (1.0, "#3f8f6b"))


def study_value(study: Study) -> dict[str, Any]:
    """The study as JSON values; an SQNR of null beside differing 0 is infinite."""
    found = plain(asdict(study))
    for tensor, original in zip(found["tensors"], study.tensors, strict=True):
        tensor["steps"] = {str(k): v for k, v in original.steps.items()}
    return found


def overlay(study: Study) -> str:
    """Node data for Model Explorer: the SQNR in dB of each activation, by tensor name.

    Format: `GraphNodeData` of google-ai-edge/model-explorer, node_data_builder.py.
    """
    results = {
        t.name: {"value": round(min(t.sqnr, MOST), 2)}
        for t in study.tensors
        if t.sqnr is not None and not math.isnan(t.sqnr) and t.sqnr > -math.inf
    }
    gradient = [{"stop": stop, "bgColor": colour} for stop, colour in GRADIENT]
    return json.dumps({"results": results, "gradient": gradient}, indent=2) + "\n"
