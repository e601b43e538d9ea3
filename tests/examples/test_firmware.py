"""The firmware examples build with Make and with Bazel, and again only what changed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
needs_make = pytest.mark.skipif(
    not (shutil.which("make") and shutil.which("cc")), reason="no make, or no C compiler"
)
needs_bazel = pytest.mark.skipif(
    not (shutil.which("bazel") and shutil.which("cc")), reason="no bazel, or no C compiler"
)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of what the examples read, so that it may be changed."""
    for name in ("tools", "examples/demo", "examples/firmware_make", "examples/firmware_bazel"):
        ignored = shutil.ignore_patterns("build", "bazel-*", "__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    return tmp_path


@pytest.fixture
def python(tmp_path) -> Path:
    """A Python that finds this package, installed or not."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path) -> Path:
    """A Python without packages."""
    path = tmp_path / "bare"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def make(checkout, python):
    folder = checkout / "examples" / "firmware_make"

    def run(*words: str) -> list[str]:
        """The commands that Make ran."""
        done = subprocess.run(
            ["make", f"TFLITE_REQUANT_PYTHON={python}", *words],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        kinds = {"tflite_requant ..": "model", "c_array": "array", "golden": "vectors",
                 "cc -std": "program"}  # fmt: skip
        return [name for line in done.stdout.splitlines() for key, name in kinds.items()
                if key in line]  # fmt: skip

    return folder, run


@needs_make
def test_make(make):
    folder, run = make
    assert sorted(run()) == ["array", "model", "program", "vectors"]
    assert run() == []
    done = subprocess.run([folder / "build" / "firmware"], capture_output=True, text=True)
    size = (folder / "build" / "digits.tflite").stat().st_size
    assert (done.returncode, done.stdout) == (0, f"a model of {size} bytes, aligned to 16\n")
    (folder / "main.c").touch()
    assert run() == ["program"]
    (folder.parent / "demo" / "digits_samples.npz").touch()  # the depfile names it
    assert sorted(run()) == ["array", "model", "program", "vectors"]


@needs_make
def test_a_refused_model_leaves_nothing(make, capfd):
    folder, run = make
    with pytest.raises(subprocess.CalledProcessError):
        run("MODEL=main.c")
    assert not (folder / "build" / "digits.tflite").exists()


@pytest.mark.parametrize(
    "goal", ["all", "build/digits.tflite", "build/digits_model.c", "build/vectors/manifest.json"]
)
@needs_make
def test_a_python_without_the_package_is_named(make, bare, capfd, goal):
    folder, run = make
    if goal == "build/digits_model.c":  # its own rule, with the model made
        run("build/digits.tflite")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run(goal, f"TFLITE_REQUANT_PYTHON={bare}")
    (line,) = failed.value.stderr.splitlines()
    assert f"*** {bare} cannot import tflite_requant: install it there, or name " in line
    assert "make TFLITE_REQUANT_PYTHON=" in line
    assert not (folder / goal).exists()


@needs_make
def test_the_python_is_looked_at_once(make, python, tmp_path):
    _, run = make
    log = tmp_path / "log"
    watched = tmp_path / "watched"
    watched.write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {python} "$@"\n')
    watched.chmod(0o755)
    run(f"TFLITE_REQUANT_PYTHON={watched}")
    calls = log.read_text().splitlines()
    assert sum("import" in call for call in calls) == 1 and len(calls) == 4


@needs_make
def test_another_program_needs_no_such_python(make, bare, python):
    _, run = make
    words = f"TFLITE_REQUANT_PYTHON={bare}", f"TFLITE_REQUANT={python} -m tflite_requant"
    assert run("build/digits.tflite", *words) == ["model"]


@needs_bazel
@needs_make
def test_bazel(checkout, python, make):
    folder = checkout / "examples" / "firmware_bazel"
    start = ["bazel", "--nohome_rc", f"--output_user_root={checkout / 'bazel'}"]

    def build() -> int:
        """How many commands Bazel ran in its sandbox."""
        words = ["build", "//...", f"--repo_env=TFLITE_REQUANT_PYTHON={python}", "--curses=no"]
        done = subprocess.run([*start, *words], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found = re.search(r"(\d+) (?:linux|processwrapper)-sandbox", done.stderr)
        return int(found[1]) if found else 0

    try:
        assert build() == 4
        assert build() == 0
        with (folder / "main.c").open("a") as file:
            file.write("/* more */\n")
        assert build() == 1
        built = folder / "bazel-bin"
        made, run = make
        run()
        for name in ("digits.tflite", "digits_model.c", "digits_model.h", "vectors/manifest.json"):
            assert (built / name).read_bytes() == (made / "build" / name).read_bytes(), name
    finally:
        subprocess.run([*start, "shutdown"], cwd=folder, capture_output=True)
        subprocess.run(["chmod", "-R", "u+w", str(checkout / "bazel")], capture_output=True)


def test_both_examples_have_the_same_firmware():
    found = [ROOT / "examples" / name / "main.c" for name in ("firmware_make", "firmware_bazel")]
    assert found[0].read_bytes() == found[1].read_bytes()


class Module:
    """Reads a MODULE.bazel, whose language is Python's here: what it declares and uses."""

    def __init__(self, path: Path) -> None:
        self.name, self.dependencies, self.paths = "", [], {}
        self.extensions, self.used, self.rules, self.repositories = [], [], [], []
        exec(compile(path.read_text("utf-8"), str(path), "exec"), {
            "module": lambda name: setattr(self, "name", name),
            "bazel_dep": lambda name: self.dependencies.append(name),
            "local_path_override": lambda module_name, path: self.paths.update({module_name: path}),
            "use_extension": lambda file, name: self.extensions.append((file, name)),
            "use_repo": lambda extension, *names: self.used.extend(names),
            "use_repo_rule": self._rule,
        })  # fmt: skip

    def _rule(self, file: str, name: str):
        self.rules.append((file, name))
        return lambda **attributes: self.repositories.append(attributes)


def test_names_of_the_bazel_modules_agree():
    """No Bazel that reads MODULE.bazel has run these files; this is what is held without one."""
    folder = ROOT / "examples" / "firmware_bazel"
    firmware = Module(folder / "MODULE.bazel")
    (dependency,) = firmware.dependencies
    home = (folder / firmware.paths[dependency]).resolve()
    rules = Module(home / "MODULE.bazel")
    assert rules.name == dependency
    assert (home / "BUILD.bazel").is_file()
    ((file, extension),) = rules.extensions
    made = (home / file.removeprefix("//:")).read_text("utf-8")
    assert re.search(rf"^{extension} = module_extension\(", made, re.M)
    (repository,) = rules.used
    assert f'tflite_requant_python(name = "{repository}")' in made
    law = (home / "requant.bzl").read_text("utf-8")
    assert f'default = "@{repository}//:python"' in law
    build = (folder / "BUILD.bazel").read_text("utf-8")
    assert set(re.findall(r"@(\w+)//", build)) == {
        dependency, *(r["name"] for r in firmware.repositories)
    }  # fmt: skip
    for found in firmware.repositories:
        for name in re.findall(r'"([^"]+)"', found["build_file_content"]):
            assert (folder / found["path"] / name).is_file()
