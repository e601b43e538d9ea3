"""Every tool says in one line what it lacks."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parent.parent / "tools"
PROGRAMS = sorted(p.name for p in TOOLS.iterdir() if p.is_file() and os.access(p, os.X_OK))
# What those do that need no package to print their help: only then they look for one.
WORKING = {
    "draw_accuracy": ["table.json"],
    "fuzz": ["--count", "1", "model.tflite"],
    "generate_cli_doc": ["--check"],
    "verify_arithmetic": ["--operators", "ADD"],
}
# Need none, or say themselves which compiler or bindings they read.
CONTENT = (
    "derive_schema", "generate_arithmetic_doc", "generate_bindings", "generate_operators_doc",
)  # fmt: skip


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """A Python without packages."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run(python: Path, folder: Path, tool: str, *words: str) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [python, TOOLS / tool, *words],
        cwd=folder, capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("tool", [name for name in PROGRAMS if name not in CONTENT])
def test_a_tool_without_packages(tool, bare, demo_model, tmp_path):
    (tmp_path / "table.json").write_text("[{}]")
    shutil.copy(demo_model, tmp_path / "model.tflite")
    done = run(bare, tmp_path, tool, *WORKING.get(tool, ["--help"]))
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert line.startswith(f"{tool}: no package ")
    assert "activate the virtual environment" in line
    assert line.endswith(f".venv/bin/python tools/{tool}")


@pytest.mark.parametrize("tool", CONTENT)
def test_a_tool_that_needs_none(tool, bare, tmp_path):
    done = run(bare, tmp_path, tool, "--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout


def test_every_tool_imports_the_advice_before_any_package():
    for tool in PROGRAMS:
        lines = (TOOLS / tool).read_text("utf-8").splitlines()
        imported = [m[1] for line in lines if (m := re.match(r"(?:import|from) (\w+)", line))]
        foreign = [name for name in imported if name not in sys.stdlib_module_names]
        assert foreign[0] == "_packages", tool


def test_other_errors_are_told_as_ever(bare, tmp_path):
    done = run(bare, tmp_path, "draw_accuracy", "none.json")
    assert done.returncode == 1 and "FileNotFoundError" in done.stderr
