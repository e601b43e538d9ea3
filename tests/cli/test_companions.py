"""`--report` and `--overlay`: which files, which contents, which refusals."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from said import messages

from tflite_requant import files
from tflite_requant.cli import main
from tflite_requant.errors import UsageError
from tflite_requant.report import html
from tflite_requant.report.html import inspection, page

ROOT = Path(__file__).resolve().parents[2]


def names(folder) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_a_page_is_made_without_a_word_of_fonts(tiny):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    home = tiny.parent / "home"
    home.mkdir()
    words = [sys.executable, "-m", "tflite_requant", "tiny.tflite", "-o", "x.tflite", "--report"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home)}
    for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        environment.pop(name, None)
    done = subprocess.run(
        [*words, "q.html", "-q"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.rglob("fontlist*"))  # they were looked for


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


def test_every_file_is_named(tiny, capsys):
    words = ("tiny.tflite -o x.tflite --report r.json --overlay o.json --c-array c.cc "
             "--depfile x.d")  # fmt: skip
    assert main(words.split()) == 0
    (told,) = re.findall(r"^  written +((?:.+\n)+?)  size ", capsys.readouterr().out, re.M)
    assert told.split() == ["x.tflite,", "r.json,", "o.json,", "c.cc,", "c.h,", "x.d"]
    assert names(tiny.parent) == {"tiny.tflite", *(w.strip(",") for w in told.split())}


def test_the_files_of_each_scheme_are_named(tiny, capsys):
    words = "tiny.tflite -s int8,symmetric -o . --report r.{scheme}.json"
    assert main(words.split()) == 0
    out = capsys.readouterr().out
    for scheme in ("int8", "symmetric"):
        assert f"written      tiny.{scheme}.tflite, r.{scheme}.json\n" in out


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


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
@pytest.mark.parametrize(
    "words",
    ["--report r.html", "-s int8,symmetric -o . --report {scheme}.html"],
    ids=["one", "two"],
)
def test_a_page_without_its_packages_is_refused_before_any_work(
    tiny, capsys, monkeypatch, words, missing
):
    _without(monkeypatch, missing)
    assert main(["tiny.tflite", *words.split()]) == 2
    _names_the_extra(capsys, missing)
    assert names(tiny.parent) == {"tiny.tflite"}


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_plot_without_its_packages_is_refused_before_any_work(tiny, capsys, monkeypatch, missing):
    _without(monkeypatch, missing)
    assert main("inspect tiny.tflite --plot p.html".split()) == 2
    _names_the_extra(capsys, missing)
    assert names(tiny.parent) == {"tiny.tflite"}


@pytest.mark.parametrize(
    "call", [page.page, inspection.inspection_page], ids=["page", "inspection"]
)
def test_a_page_says_itself_what_it_lacks(monkeypatch, call):
    _without(monkeypatch, "matplotlib")
    with pytest.raises(UsageError, match=r"\.\[report\]"):
        call(None, None, None, None)


def _without(monkeypatch, package) -> None:
    """As where the package is not installed; nothing may be loaded."""
    for name in html.PACKAGES:  # the other one is there, in name
        monkeypatch.setitem(sys.modules, name, None if name == package else ModuleType(name))
    monkeypatch.setattr(files, "load", lambda *_, **__: pytest.fail("work before the check"))


def _names_the_extra(capsys, missing) -> None:
    (said,) = messages(capsys.readouterr().err)
    assert "pip install '.[report]' in a checkout" in said and f"({missing} is missing)" in said
