"""docs/golden-vectors.md: what it tells to type works, and prints what it says."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "golden-vectors.md"
NEEDS = ("iverilog", "vvp")


def blocks() -> list[tuple[str, str]]:
    """(language, content) of the fenced blocks that are run, or printed by the one before."""
    pattern = r"^```(console|text|python)\n(.*?)^```$"
    found = re.findall(pattern, PAGE.read_text("utf-8"), re.M | re.S)
    assert len(found) > 5
    return found


def lines_of(block: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block.splitlines()]


@pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in NEEDS), reason="needs Icarus Verilog"
)
def test_commands_and_what_they_print(demo_model, folder):
    for file in demo_model.parent.iterdir():
        shutil.copy(file, folder)
    shutil.copytree(ROOT / "examples" / "rtl", folder / "rtl")
    program = folder / "bin" / "tflite-requant"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tflite_requant "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    printed = ""
    for language, block in blocks():
        if language == "text":
            assert printed == block
            continue
        if language == "python":
            (folder / "block.py").write_text(block)
            block = f"{sys.executable} block.py"
        for line in lines_of(block):
            done = subprocess.run(
                line, shell=True, cwd=folder, env=environment, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, ""), line
            printed = done.stdout


def test_every_goal_flag_and_letter_is_told():
    from tflite_requant.golden.coverage import LETTERS
    from tflite_requant.golden.goals import GOALS

    page = PAGE.read_text("utf-8")
    assert [name for name in (*GOALS, *LETTERS) if f"`{name}`" not in page] == []
