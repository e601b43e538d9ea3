"""The tools that draw: the same picture twice, of what was measured."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")
ROOT = Path(__file__).resolve().parent.parent
README_PICTURE = ROOT / "docs" / "grids.svg"


def drawn(tool: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / tool), *words],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    ElementTree.fromstring(done.stdout)
    return done.stdout


def texts(picture: str) -> list[str]:
    """What is written in a picture: Matplotlib notes it beside the outlines of its letters."""
    return re.findall("<!-- (.*?) -->", picture)


def test_the_picture_of_the_readme():
    """Outlines may differ between versions of Matplotlib; numbers may not."""
    told = (ROOT / "tools" / "draw_grids").read_text("utf-8").split('"""')[1]
    words = re.search(r"tools/draw_grids(.*?)> docs/grids.svg", told, re.S)[1].replace("\\", "")
    found = drawn("draw_grids", *words.split())
    assert texts(found) == texts(README_PICTURE.read_text("utf-8"))
    assert "output = accumulator &gt;&gt; 6" in texts(found)
    assert README_PICTURE.stat().st_size < 100_000
    assert "](docs/grids.svg)" in (ROOT / "README.md").read_text("utf-8")


def test_an_operator_without_weights_is_refused(demo_model):
    samples = f"{demo_model.parent / 'digits_samples.npz'}:test"
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "draw_grids"), str(demo_model), "int8", "6",
         "--samples", samples, "--calibration", samples],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("draw_grids: operator 6 is ADD; need one of CONV_2D")


def test_a_table_of_accuracies(tmp_path):
    row = {"name": "int8", "sqnr_db": 20.5}
    table = {"results": [row, {"name": "uint8-npu", "sqnr_db": None}], "ceiling": {"sqnr_db": 21.0}}
    (tmp_path / "table.json").write_text(json.dumps([table]))
    found = drawn("draw_accuracy", str(tmp_path / "table.json"))
    assert found == drawn("draw_accuracy", str(tmp_path / "table.json"))
    assert all(f">{text}<" in found for text in ("int8", "20.5", "uint8-npu", "exact"))
