"""The numbers of a report that have a name: what JSON tells and what a gate may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tflite_requant.outcome import Report


def _severity(kind: str) -> Callable[[Report], float]:
    return lambda report: sum(f.severity == kind for f in report.findings)


def _share(part: str, whole: str) -> Callable[[Report], float]:
    def share(report: Report) -> float:
        total = sum(getattr(op, whole) for op in report.operators)
        found = sum(getattr(op, part) for op in report.operators)
        return 100.0 * found / total if total else 100.0

    return share


def _operators(*exactness: str) -> Callable[[Report], float]:
    def share(report: Report) -> float:
        found = sum(report.count(kind) for kind in exactness)
        return 100.0 * found / len(report.operators) if report.operators else 100.0

    return share


NUMBERS: Mapping[str, tuple[str, Callable[[Report], float]]] = {
    "exceptions": ("what the scheme asks and TFLite does not permit", _severity("exception")),
    "warnings": ("findings of that severity", _severity("warning")),
    "notes": ("findings of that severity", _severity("note")),
    "lost_clamps": (
        "operators that no longer saturate where the source did",
        lambda report: sum(op.clamp_lost is not None for op in report.operators),
    ),
    "inserted": ("operators inserted", lambda report: len(report.inserted)),
    "exact_channels": (
        "percent of weight channels that kept their real numbers, or were proven constant",
        _share("exact_channels", "channels"),
    ),
    "exact_weights": (
        "percent of weights that kept their real numbers, or are of channels proven constant",
        _share("exact_weights", "weights"),
    ),
    "dead_channels": (
        "weight channels proven constant, which gave up their weights",
        lambda report: sum(op.dead_channels for op in report.operators),
    ),
    "bit_identical_operators": (
        "percent of operators that compute the source's integers",
        _operators("bit-identical"),
    ),
    "exact_operators": (
        "percent of operators that are bit-identical or grid-exact",
        _operators("bit-identical", "grid-exact"),
    ),
    "approximated_operators": ("percent of operators that are neither", _operators("approximated")),
    "result_bytes": ("size of the result", lambda report: report.result_bytes),
}


# What only samples can tell: `Report.metrics` has it where there were any.
MEASURED: Mapping[str, str] = {
    "sqnr": "dB against the source, of the logits of a classifier, of the worse of the raw boxes "
    "and scores that a detector's post-processing reads, of the worst output of others; on samples",
    "logits_sqnr": "the same, of classifiers only: what `compare` calls so too",
    "kl": "nats between the classes' probabilities and the source's; on samples",
    "same_top1": "percent of samples whose first class is the source's",
}


def numbers(report: Report) -> dict[str, float]:
    """Every named number of a report, measured ones (`Report.metrics`) behind the others."""
    return {name: of(report) for name, (_, of) in NUMBERS.items()} | dict(report.metrics)
