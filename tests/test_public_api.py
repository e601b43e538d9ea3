"""The public names: there, cheap to import, and what they seem to be."""

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tflite_requant
from tflite_requant import errors

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
    "Finding", "Interpreter", "Model", "Options", "QArray", "QParams", "Report", "Result", "Scheme",
)
ERRORS = (
    "FormatError", "NotQuantizedError", "RefusedError", "RequantError", "RuntimeFailure",
    "SampleError", "SchemeError", "UnsupportedOperatorError", "UsageError",
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
    assert tflite_requant.__all__ == sorted((*CLASSES, *ERRORS, *FUNCTIONS))


@pytest.mark.parametrize("name", (*CLASSES, *ERRORS))
def test_class(name):
    assert inspect.isclass(getattr(tflite_requant, name))
    assert getattr(tflite_requant, name).__name__ == name


def test_every_error_that_is_meant_for_callers_is_public():
    found = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.RequantError)
    }
    assert found | {"RuntimeFailure"} == set(ERRORS)
    assert all(issubclass(getattr(tflite_requant, n), errors.RequantError) for n in ERRORS)


def test_what_loading_raises_can_be_caught(tmp_path):
    (tmp_path / "text.tflite").write_bytes(b"no model")
    with pytest.raises(tflite_requant.FormatError) as caught:
        tflite_requant.load(tmp_path / "text.tflite")
    assert caught.value.exit_code == 2


DOTTED = r"\b(?:tflite_requant|tr)((?:\.[A-Za-z_]\w*)+)"
BARE = r"`([A-Z]\w+(?:Error|Failure))`"


def documented() -> list[str]:
    """Names of this package that pages tell, as they stand behind its own name."""
    told = set()
    for page in (ROOT / "README.md", ROOT / "BUILD.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text("utf-8")
        told |= {name.removeprefix(".") for name in re.findall(DOTTED, text)}
        told |= set(re.findall(BARE, text))
    return sorted(told)


@pytest.mark.parametrize("name", documented())
def test_names_in_the_pages_can_be_imported_as_written(name):
    found, path = tflite_requant, "tflite_requant"
    for word in name.split("."):
        path += f".{word}"
        if not hasattr(found, word):
            assert importlib.util.find_spec(path), path
            found = importlib.import_module(path)
        else:
            found = getattr(found, word)


def test_some_names_are_documented():
    assert {"load", "FormatError", "samples.load_samples", "c_array"} <= set(documented())


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


@pytest.mark.parametrize("given", [None, 3, ["int8"]], ids=str)
def test_what_is_no_scheme(demo_model, given):
    with pytest.raises(TypeError, match=rf"a Scheme, found {type(given).__name__}"):
        tflite_requant.requantize(tflite_requant.load(demo_model), given)


def test_a_scheme_by_its_path(demo_model, tmp_path):
    from tflite_requant.schemes import preset_text

    path = tmp_path / "npu.toml"
    path.write_text(preset_text("int8"), "utf-8")
    model = tflite_requant.load(demo_model)
    made = [tflite_requant.requantize(model, s, "prior").model for s in (path, str(path), "int8")]
    assert len({m.to_bytes() for m in made}) == 1
