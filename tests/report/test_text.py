"""A report as text: what is told, what is folded, what is worst."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tflite_requant import options
from tflite_requant.errors import Finding
from tflite_requant.outcome import OperatorOutcome, PortOutcome, Report, TensorOutcome
from tflite_requant.report.findings import finding_lines
from tflite_requant.report.text import summary_text
from tflite_requant.report.words import COLUMNS, CORRECTIONS, KEPT, LOGITS, SQNR

ROOT = Path(__file__).resolve().parents[2]


def clamped(index: int, lost: tuple[float, float], hits=None) -> OperatorOutcome:
    return OperatorOutcome(
        0,
        index,
        "ADD",
        f"op {index} ADD a{index}",
        "approximated",
        clamp_lost=lost,
        clamp_hits=hits,
    )


def note(index: int) -> Finding:
    return Finding("note", f"op {index} ADD a{index}", "clamp", f"lost {index}")


CONV = OperatorOutcome(
    0, 0, "CONV_2D", "op 0 CONV_2D conv", "bit-identical", 8, 7, 80, 70, 0.25, (-9, -6),
    only_shifts=False, sum_bits=18, bias_bits=16,
)  # fmt: skip
FC = OperatorOutcome(
    0, 1, "FULLY_CONNECTED", "op 1 FC", "grid-exact", 2, 2, 20, 20, math.inf, (-7, -7), True
)
TENSORS = (
    TensorOutcome(0, 1, "a", "uint8", 0.5, 128, "int8", 0.5, 0, "shifted"),
    TensorOutcome(0, 2, "b", "uint8", 0.5, 1, "int8", 0.75, 0, "regridded"),
)
REPORT = Report(
    scheme="symmetric",
    summary="int8 with zero point 0",
    arithmetic="litert-reference",
    data="no data",
    changed=True,
    operators=(CONV, FC, *(clamped(i, (float(i), 0.0)) for i in range(2, 7))),
    findings=(
        Finding(
            "exception",
            "tensor 9 y",
            "fixed-output",
            "TFLite fixes it",
            "zero point 0",
            "live with it",
        ),
        *(note(i) for i in range(2, 7)),
    ),
    tensors=TENSORS,
    inserted=(
        "QUANTIZE uint8 -> int8 x: before A", "QUANTIZE int8 -> int8 y: before A",
        "MAXIMUM 0 z: behind B",
    ),
    source_bytes=1000,
    result_bytes=2000,
    corrections=("exact-grid",),
)


def lines_of(report: Report, **how) -> list[str]:
    return [line.strip() for line in summary_text(report, "x.tflite", **how).splitlines()]


@pytest.mark.parametrize(
    "line",
    [
        "symmetric",
        "int8 with zero point 0",
        "written      x.tflite",
        "size         2,000 bytes, the source has 1,000",
        "statistics   no data",
        "corrections  exact-grid",
        "operators    7: 1 bit-identical, 1 grid-exact, 5 approximated",
        "tensors      2: 1 shifted, 1 regridded",
        "channels     9 of 10 exact (90.0 %)",
        "weights      90 of 100 exact (90.0 %)",
        "inserted     2 QUANTIZE, 1 MAXIMUM; -v says where and why",
        "findings     1 exception, 0 warnings, 5 notes",
        "exceptions",
        "[fixed-output] TFLite fixes it",
        "need  zero point 0",
        "hint  live with it",
        "notes, the 3 worst of 5; -v shows all",
    ],
)
def test_is_told(line):
    assert line in lines_of(REPORT)


@pytest.mark.parametrize(
    "name, before, after, line",
    [
        pytest.param("image", ("uint8", 0.0078125, 128), ("int8", 0.0078125, 0),
                     "image uint8 0.0078125 128 -> int8 0.0078125 0", id="shifted"),
        pytest.param("image", ("float32", None, None), ("int8", 0.5, -3),
                     "image float32 -> int8 0.5 -3", id="float"),
        pytest.param("n" * 99, ("uint8", 1 / 255, 128), ("int8", 1 / 127, 0),
                     f"{'n' * 20}… uint8 0.003921569 128 -> int8 0.007874016 0", id="long"),
        pytest.param("image", ("int8", 0.5, 0), ("int8", 0.5, 0), None, id="same"),
    ],
)  # fmt: skip
def test_inputs_and_outputs_that_change(name, before, after, line):
    port = PortOutcome(0, 0, name, *before, *after)
    lines = lines_of(replace(REPORT, inputs=(port,), outputs=(port,)))
    found = [text for text in lines if text.startswith(("input ", "output "))]
    assert found == ([f"input        {line}", f"output       {line}"] if line else [])
    assert max(map(len, lines)) <= 78


def test_dead_channels_are_told():
    dead = replace(REPORT.operators[0], dead_channels=3)
    some = replace(REPORT, operators=(dead, *REPORT.operators[1:]))
    told = "dead         3 channels proven constant, weights given up; counted as exact"
    assert told in lines_of(some)
    assert not [line for line in lines_of(REPORT) if line.startswith("dead")]


def shown_notes(report: Report, **how) -> list[str]:
    return [line[-1] for line in lines_of(report, **how) if line.startswith("[clamp]")]


def test_worst_notes_first():
    assert shown_notes(REPORT) == ["6", "5", "4"]
    assert shown_notes(REPORT, verbose=True) == ["6", "5", "4", "3", "2"]


def test_measured_hits_weigh_more_than_steps():
    operators = (*REPORT.operators[:2], clamped(2, (2.0, 0.0), (0.5, 0.0)), *REPORT.operators[3:])
    assert shown_notes(replace(REPORT, operators=operators)) == ["2", "6", "5"]


def test_notes_of_several_laws_are_the_worst_of_each():
    """What an operator's clamp lost says nothing of how far its bias was rounded."""
    rounded = {2: 0.3, 4: 2.0, 6: 0.06}
    operators = (
        *REPORT.operators[:2],
        *(replace(op, bias_rounded=rounded.get(op.index)) for op in REPORT.operators[2:]),
    )
    said = tuple(
        Finding("note", f"op {i} ADD a{i}", "bias-position", f"rounded by {steps}")
        for i, steps in rounded.items()
    )
    report = replace(REPORT, operators=operators, findings=(*REPORT.findings, *said))
    assert "notes, 3 of 8, the worst of each law; -v shows all" in lines_of(report)
    assert shown_notes(report) == ["6", "5"]

    def biases(**how):
        told = (line.split() for line in lines_of(report, **how))
        return [words[-1] for words in told if words[:1] == ["[bias-position]"]]

    assert biases() == ["2.0"]
    assert biases(verbose=True) == ["2.0", "0.3", "0.06"]


def test_verbose_shows_each_operator_and_insertion():
    rows = [line.split() for line in lines_of(REPORT, verbose=True)]
    assert ["0", "CONV_2D", "bit-identical", "7/8", "-9..-6", "18b", "16b", "0.25"] in rows
    assert ["1", "FULLY_CONNECTED", "grid-exact", "2/2", "2^-7", "-"] in rows
    assert ["6", "ADD", "approximated", "-6"] in rows
    assert ["MAXIMUM", "0", "z:", "behind", "B"] in rows


@pytest.mark.parametrize(
    "count, said",
    [(1.0, "on 1 calibration sample"), (16.0, "on 16 calibration samples")],
)
def test_measured_on(count, said):
    text = summary_text(replace(REPORT, metrics={"kl": 0.5, "samples": count}), "x")
    assert f"KL 0.5000, {said}\n" in text


def test_measured_numbers_are_not_told_better_than_they_are():
    metrics = {"sqnr": 29.963, "kl": 0.01231, "same_top1": 93.75, "samples": 16.0}
    text = summary_text(replace(REPORT, metrics=metrics), "x")
    assert "  measured     29.9 dB SQNR of the " in text
    assert "KL 0.0124, 93.7 % same top-1, on 16" in " ".join(text.split())


def test_what_was_not_run_is_told_beside_what_was_measured():
    run = (("run", "subgraph 0 a"), ("not run", "subgraph 1 b"))
    metrics = {"sqnr": 20.0, "samples": 2.0}
    report = replace(REPORT, metrics=metrics, sqnr_of="worst output")
    lines = [" ".join(line.split()) for line in summary_text(report, "x", run=run).splitlines()]
    assert {"run subgraph 0 a", "not run subgraph 1 b"} < set(lines)
    assert "20.0 dB SQNR of the worst output of what was run" in " ".join(lines)
    assert "subgraph 1 b" not in summary_text(replace(report, metrics={}), "x", run=run)


def test_a_scheme_without_a_summary_has_no_blank_line():
    lines = summary_text(replace(REPORT, summary=""), "x.tflite").splitlines()
    assert lines[:3] == ["symmetric", "", "  written      x.tflite"]


def test_one_place_is_told_at_once():
    line = "inserted     2 QUANTIZE before A"
    assert line in lines_of(replace(REPORT, inserted=REPORT.inserted[:2]))


def test_worst_is_what_the_lost_side_lost():
    """The side that is kept may be reached as often as it likes."""
    operators = (*REPORT.operators[:2], clamped(2, (2.0, 0.0), (0.1, 0.9)),
                 clamped(3, (3.0, 0.0), (0.2, 0.0)), *REPORT.operators[4:])  # fmt: skip
    assert shown_notes(replace(REPORT, operators=operators))[:2] == ["3", "2"]


def test_two_sided_clamp():
    report = replace(REPORT, operators=(clamped(0, (3.0, 4.4)),))
    assert ["0", "ADD", "approximated", "-3", "+4"] in [
        r.split() for r in lines_of(report, verbose=True)
    ]


def test_unchanged():
    text = " ".join(lines_of(replace(REPORT, changed=False, findings=())))
    assert "the model is on scheme symmetric already; the output has the source's bytes" in text
    assert "findings   none" in text
    assert "channels" not in text


def test_nothing_weighted_no_channels():
    assert "channels" not in summary_text(replace(REPORT, operators=(clamped(0, (1.0, 0.0)),)), "x")


def test_many_exceptions_are_cut():
    many = tuple(
        Finding("exception", f"tensor {i} t", "activation-dtype", "int8") for i in range(9)
    )
    report = replace(REPORT, findings=many)
    short, whole = (lines_of(report, verbose=verbose) for verbose in (False, True))
    assert "exceptions, 8 of 9; -v shows all" in short
    assert not any("tensor 8 t" in line for line in short)
    assert any("tensor 8 t" in line for line in whole)


def test_many_warnings_are_cut_to_some_of_every_law():
    laws = ["bias-width"] * 4 + ["operator-version"]
    many = tuple(Finding("warning", f"op {i} ADD t", law, "x") for i, law in enumerate(laws))
    report = replace(REPORT, findings=many)
    short, whole = (lines_of(report, verbose=verbose) for verbose in (False, True))
    assert "warnings, 3 of 5; -v shows all" in short and "warnings" in whole
    assert [i for i in range(5) if f"op {i} ADD t" in short] == [0, 1, 4]
    assert [i for i in range(5) if f"op {i} ADD t" in whole] == [0, 1, 2, 3, 4]


RENUMBERED = replace(
    REPORT,
    operators=tuple(
        replace(op, result_index=op.index + (op.index > 0)) for op in REPORT.operators
    ),
)


def test_both_numbers_of_an_operator_are_told_where_they_differ():
    rows = [line.split() for line in lines_of(RENUMBERED, verbose=True)]
    assert ["op", "new", "name"] in [row[:3] for row in rows]
    assert any(row[:2] == ["1", "2"] and row[2].startswith("FULLY") for row in rows if row[2:])
    assert ["op,", "new:"] in [row[:2] for row in rows]
    plain = [line.split() for line in lines_of(REPORT, verbose=True)]
    assert ["op", "name"] in [row[:2] for row in plain]
    assert ["op,", "new:"] not in [row[:2] for row in plain]


@pytest.mark.parametrize(
    "report, where, title",
    [
        (RENUMBERED, "op 2 LSTM", "exceptions; ops by the result's numbers"),
        (RENUMBERED, "tensor 2 x", "exceptions"),
        (REPORT, "op 2 LSTM", "exceptions"),
    ],
    ids=["renumbered", "of-a-tensor", "same-numbers"],
)
def test_exceptions_say_whose_numbers_they_tell(report, where, title):
    finding = Finding("exception", where, "operator-unknown", "kept")
    assert title in lines_of(replace(report, findings=(finding,)))


def test_verbose_says_what_its_words_mean():
    found = " ".join(lines_of(REPORT, verbose=True))
    for name in ("shifts", "sum, bias", "folded", "lost"):
        assert f"{name}: {COLUMNS[name]}" in found
    assert [name for name in KEPT if f"{name}: {KEPT[name]}" in found] == ["shifted", "regridded"]
    assert SQNR not in found
    measured = replace(REPORT, metrics={"sqnr": 20.0, "samples": 1.0})
    assert f"SQNR: {SQNR}" in " ".join(lines_of(measured, verbose=True))
    assert LOGITS not in found
    measured = replace(REPORT, metrics={"sqnr": 20.0, "logits_sqnr": 20.0, "samples": 1.0})
    assert f"logits: {LOGITS}" in " ".join(lines_of(measured, verbose=True))
    assert COLUMNS["op"] not in found
    second = replace(REPORT, operators=(CONV, replace(FC, subgraph=1)))
    assert f"op: {COLUMNS['op']}" in " ".join(lines_of(second, verbose=True))
    bare = replace(REPORT, operators=(clamped(0, (0.0, 0.0)),), tensors=())
    assert not [line for line in lines_of(bare, verbose=True) if line.startswith("shifts")]


def test_words_mean_the_same_in_schema_and_docs():
    schema = json.loads((ROOT / "schema" / "report.schema.json").read_text("utf-8"))["$defs"]
    kept = schema["tensor"]["properties"]["kept"]
    assert kept["enum"] == list(KEPT)
    assert kept["description"] == "; ".join(f"{name}: {said}" for name, said in KEPT.items())
    columns = schema["operator"]["properties"]
    for column, name in (("folded", "folded"), ("clamp_lost", "lost")):
        assert columns[column]["description"] == COLUMNS[name]
    docs = " ".join((ROOT / "docs" / "schemes.md").read_text("utf-8").split())
    assert [name for name, said in KEPT.items() if f"| {name} | {said}" not in docs] == []
    assert [name for name, said in COLUMNS.items() if f"| {name} | {said}" not in docs] == []
    assert tuple(CORRECTIONS) == options.CORRECTIONS
    assert [name for name, said in CORRECTIONS.items() if f"| {name} | {said} |" not in docs] == []


def test_places_of_which_the_same_is_told_share_the_telling():
    def found(where, what, need="int8"):
        return Finding("error", where, "law", what, need, "do it")

    told = finding_lines([
        found("op 1", "uint8"), found("op 1", "wide", ""), found("op 2", "int4"),
        found("op 3", "uint8"), found("op 3", "wide", ""), found("op 4", "wide", ""),
    ])  # fmt: skip
    both = ["    [law] uint8", "      need  int8", "      hint  do it"]
    wide = ["    [law] wide", "      hint  do it"]
    assert told == [
        "  op 1", "  op 3", *both, *wide,
        "  op 2", "    [law] int4", "      need  int8", "      hint  do it",
        "  op 4", *wide,
    ]  # fmt: skip
