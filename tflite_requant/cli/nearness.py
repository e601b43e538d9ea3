"""How near a result is to its source, measured on a few of the samples it was calibrated on."""

from __future__ import annotations

from tflite_requant.outcome import Report
from tflite_requant.report.layout import plural
from tflite_requant.report.words import sqnr_of

MOST_SAMPLES = 16


def measured(source, model, samples, progress: bool) -> tuple[dict[str, float], str]:
    """How close the result is to the source on a few of the samples, through our interpreter, and
    what `sqnr` is of."""
    from tflite_requant.accuracy import measure

    table = measure(
        source, {"result": model}, samples.limited(MOST_SAMPLES),
        through="interpreter", ceiling=False, progress=progress,
    )  # fmt: skip
    row = table.rows[0]
    found = {"sqnr": row.sqnr, "logits_sqnr": row.sqnr, "kl": row.kl, "same_top1": row.same_top1}
    raw = ""
    if row.sqnr is None:
        reals = [o for o in row.outputs if o.sqnr is not None]
        worst = min(reals, key=lambda o: o.sqnr, default=None)
        found["sqnr"] = worst.sqnr if worst else None
        raw = worst.name if worst and row.boxes else ""
    if row.same_top1 is not None:
        found["same_top1"] = 100.0 * round(row.same_top1 * table.samples) / table.samples
    found["samples"] = table.samples
    told = {name: value for name, value in found.items() if value is not None}
    return told, sqnr_of(row.sqnr is not None, raw)


def meant(report: Report) -> dict[str, str]:
    """What the measured `sqnr` is of."""
    count = plural(int(report.metrics.get("samples", 0)), "sample")
    return {"sqnr": f"of the {report.sqnr_of}, on {count}"}
