"""Findings as text, and as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from tflite_requant.errors import Finding
from tflite_requant.report.layout import WIDTH, plural, shorten, wrap


def finding_lines(findings: Iterable[Finding], indent: str = "  ") -> list[str]:
    """The place on a line, below it what is there, what the law asks for and what to do.

    Neighbours at one place share its line; places of which the same is told follow each other.
    """
    lines: list[str] = []
    alike: dict[tuple, list[tuple[str, list[Finding]]]] = {}
    for where, group in groupby(findings, key=lambda f: f.where):
        found = list(group)
        said = tuple((f.severity, f.law, f.found, f.need, f.hint) for f in found)
        alike.setdefault(said, []).append((where, found))
    for places in alike.values():
        lines += [indent + shorten(where, WIDTH - len(indent)) for where, _ in places]
        for f in places[0][1]:
            lines += wrap(f"[{f.law}] {f.found}", indent + "  ", indent + "    ")
            if f.need:
                lines += wrap(f.need, f"{indent}    need  ")
            if f.hint:
                lines += wrap(f.hint, f"{indent}    hint  ")
    return lines


def severity_counts(findings: Iterable[Finding], always: tuple[str, ...] = ()) -> str:
    """ "1 exception, 2 warnings"; kinds in `always` are told even where there are none."""
    kinds = [f.severity for f in findings]
    return ", ".join(
        plural(kinds.count(kind), kind)
        for kind in ("error", "exception", "warning", "note")
        if kind in always or kind in kinds
    )


def finding_value(finding: Finding) -> dict[str, str]:
    """A finding as JSON holds it; what it does not say is left out."""
    value = {
        "severity": finding.severity,
        "where": finding.where,
        "law": finding.law,
        "found": finding.found,
    }
    if finding.need:
        value["need"] = finding.need
    if finding.hint:
        value["hint"] = finding.hint
    return value
