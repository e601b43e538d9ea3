"""`--report` and `--overlay`: which files, which contents, which refusals."""

import json

import pytest

from tflite_requant.cli import main


def names(folder) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_data_and_overlay(tiny, capsys):
    words = ["tiny.tflite", "-o", "x.tflite", "--report", "r.json", "--overlay", "o.json", "-q"]
    assert main(words) == 0
    assert names(tiny.parent) == {"tiny.tflite", "x.tflite", "r.json", "o.json"}
    (result,) = json.loads((tiny.parent / "r.json").read_text())["results"]
    tensors = result["study"]["tensors"]
    overlay = json.loads((tiny.parent / "o.json").read_text())
    assert list(overlay["results"]) == [t["name"] for t in tensors if t["sqnr"] is not None
                                        or t["differing"] == 0]  # fmt: skip
    assert all(0 <= v["value"] <= 99 for v in overlay["results"].values())
    assert capsys.readouterr().out == ""


def test_a_place_for_each_scheme(tiny):
    assert main("tiny.tflite -s int8,symmetric -o . --report r.{scheme}.json".split()) == 0
    assert {"r.int8.json", "r.symmetric.json"} < names(tiny.parent)


@pytest.mark.parametrize(
    "words, said",
    [
        pytest.param("--report r.pdf", "ends in .html or .json", id="suffix"),
        pytest.param("--overlay r.html", "ends in .json", id="overlay"),
        pytest.param("-s int8,symmetric -o . --report r.json", "r.{scheme}.json", id="one-place"),
        pytest.param("--report no/r.json", "folder", id="folder"),
        pytest.param("--report r.json --report r.json", "named twice", id="twice"),
    ],
)
def test_names_that_do_not_do(tiny, capsys, words, said):
    assert main(["tiny.tflite", *words.split()]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert names(tiny.parent) == {"tiny.tflite"}


def test_nothing_is_written_where_a_condition_fails(tiny):
    assert main("tiny.tflite --report r.json --require result_bytes<1".split()) == 1
    assert names(tiny.parent) == {"tiny.tflite"}
