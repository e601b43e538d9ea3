"""The page: a report and the study of its result, put into a template."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from tflite_requant.outcome import OperatorOutcome, Report
from tflite_requant.progress import bar
from tflite_requant.report.html import plots, require_packages
from tflite_requant.report.layout import at_most, percent, percents
from tflite_requant.report.numbers import numbers
from tflite_requant.report.text import (
    EXACTNESS,
    Run,
    number_of,
    port_grids,
    shifts,
    weight_totals,
    whose_numbers,
)
from tflite_requant.report.words import COLUMNS, CORRECTIONS, KEPT, LOGITS, SQNR, of_run, sqnr_of
from tflite_requant.study.outcome import Study, TensorStudy, WeightsStudy
from tflite_requant.version import VERSION
from tflite_requant.wording import noun, plural, share

SEVERITIES = ("error", "exception", "warning", "note")


def page(
    report: Report,
    study: Study,
    model: str,
    options: Mapping[str, Any],
    title: str = "",
    run: Run = (),
) -> str:
    """The page's text. model: the source's file name; options: what else was asked, by flag;
    title: of a progress bar; run: lines about what was run and what not, where that is not all.

    Raises UsageError where jinja2 or matplotlib is not installed.
    """
    require_packages()
    return rendered(
        "page.html.j2",
        model=model,
        report=report,
        study=study,
        options={k: v for k, v in options.items() if v},
        cards=cards(report, study, run),
        run=run,
        verdict=verdict(report),
        counts=_counts(report),
        totals=weight_totals(report),
        ports=[
            (side, p.name, *port_grids(p))
            for side, ports in (("input", report.inputs), ("output", report.outputs))
            for p in ports
            if p.changed
        ],
        findings=[(s, [f for f in report.findings if f.severity == s]) for s in SEVERITIES],
        operators=_rows(report, study, title),
        figures={} if study.unmeasured else {
            "sqnr": plots.sqnr_figure(study), "steps": plots.steps_figure(study)
        },
        shifts=shifts,
        kept=KEPT,
        corrections=CORRECTIONS,
        yardstick=SQNR,
        made_up="sqnr" not in report.metrics and study.made_up,
        logits=LOGITS,
        of_logits="logits_sqnr" in report.metrics,
        several=_several(report),
        whose_numbers=whose_numbers,
        tensors_kept={t.kept for t in report.tensors},
        columns={n: said.replace(" x ", " \u00d7 ") for n, said in COLUMNS.items()},
        plural=plural,
        number=lambda value: f"{value:.6g}",
    )  # fmt: skip


def rendered(template: str, **values: Any) -> str:
    """A template of this folder with the page's style."""
    import jinja2

    home = files(__package__)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    style = (home / "page.css").read_text("utf-8")
    text = (home / template).read_text("utf-8")
    return environment.from_string(text).render(style=style, version=VERSION, **values)


def verdict(report: Report) -> str:
    """The whole outcome in a sentence."""
    if not report.changed:
        return f"The model is on scheme {report.scheme} already; nothing was changed."
    n = len(report.exceptions)
    if not n:
        return f"Everything the scheme {report.scheme} asks of a model holds."
    what = "one exception, which TFLite prescribes" if n == 1 else f"{n} exceptions"
    return f"What the scheme {report.scheme} asks holds with {what}; see the findings."


def cards(report: Report, study: Study, run: Run = ()) -> list[tuple[str, str, str]]:
    """(value, name, explanation) of the numbers that decide."""
    found = numbers(report)
    shown = []
    if "sqnr" in found:
        shown.append(_noise(found["sqnr"], of_run(report.sqnr_of, run), int(found["samples"])))
    elif study.unmeasured:
        shown.append(("-", "nothing measured", "the models were not run; see below why"))
    else:
        judged = [t for t in study.tensors if t.index in study.judged and t.sqnr is not None]
        if judged:
            worst = min(judged, key=lambda t: t.sqnr)
            of = of_run(sqnr_of(study.logits, worst.name if study.raw else ""), run)
            shown.append(_unmeasured(worst.sqnr, of, study))
    if "same_top1" in found:
        shown.append((percents(found["same_top1"]), "same first class", "as the source"))
    exact = report.count("bit-identical") + report.count("grid-exact")
    total = len(report.operators)
    what = f"{noun(total, 'operator')} exact"
    shown.append((f"{exact} of {total}", what, "same real grids and weights"))
    weights = sum(op.weights for op in report.operators)
    if weights:
        same = sum(op.exact_weights for op in report.operators)
        shown.append((percent(same, weights), "weights exact", f"of {weights:,}"))
    exceptions, inserted = len(report.exceptions), len(report.inserted)
    shown.append((str(exceptions), noun(exceptions, "exception"), "to the scheme"))
    shown.append((str(inserted), "inserted", noun(inserted, "operator")))
    shown.append((f"{report.result_bytes:,}", "bytes", f"the source has {report.source_bytes:,}"))
    return shown


def _noise(sqnr: float, of: str, samples: int) -> tuple[str, str, str]:
    text = _decibel(sqnr)
    unit = text if text == "exact" else f"{text} dB"
    return unit, f"SQNR of the {of}", f"on {plural(samples, 'sample')}, against the source"


def _decibel(sqnr: float | None) -> str:
    if sqnr is None:
        return "-"
    return "exact" if sqnr == math.inf else at_most(sqnr, 2)


def _unmeasured(sqnr: float, of: str, study: Study) -> tuple[str, str, str]:
    """The same of a study alone, which may be of inputs that nobody measured."""
    if not study.made_up:
        return _noise(sqnr, f"{of}, {study.data}", study.samples)
    value, name, _ = _noise(sqnr, of, study.samples)
    made_up = f"{plural(study.samples, 'sample')} of {study.data}"
    return value, f"{name}, on made-up inputs", f"{made_up}; real ones may differ by several dB"


def _several(report: Report) -> bool:
    return len({op.subgraph for op in report.operators}) > 1


def _counts(report: Report) -> list[tuple[str, list[tuple[str, int]]]]:
    exactness, kept = ([op.exactness for op in report.operators], [t.kept for t in report.tensors])
    return [
        ("operators", [(k, exactness.count(k)) for k in EXACTNESS if k in exactness]),
        ("tensors", [(k, kept.count(k)) for k in KEPT if k in kept]),
    ]


def _rows(report: Report, study: Study, title: str) -> list[dict[str, Any]]:
    """A row for each operator, with its figure."""
    by_operator: dict[str, TensorStudy] = {}
    for tensor in study.tensors:
        by_operator.setdefault(tensor.operator, tensor)
    weights = {w.label: w for w in study.weights}
    rows = []
    with bar(title, "operator", len(report.operators)) as advance:
        for op in report.operators:
            row = _row(op, by_operator.get(op.label), weights.get(op.label))
            rows.append({**row, "number": number_of(op, _several(report))})
            advance(1)
    return rows


def _row(
    op: OperatorOutcome, tensor: TensorStudy | None, weighted: WeightsStudy | None
) -> dict[str, Any]:
    return {
        "op": op,
        "tensor": tensor_name(op.label, op.name),
        "sqnr": _decibel(tensor.sqnr) if tensor else "-",
        "low": tensor is not None and _is_low(tensor.sqnr),
        "multiplier": multiplier_range(weighted.multipliers if weighted else ()),
        "bits": ", ".join(f"{n}b" for n in (op.sum_bits, op.bias_bits) if n is not None),
        "clamp": _clamp(op),
        "figure": plots.operator_figure(tensor, weighted),
    }


def tensor_name(label: str, operator: str) -> str:
    """The name that is all a label tells beside the operator; the first of those that converters
    join to one."""
    name = label.partition(f" {operator} ")[2]
    return (name or label).split(";")[0]


def _is_low(sqnr: float | None) -> bool:
    return sqnr is not None and sqnr < 10.0


def multiplier_range(values: tuple[float, ...]) -> str:
    if not values:
        return ""
    low, high = min(values), max(values)
    return f"{low:.4g}" if low == high else f"{low:.4g} ... {high:.4g}"


def _clamp(op: OperatorOutcome) -> str:
    """ "-58 (5.469%) +4 (none)": each side with the values that were there."""
    told = []
    for side in op.lost_sides:
        if math.isfinite(side.steps):
            sign = "-" if side.name == "below" else "+"
            hits = "" if side.hits is None else f" ({share(side.hits)})"
            told.append(f"{sign}{side.steps:.0f}{hits}")
    return " ".join(told)
