"""What became of each scheme that a model was to be put on, and how that is told."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from tflite_requant.cli import companions
from tflite_requant.cli.terminal import complain
from tflite_requant.errors import RefusedError
from tflite_requant.outcome import Report
from tflite_requant.report.as_json import document, refusal_value, report_value
from tflite_requant.report.as_study import study_value
from tflite_requant.report.findings import finding_lines
from tflite_requant.report.layout import plural
from tflite_requant.report.text import summary_text
from tflite_requant.schemes import Scheme
from tflite_requant.study.outcome import Study

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one scheme: the result's bytes and report, or why it was refused.

    run: lines that say which part of the model was run to measure, and which not; not_run: the
    latter for JSON. Both empty where everything was, or nothing.
    """

    scheme: Scheme
    output: Path
    report: Report | None = None
    data: bytes = b""
    refusal: RefusedError | None = None
    unmet: tuple[str, ...] = ()
    study: Study | None = None
    run: tuple[tuple[str, str], ...] = ()
    not_run: tuple[dict, ...] = ()

    @property
    def succeeded(self) -> bool:
        return self.refusal is None and not self.unmet


def complain_of(source: Path, attempts: list[Attempt]) -> None:
    """Say on stderr what did not succeed, and why."""
    refusals = [attempt.refusal for attempt in attempts if attempt.refusal is not None]
    for attempt in attempts:
        if attempt.refusal is not None:
            refusals.pop(0)
            found = attempt.refusal.findings
            # What is told of several schemes alike is told once, below the last of them.
            again = any(other.findings == found for other in refusals)
            details = [] if again else finding_lines(found)
            complain(f"{source}: {attempt.refusal.summary}", details)
        for line in attempt.unmet:
            complain(f"{source}: {attempt.scheme.name}: {line}")
    if len(attempts) > 1 and not all(attempt.succeeded for attempt in attempts):
        complain(f"{source}: {_failed(attempts)}; nothing written")


def _failed(attempts: list[Attempt]) -> str:
    failed = sum(not attempt.succeeded for attempt in attempts)
    return f"{failed} of {plural(len(attempts), 'scheme')} failed"


def _written(args: argparse.Namespace, attempt: Attempt, attempts: list[Attempt]) -> str:
    """Every file that has something of one result, or why there is none."""
    if attempt.unmet:
        return f"{NOTHING}: {'; '.join(attempt.unmet)}"
    if not all(other.succeeded for other in attempts):
        return f"{NOTHING}: {_failed(attempts)}"
    beside = companions.places(args, attempt.scheme)
    depfile = [args.depfile] if args.depfile else []
    return ", ".join(map(str, [attempt.output, *beside, *depfile]))


def answer(args: argparse.Namespace, source: Path, attempts: list[Attempt], good: bool) -> str:
    """What goes to stdout. good: whether all of them succeeded."""
    if args.json:
        return document(
            "requantize", model=str(source), written=good, results=[value(a) for a in attempts]
        )
    if args.quiet:
        return ""
    return "\n\n".join(
        summary_text(
            a.report, _written(args, a, attempts), args.verbose,
            a.study.unmeasured if a.study else "", a.run,
        )
        for a in attempts
        if a.report is not None
    )  # fmt: skip


def value(attempt: Attempt) -> dict:
    """One scheme's as JSON holds it."""
    if attempt.refusal is not None:
        return refusal_value(attempt.scheme.name, attempt.refusal)
    told = report_value(attempt.report)
    if attempt.study is not None:
        told["study"] = study_value(attempt.study)
    if attempt.not_run:
        told["not_run"] = list(attempt.not_run)
    return {**told, "output": str(attempt.output), "unmet": list(attempt.unmet)}
