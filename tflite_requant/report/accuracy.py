"""A table of accuracies as lines of 80 columns, or as JSON values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from tflite_requant.accuracy.outcome import Accuracy, AccuracyTable, OutputAccuracy
from tflite_requant.report.as_json import plain

NAME_WIDTH = 31


def lines(table: AccuracyTable) -> list[str]:
    """The table under its column heads."""
    return list(_classifier(table) if table.classifier else _outputs(table))


def over_seeds(tables: Sequence[AccuracyTable]) -> list[str]:
    """What a classifier's results come to with several seeds: mean, least and greatest."""
    form = "{:<31} {:>6} {:>6} {:>6} {:>8} {:>8} {:>8}"
    rows: dict[str, list[Accuracy]] = {}
    for row in (r for table in tables if table.classifier for r in table.rows):
        rows.setdefault(row.name, []).append(row)
    found = []
    for name, each in rows.items():
        ratios, divergences = ([r.sqnr for r in each], [r.kl for r in each])
        found += _named(name, form.format(
            "",
            *(decibel(f(ratios)) for f in (fmean, min, max)),
            *(f"{f(divergences):.4f}" for f in (fmean, min, max)),
        ))  # fmt: skip
    heads = form.format(
        f"{len(tables)} seeds", "SQNR", "least", "most", "KL", "least", "most"
    )  # fmt: skip
    return [heads, *found] if found else []


def value(table: AccuracyTable) -> dict[str, Any]:
    """The table as JSON values; an SQNR of null is infinite: nothing differs."""
    return {
        "samples": table.samples,
        "kernels": table.kernels,
        "source_top1": table.source_top1,
        "ceiling": _row(table.ceiling) if table.ceiling else None,
        "results": [_row(row) for row in table.rows],
    }


def _all(table: AccuracyTable) -> tuple[Accuracy, ...]:
    return (*([table.ceiling] if table.ceiling else []), *table.rows)


def _classifier(table: AccuracyTable) -> Iterator[str]:
    form = "{:<31} {:>5} {:>6} {:>6} {:>6} {:>20}"
    yield form.format("", "SQNR", "KL", "same", "top-1", "change, 95 % of it")
    yield form.format("", "dB", "nat", "%", "%", "points")
    yield form.format("source", "", "", "", share(table.source_top1), "").rstrip()
    for row in _all(table):
        yield from _named(row.name, form.format(
            "", decibel(row.sqnr), f"{row.kl:.4f}", share(row.same_top1),
            share(row.top1), change(row),
        ))  # fmt: skip


def _outputs(table: AccuracyTable) -> Iterator[str]:
    form = "{:<31} {:<24.24} {:>7} {:>7} {:>7}"
    yield form.format("", "output", "SQNR dB", "same %", "IoU %")
    for row in _all(table):
        cells = [
            (ending(o.name, 24), decibel(o.sqnr), share(o.equal if o.same is None else o.same),
             share(o.iou))
            for o in row.outputs
        ]  # fmt: skip
        if row.boxes:
            seen = f"{row.boxes.found} boxes of {row.boxes.source}"
            cells.append((seen, "", share(row.boxes.agreement), share(row.boxes.iou)))
        yield from _named(row.name, *(form.format("", *some) for some in cells))


def _named(name: str, *rows: str) -> Iterator[str]:
    """Rows with a name in their empty first column; a longer one has a line above them."""
    if len(name) > NAME_WIDTH:
        yield name
        name = ""
    yield from (f"{name:<{NAME_WIDTH}}{row[NAME_WIDTH:]}" for row in rows)


def ending(name: str, width: int) -> str:
    """A name, its beginning left out where it is too long: layers differ in their ends."""
    return name if len(name) <= width else "..." + name[3 - width :]


def decibel(number: float | None) -> str:
    """Decibels with two decimals; "exact" where nothing differs."""
    if number is None:
        return "-"
    return "exact" if number == math.inf else f"{number:.2f}"


def share(number: float | None) -> str:
    """A share as percents with two decimals."""
    return "-" if number is None else f"{100 * number:.2f}"


def change(row: Accuracy) -> str:
    """The change of top-1 in points with its interval."""
    if row.interval is None or row.top1_change is None:
        return "-"
    low, high = row.interval
    return f"{100 * row.top1_change:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def _row(row: Accuracy) -> dict[str, Any]:
    found: dict[str, Any] = {"name": row.name}
    if row.outputs or row.boxes:
        found["outputs"] = [_output(o) for o in row.outputs]
        if row.boxes:
            found["boxes"] = plain(asdict(row.boxes))
        return found
    return found | {
        "sqnr_db": plain(row.sqnr),
        "kl": row.kl,
        "same_top1": row.same_top1,
        "top1": row.top1,
        "top1_change": row.top1_change,
        "top1_change_interval": plain(row.interval),
    }


def _output(output: OutputAccuracy) -> dict[str, Any]:
    return {
        "name": output.name,
        "sqnr_db": plain(output.sqnr),
        "equal": output.equal,
        "same": output.same,
        "iou": output.iou,
    }
