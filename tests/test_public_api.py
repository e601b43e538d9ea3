"""The public names: there, cheap to import, and what they seem to be."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import tflite_requant

ROOT = Path(__file__).resolve().parent.parent
HEAVY = (
    "tensorflow",
    "ai_edge_litert",
    "numpy",
    "flatbuffers",
    "tflite_requant.flatbuffer._generated",
    "tflite_requant.requantize",
    "tflite_requant.model",
)

CLASSES = (
    "Finding", "Interpreter", "Model", "Options", "QArray", "QParams", "Report", "RequantError",
    "Result", "Scheme",
)  # fmt: skip
FUNCTIONS = (
    "check", "compare", "load", "load_scheme", "requantize", "save", "write_golden_vectors",
)  # fmt: skip


def python(code: str) -> str:
    """Standard output of a fresh interpreter in the repository's root."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout


def test_all_is_what_the_tables_here_say():
    assert tflite_requant.__all__ == sorted((*CLASSES, *FUNCTIONS))


@pytest.mark.parametrize("name", CLASSES)
def test_class(name):
    assert inspect.isclass(getattr(tflite_requant, name))
    assert getattr(tflite_requant, name).__name__ == name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_with_docstring(name):
    function = getattr(tflite_requant, name)
    assert inspect.isfunction(function)
    assert function.__doc__


def test_dir_lists_the_public_names():
    assert set(tflite_requant.__all__) <= set(dir(tflite_requant))


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        tflite_requant.quantise  # noqa: B018


@pytest.mark.parametrize(
    "first",
    [
        pytest.param("from tflite_requant.requantize import Options", id="submodule-first"),
        pytest.param("import tflite_requant.requantize", id="module-import-first"),
        pytest.param("import tflite_requant", id="package-first"),
    ],
)
def test_requantize_is_the_function_whatever_was_imported_before(first):
    out = python(f"{first}\nimport tflite_requant as tr\nprint(callable(tr.requantize))")
    assert out == "True\n"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import tflite_requant", id="package"),
        pytest.param("from tflite_requant.cli import main; main(['--help'])", id="help"),
        pytest.param("from tflite_requant.cli import main; main(['inspect', '-h'])", id="inspect"),
        pytest.param("from tflite_requant.cli import main; main(['schemes'])", id="schemes"),
        pytest.param("from tflite_requant.cli import main; main(['--version'])", id="version"),
    ],
)
def test_nothing_heavy_is_imported(code):
    out = python(f"{code}\nimport sys\nprint([m for m in {HEAVY!r} if m in sys.modules])")
    assert out.splitlines()[-1] == "[]"


def test_version():
    assert tflite_requant.__version__ == "0.1.0"


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda path: tflite_requant.requantize(path, "int8"), id="requantize"),
        pytest.param(
            lambda path: tflite_requant.check(path, tflite_requant.load_scheme("int8")), id="check"
        ),
    ],
)
def test_a_path_instead_of_a_model(demo_model, call):
    with pytest.raises(TypeError, match=r"found str; load it first: tflite_requant\.load\(path\)"):
        call(str(demo_model))
