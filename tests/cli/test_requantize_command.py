"""`requantize`: what is written where, what is said, and which exit code it ends with."""

import dataclasses
import json
import os
import sys

import pytest
from said import messages

from tflite_requant.cli import main
from tflite_requant.cli import requantize as command
from tflite_requant.cli.parser import parser_of
from tflite_requant.requantize import CORRECTIONS, Options
from tflite_requant.testing import TensorSpec, one_operator_model

EVERY_KIND = ("int8,int8-per-tensor,symmetric,symmetric-per-tensor,symmetric-po2,"
              "symmetric-po2-per-tensor,uint8,int16x8")  # fmt: skip


def names(folder) -> set[str]:
    return {p.name for p in folder.iterdir()}


def unknown_operator_model() -> bytes:
    x = TensorSpec("uint8", (1, 4), 0.1, 3)
    return one_operator_model("MyOperator", [x], [x], custom_options=b"\1").to_bytes()


@pytest.mark.parametrize(
    "words, written",
    [
        pytest.param("tiny.tflite", {"tiny.int8.tflite"}, id="default"),
        pytest.param("requantize tiny.tflite", {"tiny.int8.tflite"}, id="named"),
        pytest.param("tiny.tflite -o x.bin", {"x.bin"}, id="file"),
        pytest.param("tiny.tflite -s symmetric", {"tiny.symmetric.tflite"}, id="scheme"),
        pytest.param("-s symmetric tiny.tflite", {"tiny.symmetric.tflite"}, id="flags-first"),
        pytest.param("tiny.tflite --scheme int8,uint8", {"tiny.int8.tflite", "tiny.uint8.tflite"},
                     id="two"),
        pytest.param("tiny.tflite -o x.tflite --depfile x.d", {"x.tflite", "x.d"}, id="depfile"),
    ],
)  # fmt: skip
def test_writes(tiny, capsys, words, written):
    assert main(words.split()) == 0
    assert names(tiny.parent) == written | {"tiny.tflite"}
    out, err = capsys.readouterr()
    assert err == ""
    assert all(name in out for name in written if name.endswith("tflite"))


def test_folder_as_output(tiny, capsys):
    (tiny.parent / "out").mkdir()
    assert main(["tiny.tflite", "-s", EVERY_KIND, "-o", "out"]) == 0
    assert names(tiny.parent / "out") == {f"tiny.{s}.tflite" for s in EVERY_KIND.split(",")}
    assert capsys.readouterr().err == ""


def test_scheme_file(tiny):
    (tiny.parent / "mine.toml").write_text('name = "npu7"\n')
    assert main(["tiny.tflite", "-s", "mine.toml"]) == 0
    assert (tiny.parent / "tiny.npu7.tflite").exists()


def test_result_is_what_the_library_gives(tiny):
    import tflite_requant as tr

    assert main(["tiny.tflite", "-s", "symmetric", "-o", "x.tflite"]) == 0
    result = tr.requantize(tr.load("tiny.tflite"), "symmetric")
    assert (tiny.parent / "x.tflite").read_bytes() == result.model.to_bytes()


def test_same_scheme_gives_the_same_bytes(tiny, capsys):
    assert main(["tiny.tflite", "-s", "uint8"]) == 0
    assert (tiny.parent / "tiny.uint8.tflite").read_bytes() == tiny.read_bytes()
    assert "the model is on scheme uint8 already" in capsys.readouterr().out


def test_summary_fits_80_columns(demo_model, folder, capsys):
    assert main([str(demo_model), "-s", EVERY_KIND, "-o", "."]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80


def test_verbose_tells_every_operator(demo_model, folder, capsys):
    assert main([str(demo_model), "-s", "symmetric", "-o", ".", "-v"]) == 0
    out = capsys.readouterr().out
    assert out.count("DEPTHWISE_CONV_2D approximated") == 4
    assert "-v shows all" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_quiet_says_nothing(tiny, capsys):
    assert main(["tiny.tflite", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


# --- the answer is no --------------------------------------------------------------------------


def test_refused_model(folder, capsys):
    (folder / "odd.tflite").write_bytes(unknown_operator_model())
    assert main(["odd.tflite", "-s", "int8,symmetric"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "odd.tflite: cannot be put on scheme int8: 1 finding" in err
    assert err.count("MyOperator is not in the operator catalog") == 1
    assert "scheme symmetric: 1 finding\n  op 0 MyOperator" in err
    assert "2 of 2 schemes failed; nothing written" in err
    assert max(map(len, err.splitlines())) <= 80
    assert names(folder) == {"odd.tflite"}


def test_one_refusal_keeps_the_others_from_being_written(tiny, capsys):
    (tiny.parent / "only.toml").write_text('name = "only"\n[operators]\nallow = ["SOFTMAX"]\n')
    assert main(["tiny.tflite", "-s", "int8,only.toml"]) == 1
    out, err = capsys.readouterr()
    assert "written      nothing: 1 of 2 schemes failed\n" in out
    assert "scheme only does not allow FULLY_CONNECTED" in err
    assert "1 of 2 schemes failed; nothing written" in err
    assert names(tiny.parent) == {"tiny.tflite", "only.toml"}


@pytest.mark.parametrize(
    "condition, code",
    [
        pytest.param("exceptions==0", 1, id="not-met"),
        pytest.param("exceptions==1", 0, id="met"),
        pytest.param("exceptions<=1, warnings==0,exact_weights>=0", 0, id="several-met"),
        pytest.param("exceptions<=1,inserted>99", 1, id="one-of-several-not-met"),
    ],
)
def test_require(tiny, capsys, condition, code):
    assert main(["tiny.tflite", "-s", "symmetric", "--require", condition]) == code
    assert names(tiny.parent) == {"tiny.tflite"} | (set() if code else {"tiny.symmetric.tflite"})
    out, err = capsys.readouterr()
    assert (f"written      nothing: {condition.split(',')[-1]} does not hold: it is" in out) == (
        bool(code)
    )
    assert err.count("does not hold: it is") == code


def test_each_scheme_says_why_nothing_is_written(tiny, capsys):
    assert main("tiny.tflite -s int8,symmetric -o . --require exceptions==0".split()) == 1
    out = capsys.readouterr().out
    assert "written      nothing: 1 of 2 schemes failed\n" in out
    assert "written      nothing: exceptions==0 does not hold: it is 1\n" in out


def test_require_keeps_an_older_output(tiny):
    old = tiny.parent / "tiny.symmetric.tflite"
    old.write_bytes(b"older")
    assert main(["tiny.tflite", "-s", "symmetric", "--require", "exceptions==0"]) == 1
    assert old.read_bytes() == b"older"


# --- flags reach the library -------------------------------------------------------------------


def test_keep_io(tiny):
    import tflite_requant as tr

    assert main(["tiny.tflite", "--keep-io", "-o", "x.tflite"]) == 0
    kept = tr.load("x.tflite")
    assert [t.dtype for t in (*kept.inputs, *kept.outputs)] == ["uint8", "uint8"]


@pytest.mark.parametrize(
    "words, field, value",
    [
        pytest.param("", "correction", CORRECTIONS, id="all-corrections"),
        pytest.param("--correction none", "correction", (), id="no-correction"),
        pytest.param("--correction bias-folding,exact-grid", "correction",
                     ("exact-grid", "bias-folding"), id="some-corrections"),
        pytest.param("--clamps exact", "clamps", "exact", id="clamps"),
        pytest.param("--allow-padv2 3", "allow_padv2", 3, id="some-padv2"),
        pytest.param("--allow-padv2 any", "allow_padv2", "any", id="any-padv2"),
        pytest.param("--keep-unknown", "keep_unknown", True, id="keep-unknown"),
        pytest.param("--strict-meaning", "strict_meaning", True, id="strict-meaning"),
        pytest.param("--keep-io", "keep_io", True, id="keep-io"),
        pytest.param("--seed 7", "seed", 7, id="seed"),
        pytest.param("", "progress", False, id="no-progress-without-terminal"),
    ],
)  # fmt: skip
def test_options(tiny, monkeypatch, words, field, value):
    module = sys.modules["tflite_requant.requantize"]
    seen = []
    original = module.requantize

    def spy(model, scheme, calibration, options):
        seen.append(options)
        return original(model, scheme, calibration, options)

    monkeypatch.setattr(module, "requantize", spy)
    assert main(["tiny.tflite", *words.split()]) == 0
    assert getattr(seen[0], field) == value


def test_every_option_has_a_flag():
    flags = {action.dest for action in parser_of("requantize")._actions}
    options = {field.name for field in dataclasses.fields(Options)}
    assert options - flags == {"progress"}  # decided by whether stderr is a terminal


def test_help_names_every_correction():
    words = parser_of("requantize").format_help().replace(",", " ").split()
    assert [c for c in CORRECTIONS if c not in words] == []


def test_calibration_changes_the_result(demo_model, folder):
    samples = f"{demo_model.parent / 'digits_samples.npz'}:calibration"
    assert (
        main([str(demo_model), "-s", "symmetric", "-o", "a.tflite", "--calibration", "prior"]) == 0
    )
    assert main([str(demo_model), "-s", "symmetric", "-o", "b.tflite", "--calibration", samples,
                 "--depfile", "b.d"]) == 0  # fmt: skip
    assert (folder / "a.tflite").read_bytes() != (folder / "b.tflite").read_bytes()
    rule = (folder / "b.d").read_text().split("\n\n")[0]
    assert rule == (
        f"b.tflite: \\\n  {demo_model} \\\n  {demo_model.parent / 'digits_samples.npz'}"
    )


# --- builds ------------------------------------------------------------------------------------


def test_json_is_one_document(tiny, capsys):
    assert main(["tiny.tflite", "-s", "int8,symmetric", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    document = json.loads(out)
    assert [r["scheme"] for r in document["results"]] == ["int8", "symmetric"]
    assert document["written"] is True
    assert [r["output"] for r in document["results"]] == [
        "tiny.int8.tflite",
        "tiny.symmetric.tflite",
    ]


def test_json_tells_refusals_too(tiny, capsys):
    (tiny.parent / "only.toml").write_text('name = "only"\n[operators]\nallow = ["SOFTMAX"]\n')
    assert main(["tiny.tflite", "-s", "int8,only.toml", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["written"] is False
    assert [("refused" in r) for r in document["results"]] == [False, True]


def test_depfile(tiny):
    (tiny.parent / "my npu.toml").write_text('name = "npu"\n')
    words = ["tiny.tflite", "-s", "int8,my npu.toml", "-o", ".", "--depfile", "x.d"]
    assert main(words) == 0
    assert (tiny.parent / "x.d").read_text() == (
        "tiny.int8.tflite tiny.npu.tflite: \\\n  tiny.tflite \\\n  my\\ npu.toml\n"
        "\ntiny.tflite:\n\nmy\\ npu.toml:\n"
    )


def test_same_bytes_every_time(tiny, capsys):
    found = set()
    for name in ("a.tflite", "b.tflite"):
        assert main(["tiny.tflite", "-s", "symmetric", "-o", name, "--json"]) == 0
        text = capsys.readouterr().out.replace(name, "NAME")
        found.add((text, (tiny.parent / name).read_bytes()))
    assert len(found) == 1


def test_interrupt_leaves_nothing_behind(tiny, capsys, monkeypatch):
    replace = os.replace

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    assert main(["tiny.tflite"]) == 130
    monkeypatch.setattr(os, "replace", replace)
    assert capsys.readouterr().err == "tflite-requant: interrupted\n"
    assert names(tiny.parent) == {"tiny.tflite"}


@pytest.mark.parametrize("words, traced", [("", False), ("-v", True)], ids=["plain", "verbose"])
def test_a_bug_is_one_line_and_exit_3(tiny, capsys, monkeypatch, words, traced):
    def broken(*args):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(command, "_attempt", broken)
    assert main(["tiny.tflite", *words.split()]) == 3
    err = capsys.readouterr().err
    assert "tflite-requant: internal error: ZeroDivisionError: oh; please report it" in err
    assert ("Traceback" in err) == traced
    assert traced or len(messages(err)) == 1
    assert names(tiny.parent) == {"tiny.tflite"}
