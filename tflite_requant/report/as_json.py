"""A report as JSON; schema/report.schema.json says what it looks like."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from tflite_requant.errors import RefusedError
from tflite_requant.outcome import OperatorOutcome, Report
from tflite_requant.report.findings import finding_value
from tflite_requant.report.numbers import numbers
from tflite_requant.version import VERSION

FORMAT = 1


def document(command: str, **content: Any) -> str:
    """The text of one JSON document; the same content gives the same text."""
    head = {"format": FORMAT, "tool": f"tflite_requant {VERSION}", "command": command}
    return json.dumps({**head, **content}, indent=2, ensure_ascii=False, allow_nan=False)


def report_value(report: Report) -> dict[str, Any]:
    """What was done and found under one scheme."""
    return {
        "scheme": report.scheme,
        "summary": report.summary,
        "arithmetic": report.arithmetic,
        "data": report.data,
        "corrections": list(report.corrections),
        "changed": report.changed,
        "source": {"sha256": report.source_sha256, "bytes": report.source_bytes},
        "result": {"sha256": report.result_sha256, "bytes": report.result_bytes},
        "numbers": {name: finite(value) for name, value in numbers(report).items()},
        **({"sqnr_of": report.sqnr_of} if "sqnr" in report.metrics else {}),
        "findings": [finding_value(f) for f in report.findings],
        "inserted": list(report.inserted),
        "removed": list(report.removed),
        "inputs": [asdict(p) for p in report.inputs],
        "outputs": [asdict(p) for p in report.outputs],
        "operators": [_operator(op) for op in report.operators],
        "tensors": [asdict(t) for t in report.tensors],
    }


def refusal_value(scheme: str, error: RefusedError) -> dict[str, Any]:
    """Why a scheme was refused."""
    return {
        "scheme": scheme,
        "refused": error.summary,
        "findings": [finding_value(f) for f in error.findings],
    }


def finite(value: float) -> float | None:
    """The number, or None where JSON has none for it."""
    return value if math.isfinite(value) else None


def plain(value: Any) -> Any:
    """Tuples as lists and numbers that JSON has, all the way down."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [plain(v) for v in value]
    return finite(value) if isinstance(value, float) else value


def _operator(op: OperatorOutcome) -> dict[str, Any]:
    """One operator; what does not apply to it is left out."""
    return plain({k: v for k, v in asdict(op).items() if v is not None})
