"""Quantized dimensions that LiteRT refuses to load, put right: of a vector, or of a lone scale."""

from __future__ import annotations

from dataclasses import replace

from tflite_requant.catalog.dimension import dimension_error, dimension_errors
from tflite_requant.errors import Finding
from tflite_requant.rewrite.desk import Desk

HINT = "LiteRT refuses the source for it; it was put right"


def mend(desk: Desk) -> None:
    """Let every such tensor name dimension 0, also where nothing else about it changed."""
    for source, where, found in dimension_errors(desk.source):
        if len(source.qparams.scales) > 1 and len(source.shape) > 1:
            continue  # nobody knows along which one
        now = desk.edit.tensors[source.index]
        if dimension_error(now):
            desk.edit.tensors[source.index] = _along_0(now)
        desk.done.findings.append(
            Finding("note", where, "quantized-dimension", found, "dimension 0", HINT)
        )


def _along_0(tensor):
    rest, record = tensor.rest, tensor.rest.get("quantization")
    if record is not None:
        rest = rest.with_fields(quantization=record.with_fields(quantized_dimension=0))
    return replace(tensor, qparams=replace(tensor.qparams, axis=0), rest=rest)
