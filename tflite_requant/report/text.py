"""A report as 80 columns of plain text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tflite_requant.errors import Finding
from tflite_requant.outcome import OperatorOutcome, PortOutcome, Report
from tflite_requant.report.findings import finding_lines, severity_counts
from tflite_requant.report.layout import (
    LEAST,
    WIDTH,
    at_least,
    at_most,
    fields,
    number,
    percent,
    percents,
    plural,
    shorten,
    table,
    wrap,
)
from tflite_requant.report.words import COLUMNS, KEPT, LOGITS, SQNR, of_run

Run = Sequence[tuple[str, str]]

EXACTNESS = ("bit-identical", "grid-exact", "approximated")
SHOWN_NOTES = 3
SHOWN_EXCEPTIONS = 8
SHOWN_WARNINGS = 3
NAME_WIDTH = 26
PORT_WIDTH = WIDTH - 15  # beside the names of an overview


def summary_text(
    report: Report, written: str, verbose: bool = False, unmeasured: str = "", run: Run = ()
) -> str:
    """What was asked, where it went and what it did, for people.

    written: where the result is, or why it is nowhere. verbose: also every note, every inserted
    operator and a line for each operator. unmeasured: why the models were not run, where asked;
    run: lines about what was run and what not, where that is not all.
    """
    lines = [report.scheme, *(wrap(report.summary, "  ") if report.summary else ())]
    lines += ["", *fields(_overview(report, written, unmeasured, run))]
    for title, findings in _sections(report, verbose):
        lines += ["", f"  {title}", *finding_lines(findings, "    ")]
    for title, told in (("inserted", report.inserted), ("removed", report.removed)):
        if verbose and told:
            lines += ["", f"  {title}"]
            lines += [part for line in told for part in wrap(line, "    ", "      ")]
    if verbose and report.operators:
        lines += ["", "  operators", *operator_table(report), *_legend(report)]
    return "\n".join(lines)


def _overview(report: Report, written: str, unmeasured: str, run: Run) -> list[tuple[str, str]]:
    pairs = [("written", written)]
    if not report.changed:
        same = f"the model is on scheme {report.scheme} already; the output has the source's bytes"
        findings = severity_counts(report.findings) or "none"
        return [*pairs, ("unchanged", same), ("findings", findings)]
    pairs += [
        ("size", f"{report.result_bytes:,} bytes, the source has {report.source_bytes:,}"),
        *_ports(report),
        ("statistics", report.data),
        ("corrections", ", ".join(report.corrections) or "none"),
        ("rounding", report.arithmetic),
        ("operators", _counts(EXACTNESS, [op.exactness for op in report.operators])),
        ("tensors", _counts(KEPT, [t.kept for t in report.tensors])),
    ]
    pairs += weight_totals(report)
    if report.metrics:
        pairs.append(("measured", _measured(report.metrics, of_run(report.sqnr_of, run))))
    elif unmeasured:
        pairs.append(("measured", f"nothing; {unmeasured}"))
    else:
        pairs.append(("measured", "nothing, without samples; --calibration FILE|DIR names some"))
    pairs += [
        *(run if report.metrics else ()),
        ("inserted", _inserted(report)),
        *([("removed", _removed(report))] if report.removed else []),
        ("findings", severity_counts(report.findings, ("exception", "warning"))),
    ]
    return pairs


def weight_totals(report: Report) -> list[tuple[str, str]]:
    """Lines of how many channels and weights are exact, over all operators."""
    found = []
    channels = sum(op.channels for op in report.operators)
    if channels:
        exact = sum(op.exact_channels for op in report.operators)
        weights = sum(op.weights for op in report.operators)
        same = sum(op.exact_weights for op in report.operators)
        found += [
            ("channels", f"{exact:,} of {channels:,} exact ({percent(exact, channels)})"),
            ("weights", f"{same:,} of {weights:,} exact ({percent(same, weights)})"),
        ]
    dead = sum(op.dead_channels for op in report.operators)
    if dead:
        gone = "proven constant, weights given up; counted as exact"
        found.append(("dead", f"{plural(dead, 'channel')} {gone}"))
    return found


def _ports(report: Report) -> list[tuple[str, str]]:
    """The graph inputs and outputs that change: type, scale and zero point, before and after."""
    found = []
    for side, ports in (("input", report.inputs), ("output", report.outputs)):
        for port in ports:
            if port.changed:
                change = " -> ".join(port_grids(port))
                name = shorten(port.name, max(LEAST, PORT_WIDTH - len(change) - 1))
                found.append((side, f"{name} {change}".lstrip()))
    return found


def port_grids(port: PortOutcome) -> tuple[str, str]:
    """ "uint8 0.0078125 128", the source's and the result's."""

    def told(dtype: str, scale: float | None, zero_point: int | None) -> str:
        return dtype if scale is None else f"{dtype} {number(scale)} {zero_point}"

    return (
        told(port.dtype, port.scale, port.zero_point),
        told(port.new_dtype, port.new_scale, port.new_zero_point),
    )


def _counts(kinds: Iterable[str], found: list[str]) -> str:
    """ "3: 1 identical, 2 shifted"; kinds that do not occur are left out."""
    told = [f"{found.count(kind)} {kind}" for kind in kinds if kind in found]
    return f"{len(found)}: {', '.join(told)}" if told else "none"


def _measured(metrics: Mapping[str, float], of: str) -> str:
    """What a few of the samples say of result against source."""
    told = []
    if "sqnr" in metrics:
        value = metrics["sqnr"]
        noise = f"{at_most(value, 1)} dB SQNR of the {of}"
        told.append("no difference" if math.isinf(value) else noise)
    if "kl" in metrics:
        told.append(f"KL {at_least(metrics['kl'], 4)}")
    if "same_top1" in metrics:
        told.append(f"{percents(metrics['same_top1'])} same top-1")
    return f"{', '.join(told)}, on {plural(int(metrics['samples']), 'calibration sample')}"


def _inserted(report: Report) -> str:
    kinds = [line.split()[0] for line in report.inserted]
    told = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    if not told:
        return "no operators"
    places = list(dict.fromkeys(line.rpartition(": ")[2] for line in report.inserted))
    return f"{told} {places[0]}" if len(places) == 1 else f"{told}; -v says where and why"


def _removed(report: Report) -> str:
    return f"{len(report.removed)} QUANTIZE that would only copy; -v says which"


def _sections(report: Report, verbose: bool) -> list[tuple[str, list[Finding]]]:
    """Title and findings of every severity that has any; warnings and exceptions
    are cut to some of every law, notes to the worst of every law."""
    found = []
    limits = {"error": None, "exception": SHOWN_EXCEPTIONS, "warning": SHOWN_WARNINGS}
    for severity, most in limits.items():
        some = [f for f in report.findings if f.severity == severity]
        if not some:
            continue
        title, shown = f"{severity}s", some
        if most and not verbose and len(some) > most:
            title, shown = f"{title}, {most} of {len(some)}; -v shows all", _varied(some, most)
        found.append((title + whose_numbers(report, shown), shown))
    notes = _worst_first(report)
    if notes and not verbose and len(notes) > SHOWN_NOTES:
        few = f"{SHOWN_NOTES} of {len(notes)}, the worst of each law"
        if len({f.law for f in notes}) == 1:
            few = f"the {SHOWN_NOTES} worst of {len(notes)}"
        found.append((f"notes, {few}; -v shows all", _varied(notes, SHOWN_NOTES)))
    elif notes:
        found.append(("notes", notes))
    return found


def whose_numbers(report: Report, findings: Iterable[Finding]) -> str:
    """What a title adds where exceptions tell of operators that the source numbers otherwise."""
    told = (f.severity == "exception" and f.where.startswith(("op ", "subgraph "))
            for f in findings)  # fmt: skip
    return "; ops by the result's numbers" if report.renumbered and any(told) else ""


def _varied(findings: list[Finding], most: int) -> list[Finding]:
    """So many of the findings, in their order; of every law the first before any second."""
    seen: Counter[str] = Counter()
    rounds = []
    for i, f in enumerate(findings):
        rounds.append((seen[f.law], i))
        seen[f.law] += 1
    return [findings[i] for i in sorted(i for _, i in sorted(rounds)[:most])]


def _worst_first(report: Report) -> list[Finding]:
    """Notes by what their law cost there: of clamps how often where that was measured, then how
    much; of biases how much. In output steps."""
    harm = {}
    for op in report.operators:
        sides = op.lost_sides
        harm[op.label, "clamp"] = (
            max((side.hits or 0.0 for side in sides), default=0.0),
            max((side.steps for side in sides), default=0.0),
        )
        harm[op.label, "bias-position"] = (0.0, op.bias_rounded or 0.0)
    notes = [f for f in report.findings if f.severity == "note"]
    return sorted(notes, key=lambda f: harm.get((f.where, f.law), (0.0, 0.0)), reverse=True)


def operator_table(report: Report) -> list[str]:
    """A line for each operator."""
    several = len({op.subgraph for op in report.operators}) > 1
    head = ("op", "new", "name", "exactness", "exact", "shifts", "sum", "bias", "folded", "lost")
    rows = [
        (
            number_of(op, several),
            ("-" if op.result_index is None else str(op.result_index)) if report.renumbered else "",
            shorten(op.name, NAME_WIDTH),
            op.exactness,
            f"{op.exact_channels}/{op.channels}" if op.channels else "",
            shifts(op.shifts, op.only_shifts),
            _bits(op.sum_bits),
            _bits(op.bias_bits),
            _steps(op.folded) if op.channels else "",
            _lost(op),
        )
        for op in report.operators
    ]
    return table(head, rows, ">><<>>>>>>", cut=2, tight=True)


def number_of(op: OperatorOutcome, several: bool) -> str:
    """An operator's number in the source; with its subgraph where several have operators."""
    return f"{op.subgraph}.{op.index}" if several else str(op.index)


def _legend(report: Report) -> list[str]:
    """What the columns of the table say, and the words of the line of tensors."""
    weighted = any(op.channels for op in report.operators)
    shown = {
        "op": len({op.subgraph for op in report.operators}) > 1,
        "op, new": report.renumbered,
        "shifts": any(op.shifts for op in report.operators),
        "sum, bias": weighted,
        "folded": weighted,
        "lost": any(op.lost_sides for op in report.operators),
    }
    kept = {t.kept for t in report.tensors}
    said = [f"{name}: {COLUMNS[name]}" for name in COLUMNS if shown[name]]
    said += [f"{name}: {KEPT[name]}" for name in KEPT if name in kept and report.changed]
    said += [f"SQNR: {SQNR}"] if "sqnr" in report.metrics else []
    said += [f"logits: {LOGITS}"] if "logits_sqnr" in report.metrics else []
    return ["", *(line for text in said for line in wrap(text, "  ", "    "))] if said else []


def _bits(width: int | None) -> str:
    return "" if width is None else f"{width}b"


def shifts(pair: tuple[int, int] | None, only: bool | None) -> str:
    """The range of a rescale's shifts, positive to the left: "2^-7", "2^-9..-6" where they are the
    whole multiplier, else "-7", "-9..-6"; `words.COLUMNS` is the legend."""
    if pair is None:
        return ""
    low, high = pair
    return ("2^" if only else "") + (str(low) if low == high else f"{low}..{high}")


def _steps(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "-"


def _lost(op: OperatorOutcome) -> str:
    """Steps below and above the old clamp that the new range goes on for."""
    signs = {"below": "-", "above": "+"}
    return " ".join(f"{signs[side.name]}{side.steps:.0f}" for side in op.lost_sides)
