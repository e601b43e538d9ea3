"""What the documents tell people to type works.

A fence `console` is run here, or by tests/golden/test_golden_doc.py; that of docs/accuracy.md, of
`make` and a fence `sh`, which take minutes, by the slow tests: with the demo model and its samples
in place of hosted models and photographs, for which only the parsers are asked in the others. `pip
install` alone is not run: it changes the environment and asks a registry.
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

import numpy as np
import pytest

import tflite_requant as tr
from tflite_requant.runtime import litert_available
from tflite_requant.schemes import load_scheme, preset_names

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "BUILD.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))]
ELSEWHERE = ("docs/golden-vectors.md",)  # has a test of its own
SLOW = ("docs/accuracy.md",)
# pip made the environment that tests run in; its extras are compared below.
INSTALLS = ("$ python3 -m pip install .", "$ python3 -m pip install '.[runtime,images]'")
ACTIVATION = "$ . .venv/bin/activate"
DEMO_PLACE = Path("build", "demo")  # where `make run` writes, and README.md goes on from there
UP = "../../"
COMMAND = re.compile(r"^(\$ |tools/|\.{1,2}/|tflite-requant |python3? |pip |make )", re.MULTILINE)
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


def shell(line: str, desk: Path, inside: str = "") -> subprocess.CompletedProcess:
    """Run a line in the desk, or in a folder inside it."""
    path = f"{desk / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        line, shell=True, cwd=desk / inside, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


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
def test_commands(as_cloned, page):
    inside = ""
    for line in commands(page):
        if line in (*INSTALLS, ACTIVATION) or line.startswith("$ make "):
            continue
        if line.startswith("$ cd "):
            inside = line.removeprefix("$ cd ")
            continue
        done = shell(line.removeprefix("$ "), as_cloned, inside)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stderr == "", line


@pytest.fixture
def as_cloned(desk, request):
    """README.md begins in the root of a checkout, which holds no model; other pages beside one."""
    if request.getfixturevalue("page") == "README.md":
        for file in desk.glob("digits_*"):
            file.unlink()
    return desk


def test_the_readme_begins_with_what_makes_its_environment():
    first, *rest = commands("README.md")
    assert first == "$ make run"
    # Whoever has no Make begins with the folder that `make run` would have made.
    copied = [f"$ mkdir -p {DEMO_PLACE}", f"$ cp examples/demo/digits_* {DEMO_PLACE}"]
    assert rest[:4] == [ACTIVATION, *copied, f"$ cd {DEMO_PLACE}"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"DEMO_OUT := {DEMO_PLACE}" in makefile and "\tmkdir -p $(DEMO_OUT)\n" in makefile


def test_the_count_of_synthetic_images_is_the_constant():
    from tflite_requant.statistics.synthetic import DEFAULT_COUNT

    (told,) = re.findall(
        r"`synthetic`, `synthetic:N` .*?(\d+) or N images",
        (ROOT / "docs" / "samples.md").read_text("utf-8"),
    )
    assert told == str(DEFAULT_COUNT)


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
    words = shlex.split(line.removeprefix(UP))
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


@pytest.fixture
def stand_ins(demo_model, desk, monkeypatch):
    """Files for what no test has: the demo model under the names of hosted ones, and its samples as
    a folder of photographs with a table of labels."""
    Image = pytest.importorskip("PIL.Image")
    for name in ("mobilenet_v2_1.0_224_quant", "kws_ref_model_int8", "another"):
        (desk / "models").mkdir(exist_ok=True)
        shutil.copy(demo_model, desk / "models" / f"{name}.tflite")
    images = desk / "photos" / "images"
    images.mkdir(parents=True)
    rows = ["file,class_index,split"]
    with np.load(demo_model.with_name("digits_samples.npz")) as held:
        pairs = list(zip(held["test"], held["test_labels"], strict=True))
    # Enough for the limits of the commands; --label-offset 1 leaves no class 0.
    for number, (pixels, label) in enumerate([p for p in pairs if p[1] > 0][:60]):
        Image.fromarray(pixels[..., 0]).save(images / f"{number}.png")
        split = "calibration" if number < 40 else "evaluation"
        rows.append(f"{number}.png,{label - 1},{split}")
    (desk / "photos" / "labels.csv").write_text("\n".join(rows) + "\n")
    for name, value in (("MODELS", "models"), ("MODEL", "another"), ("PHOTOS", "photos")):
        monkeypatch.setenv(name, value)
    return desk


WITH_STAND_INS = [(p, line) for p in PAGES for line in commands(p, "sh")]


@pytest.mark.slow
@pytest.mark.parametrize("page, line", WITH_STAND_INS, ids=range(len(WITH_STAND_INS)))
def test_commands_on_stand_ins(stand_ins, page, line):
    if not litert_available() and "--through interpreter" not in line:
        pytest.skip("needs ai-edge-litert")
    done = shell(line.removeprefix(UP), stand_ins)
    assert (done.returncode, done.stderr) == (0, ""), line
    names = [word.partition("/")[2] for word in line.split() if word.startswith("$MODELS/")]
    assert done.stdout.startswith(tuple(n.replace("$MODEL", "another") for n in names) or "profile")


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


@pytest.fixture
def checkout(folder):
    """A copy of what a checkout holds."""
    made = (".git", ".venv", ".*_cache", ".hypothesis", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder / "copy", ignore=shutil.ignore_patterns(*made))
    return folder / "copy"


# Target -> what it prints. Tests are collected, as they cannot run in themselves.
TARGETS = {
    "run": "source, optimized kernels",
    "test": "tests collected",
    "test-slow": "tests collected",
    "examples": "skipped|0 differ|no bit differs",
    "fuzz": r"2,000 variants, 0 failures",
    "bench": "digits_qat_uint8 ",
    "lint": "All checks passed!",
    "format": "unchanged",
    "docs": "generate_",
    "bindings": "generate_bindings",
    "clean": "rm -rf",
}


def test_every_make_target_has_a_test():
    assert [line.split()[1] for line in make_commands()] == sorted(TARGETS)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("target", TARGETS)
def test_make_targets_run(checkout, monkeypatch, target):
    """In the environment that tests run in, which is not installed again."""
    venv = Path(sys.prefix)
    if target == "clean":  # would take that away
        venv = checkout / "venv"
        venv.mkdir()
    for name in ("TFLITE_REQUANT_MODELS", "MAKEFLAGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only -q" if "test" in target else "")
    words = [f"VENV={venv}", "-o", f"{venv}/.ready", "-o", f"{venv}/.cocotb", target]
    done = subprocess.run(
        ["make", *words], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(TARGETS[target], done.stdout), done.stdout
    assert venv.exists() == (target != "clean")
    if target in ("docs", "bindings"):  # what is checked in is what they write
        files = [*checkout.glob("docs/*"), *checkout.glob("tflite_requant/flatbuffer/_generated/*")]
        texts = {f: f.read_bytes() for f in files if f.is_file()}
        assert len(texts) > 10
        assert [f for f in texts if texts[f] != (ROOT / f.relative_to(checkout)).read_bytes()] == []


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


def test_the_record_that_is_explained_is_the_catalogs():
    (record,) = blocks("docs/adding-an-operator.md", "text")
    source = (ROOT / "tflite_requant" / "catalog" / "elementwise.py").read_text("utf-8")
    assert record in source and "_ANY = by_dtype(uint8=1, int8=2, int16=4)" in source


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
