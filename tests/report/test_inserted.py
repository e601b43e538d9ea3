"""Every inserted operator is told with its place and why it is there."""

from dataclasses import replace

import pytest

from tflite_requant.cli import main
from tflite_requant.errors import RefusedError
from tflite_requant.files import load
from tflite_requant.requantize import Options, requantize
from tflite_requant.schemes import load_scheme
from tflite_requant.schemes.loader import parse_scheme
from tflite_requant.testing import GraphBuilder, TensorSpec

ISLAND = parse_scheme(
    'name = "i"\n[activations]\ndtype = "int16"\nzero_point = 0\n[bias]\ndtype = "int64"\n'
    '[[override]]\noperator = "LOGISTIC"\nactivations.dtype = "int8"\n'
    'activations.zero_point = "any"',
    "i",
)
SYMMETRIC = load_scheme("symmetric")


def unlike(opcode: str, **options):
    """int8 ADD, the operator, ADD."""
    graph = GraphBuilder()
    x, y, z, last = (
        graph.tensor(TensorSpec("int8", (1, 4), scale, zero, name=name))
        for name, scale, zero in (
            ("x", 0.1, 3), ("y", 0.2, -7), ("z", 1 / 256, -128), ("l", 0.1, 5),
        )
    )
    graph.operator("ADD", (x, x), (y,))
    custom = b"" if opcode == "Odd" else None
    graph.operator(opcode, (y,), (z,), options, custom_options=custom)
    graph.operator("ADD", (z, z), (last,))
    return graph.build((x,), (last,))


@pytest.mark.parametrize(
    "model, scheme, options, places",
    [
        pytest.param(
            unlike("LOGISTIC"), ISLAND, Options(),
            ["before the source's op 1 LOGISTIC, which reads another grid"], id="grid",
        ),
        pytest.param(
            unlike("Odd"), SYMMETRIC, Options(keep_unknown=True),
            ["before the source's op 1 Odd, which is kept as it is"], id="kept",
        ),
        pytest.param(
            unlike("LOGISTIC"), SYMMETRIC, Options(keep_io=True),
            ["at the graph's output, which keeps its type"], id="border",
        ),
    ],
)  # fmt: skip
def test_a_quantize_says_why(model, scheme, options, places):
    report = requantize(model, scheme, options=options).report
    told = [line.split(": ")[1] for line in report.inserted]
    assert [place for place in places if place not in told] == []


@pytest.mark.parametrize(
    "options, said",
    [
        pytest.param(
            Options(keep_unknown=True),
            {"QUANTIZE before the source's op 1 Odd: int8 -> int8 y/int8":
             "before an operator which is kept as it is",
             "QUANTIZE before the source's op 2 ADD: int8 -> int8 z/int8":
             "before an operator which reads another grid"},
            id="kept",
        ),
        pytest.param(
            Options(keep_unknown=True, keep_io=True),
            {"QUANTIZE at the graph's output: int8 -> int8 l":
             "at the graph's output, which keeps its type"},
            id="border",
        ),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_told_by_what_it_is_needed_for(options, said):
    """The result's numbers of QUANTIZE operators are nobody's."""
    few = replace(SYMMETRIC, name="few", operators=replace(SYMMETRIC.operators, allow=("ADD",)))
    with pytest.raises(RefusedError) as refusal:
        requantize(unlike("Odd"), few, options=options)
    told = {f.where: f for f in refusal.value.findings}
    assert len(told) == len(refusal.value.findings)
    for where, why in said.items():
        assert told[where].found == (
            f"scheme few does not allow QUANTIZE, which has to be inserted {why}"
        )
    assert {(f.law, f.need, f.hint) for f in told.values()} == {
        ("operator-allowed", "one of ADD",
         "add QUANTIZE to [operators] allow, if the hardware has it")
    }  # fmt: skip


def test_clamps_that_are_not_allowed_are_told_together(demo_model, folder, capsys):
    words = [str(demo_model), "-s", "max78002", "--clamps", "exact", "-o", "x.tflite"]
    assert main(words) == 1
    out, err = capsys.readouterr()
    lines = [line.strip() for line in err.splitlines()]
    kinds = {"MAXIMUM", "MINIMUM"}
    assert sum(line.startswith("[operator-allowed]") for line in lines) == len(kinds)
    places = [line for line in lines if line.split()[0] in kinds and " op " in line]
    assert len(places) == 12 and all(" behind the source's op " in line for line in places)
    assert " ".join(err.split()).count("hint --clamps exact asks for it") == len(kinds)
    assert len(lines) < 40
    assert main([*words[:4], "auto", *words[5:]]) == 0


def test_a_restored_clamp_says_why(demo_model):
    report = requantize(load(demo_model), "symmetric-po2", options=Options(clamps="exact")).report
    labels = {f"op {op.index} {op.name}" for op in report.operators}
    assert report.inserted
    for line in report.inserted:
        place = line.split(": ")[1]
        assert place.startswith("behind the source's op ")
        assert place.endswith(", whose clamp it restores")
        assert place.removeprefix("behind the source's ").split(",")[0] in labels
