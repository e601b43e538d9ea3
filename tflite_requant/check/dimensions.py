"""Quantized dimensions that LiteRT refuses to load, whatever the scheme."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.catalog.dimension import dimension_errors
from tflite_requant.errors import Finding
from tflite_requant.model import Subgraph

HINT = "LiteRT refuses to load the model for it; requantize puts it right"


def misplaced(subgraph: Subgraph, severity: str = "error") -> Iterator[Finding]:
    """A finding for each tensor, at the first operator that touches it."""
    for _, where, found in dimension_errors(subgraph):
        yield Finding(severity, where, "quantized-dimension", found, "dimension 0", HINT)
