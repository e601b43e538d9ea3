"""What the documents tell people to type works.

A fence `console` is run here, or by tests/golden/test_golden_doc.py. A fence `sh` would take data
or minutes that no test has: its commands have to be such as their own parsers accept.
"""

import os
import re
import runpy
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import tflite_requant as tr
from tflite_requant.schemes import load_scheme, preset_names

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "BUILD.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))]
ELSEWHERE = ("docs/golden-vectors.md",)  # has a test of its own
SLOW = ("docs/accuracy.md",)
# pip made the environment that tests run in; its extras are compared below.
INSTALLS = ("$ python3 -m pip install .", "$ python3 -m pip install '.[runtime,images]'")
COMMAND = re.compile(r"^(\$ |tools/|\./|tflite-requant |python3? |pip |make )", re.MULTILINE)
KINDS = ("console", "sh", "text", "python", "make", "starlark", "toml", "")


def fences(page: str) -> list[tuple[str, str]]:
    """(language, content) of every fence."""
    text = (ROOT / page).read_text("utf-8")
    return re.findall(r"^```(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    return [content for kind, content in fences(page) if kind == language]


def commands(page: str, language: str = "console") -> list[str]:
    """Lines to type; one that a backslash continues is one."""
    joined = (block.replace("\\\n", "") for block in blocks(page, language))
    return [line for block in joined for line in block.splitlines()]


@pytest.fixture
def desk(demo_model, folder):
    """A folder with the demo's files, tools and examples, and the program on the PATH."""
    for file in demo_model.parent.iterdir():
        shutil.copy(file, folder)
    for name in ("tools", "examples"):
        (folder / name).symlink_to(ROOT / name)
    programs = {"tflite-requant": "-m tflite_requant", "python3": ""}
    for name, words in programs.items():
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def shell(line: str, folder: Path) -> subprocess.CompletedProcess:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_in_a_fence_that_is_tested(page):
    kinds = {kind for kind, _ in fences(page)}
    assert kinds <= set(KINDS)
    for line in commands(page):
        assert line.startswith("$ "), line
    for kind, content in fences(page):
        if kind in ("text", "") and page != "docs/cli.md":
            assert COMMAND.search(content) is None, content


@pytest.mark.parametrize("page", [p for p in PAGES if p not in (*ELSEWHERE, *SLOW) and commands(p)])
def test_commands(desk, page):
    for line in commands(page):
        if line in INSTALLS or line.startswith("$ make "):
            continue
        done = shell(line.removeprefix("$ "), desk)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stderr == "", line


def test_sizes_are_those_of_the_demo(demo_model):
    said = " ".join((ROOT / "docs" / "accuracy.md").read_text("utf-8").split())
    (told,) = re.findall(r"The demo's ([\d,]+) bytes become (.*?) \(", said)
    source = tr.load(demo_model)
    sizes = {s: n for n, s in re.findall(r"([\d,]+) with `(.*?)`", told[1])}
    assert told[0] == f"{demo_model.stat().st_size:,}" and len(sizes) == 3
    for scheme, size in sizes.items():
        assert size == f"{tr.requantize(source, scheme).report.result_bytes:,}", scheme


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW)
def test_commands_and_what_they_print(desk, page):
    """The fence behind a command is its output."""
    command = None
    for kind, content in fences(page):
        if kind == "console":
            command = content.replace("\\\n", "").removeprefix("$ ")
        elif kind == "" and command is not None:
            done = shell(command, desk)
            assert (done.returncode, done.stdout.strip()) == (0, content.strip()), command
            command = None


def accepted(line: str, monkeypatch) -> None:
    """Raises SystemExit for words that the program's parser does not take."""
    words = shlex.split(line)
    if words[0].startswith("tools/"):
        monkeypatch.setattr(sys, "argv", words)
        tool = runpy.run_path(str(ROOT / words[0]), run_name="tool")
        assert vars(tool["arguments"]())
    else:
        raise AssertionError(f"no parser is known for {words[0]}")


TYPED = [(p, line) for p in PAGES for line in commands(p, "sh")]
TYPED += [(p, line.removeprefix("$ ")) for p in SLOW for line in commands(p)]


@pytest.mark.parametrize("page, line", TYPED, ids=range(len(TYPED)))
def test_parsers_accept_what_is_not_run(page, line, monkeypatch):
    accepted(line, monkeypatch)
    with pytest.raises(SystemExit):
        accepted(f"{line} --no-such-flag", monkeypatch)


def make_commands() -> list[str]:
    """`make TARGET`, wherever a page says so."""
    told = []
    for page in PAGES:
        told += [line.removeprefix("$ ") for line in commands(page)]
        told += re.findall(r"`(make [^`]*)`", (ROOT / page).read_text("utf-8"))
    return sorted({line for line in told if re.fullmatch(r"make [a-z][a-z-]*", line)})


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("line", make_commands())
def test_make_targets_exist(line):
    done = subprocess.run(
        [*line.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout and "Nothing to be done" not in done.stdout


def test_every_tool_that_is_named_exists():
    text = "\n".join((ROOT / page).read_text("utf-8") for page in PAGES)
    named = set(re.findall(r"`((?:tools|examples|docs|schema|tests)/[\w./-]+)", text))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


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


def test_bazel_rules():
    """BUILD.md's rules are those of tools/requant.bzl, with attributes that they have."""
    (told,) = blocks("BUILD.md", "starlark")
    rules = (ROOT / "tools" / "requant.bzl").read_text("utf-8")
    found = []
    named = {"load": lambda file, *names: found.extend(names)}
    for name in ("tflite_requant", "tflite_cc_array"):
        named[name] = lambda **attributes: found.extend(attributes)
    exec(compile(told, "BUILD.md", "exec"), named)
    assert len(found) == 7
    for name in found:
        assert re.search(rf'^{name} = |^def {name}\(|"{name}": |\b{name},', rules, re.M), name


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


def test_readme_repeats_what_was_measured():
    """The README's table of MobileNetV2 is the calibrated one of docs/accuracy.md."""
    told = blocks("docs/accuracy.md", "")
    (table,) = [t for t in told if t.startswith("mobilenet_v2") and "symmetric+allow-padv2" in t]
    readme = (ROOT / "README.md").read_text("utf-8").split("## What it costs")[1].split("\n## ")[0]
    lines = [line for line in readme.splitlines() if line.startswith("| ")][2:]
    assert len(lines) == 8
    for row in lines:
        name, sqnr, same, top1 = (cell.strip(" `") for cell in row.strip("|").split("|"))
        (line,) = re.findall(rf"^{re.escape(name)} +(\d.*)$", table, re.M)
        found = line.split()
        if name == "source":
            assert [sqnr, same, top1] == ["", "", *found]
        else:
            assert [sqnr, same, top1] == [f"{float(found[0]):.1f}", *found[2:4]]
