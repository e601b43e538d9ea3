"""What README.md and BUILD.md tell people to type works."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tflite_requant.schemes import load_scheme, preset_names

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "BUILD.md")
INSTALLS = ("$ python3 -m pip install .", "$ python3 -m pip install '.[runtime,images]'")


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    return [line for block in blocks(page, "console") for line in block.splitlines()]


@pytest.fixture
def desk(demo_model, folder):
    """A folder with the demo's files, and the program on the PATH."""
    for file in demo_model.parent.iterdir():
        shutil.copy(file, folder)
    program = folder / "bin" / "tflite-requant"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tflite_requant "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def shell(line: str, folder: Path) -> subprocess.CompletedProcess:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_every_console_line_is_a_command():
    lines = [line for page in PAGES for line in commands(page)]
    assert lines
    assert [line for line in lines if not line.startswith("$ ")] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands(desk, page):
    for line in commands(page):
        if line in INSTALLS or line.startswith("$ make "):
            continue
        done = shell(line.removeprefix("$ "), desk)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stderr == "", line


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("line", [c for c in commands("BUILD.md") if c.startswith("$ make ")])
def test_make_targets_exist(line):
    done = subprocess.run(
        ["make", "--dry-run", line.removeprefix("$ make ")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_rules(desk):
    (rules,) = blocks("BUILD.md", "make")
    (desk / "Makefile").write_text(rules)
    (desk / "models").mkdir()
    shutil.copy(desk / "digits_qat_uint8.tflite", desk / "models" / "kws.tflite")
    (desk / "path" / "to").mkdir(parents=True)
    (desk / "path" / "to" / "tools").symlink_to(ROOT / "tools")
    line = f"make TFLITE_REQUANT_PYTHON={sys.executable} build/kws_model.cc build/kws_model.h"
    done = shell(line, desk)
    assert done.returncode == 0, done.stderr
    assert (desk / "build" / "kws_model.h").exists()
    assert "up to date" in shell(line, desk).stdout
    later = (desk / "build" / "kws.tflite").stat().st_mtime + 10
    os.utime(desk / "models" / "kws.tflite", (later, later))
    assert "--scheme symmetric" in shell(line, desk).stdout


def test_python(desk):
    (code,) = blocks("README.md", "python")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=desk, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (desk / "digits.tflite").exists()


def test_readme_lists_the_schemes():
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = [f"| `{name}` | {load_scheme(name).summary} |" for name in preset_names()]
    assert [row for row in rows if row not in readme.splitlines()] == []
    table = readme.split("| scheme |")[1].split("\n\n")[0]
    assert table.count("\n| `") == len(rows)


def test_build_lists_the_extras():
    from configparser import ConfigParser

    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    told = re.findall(r"^\| `(\w+)` \|", (ROOT / "BUILD.md").read_text("utf-8"), re.MULTILINE)
    assert told[: len(setup["options.extras_require"])] == list(setup["options.extras_require"])
