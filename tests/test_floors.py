"""Imports run downward: the table is the design, and every import is read, also in functions."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "tflite_requant"

# From the ground up; rooms of one floor may import each other unless APART says otherwise.
FLOORS = (
    ("errors", "version", "outcome", "spelling", "spread", "progress", "wording",
     "extras", "fixedpoint", "limits", "streams"),
    ("model",),
    ("flatbuffer", "catalog", "schemes"),
    ("extract", "feeds", "memory", "testing"),
    ("kernels", "rules", "planning", "correction", "check"),
    ("engine", "validation"),
    ("interpreter",),
    ("statistics", "search"),
    ("rewrite", "describe", "options", "draft", "requantize"),
    ("runtime", "samples", "files", "c_array"),
    ("compare", "accuracy", "golden", "study"),
    ("report",),
    ("cli",),
    ("__init__", "__main__", "start"),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}

# Judge and judged share no code above the catalog.
APART = (
    ({"kernels"}, {"rules", "planning", "correction", "check"}),
    ({"golden"}, {"rules"}),
)

# Outside packages that only one room may import.
CONFINED = {
    "flatbuffers": {"flatbuffer"},
    "ai_edge_litert": {"runtime"},
    "tensorflow": {"runtime"},
    "absl": {"cli"},
}
INSIDE_FUNCTIONS_ONLY = {"ai_edge_litert", "tensorflow"}
WITHOUT_NUMPY = {"errors", "outcome", "version", "schemes", "report", "cli"}
NUMPY_ALLOWED = {"cli/oddities.py"}


class Import(NamedTuple):
    """One import statement's target, where it stands, and whether a function surrounds it."""

    target: str
    file: str
    line: int
    in_function: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.target}"


def targets(node: ast.AST) -> Iterator[str]:
    """Full names that an import statement asks for; relative ones begin with a dot."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = "." * node.level + (node.module or "")
        if base == PACKAGE.name:
            yield from (f"{base}.{alias.name}" for alias in node.names)
        else:
            yield base


def walk(node: ast.AST, in_function: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, in_function
        function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from walk(child, in_function or function)


def imports_in(source: str, file: str) -> list[Import]:
    return [
        Import(target, file, node.lineno, in_function)
        for node, in_function in walk(ast.parse(source))
        for target in targets(node)
    ]


def room_of_file(file: str) -> str:
    """ "cli/main.py" -> "cli", "files.py" -> "files"."""
    return file.split("/")[0].removesuffix(".py")


def room_of_target(target: str) -> str | None:
    """ "tflite_requant.cli.main" -> "cli"; None for other packages."""
    head, _, rest = target.partition(".")
    return (rest.split(".")[0] or "__init__") if head == PACKAGE.name else None


def problem(found: Import) -> str | None:
    """Which law an import breaks, or None."""
    room, target = room_of_file(found.file), room_of_target(found.target)
    if found.target.startswith("."):
        return f"{found}: relative"
    if target is None:
        outside = found.target.split(".")[0]
        if outside in CONFINED and room not in CONFINED[outside]:
            return f"{found}: only {', '.join(CONFINED[outside])} may"
        if outside in INSIDE_FUNCTIONS_ONLY and not found.in_function:
            return f"{found}: only inside a function"
        if outside == "numpy" and room in WITHOUT_NUMPY and found.file not in NUMPY_ALLOWED:
            return f"{found}: {room} does without"
        return None
    if target == room:
        return None
    if target not in LEVEL:
        return f"{found}: {target} is on no floor"
    if LEVEL[target] > LEVEL[room]:
        return f"{found}: upward, {target} is above {room}"
    for one, other in APART:
        if (room in one and target in other) or (room in other and target in one):
            return f"{found}: {room} and {target} never import each other"
    return None


def all_imports() -> list[Import]:
    return [
        found
        for path in sorted(PACKAGE.rglob("*.py"))
        for found in imports_in(path.read_text("utf-8"), path.relative_to(PACKAGE).as_posix())
    ]


def test_every_room_is_on_a_floor():
    rooms = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists())
    }
    assert sorted(rooms - set(LEVEL)) == []


def test_imports_run_downward():
    assert [p for p in map(problem, all_imports()) if p] == []


@pytest.mark.parametrize(
    "file, source",
    [
        pytest.param("model/graph.py", "from tflite_requant.cli import main", id="upward"),
        pytest.param("model/graph.py", "def f():\n import tflite_requant.cli", id="in-function"),
        pytest.param("kernels/add.py", "from tflite_requant import rules", id="kernels-rules"),
        pytest.param("check.py", "from tflite_requant.kernels import add", id="check-kernels"),
        pytest.param("golden/npz.py", "import tflite_requant.rules.weighted", id="golden-rules"),
        pytest.param("model/graph.py", "from .qparams import QParams", id="relative"),
        pytest.param("cli/main.py", "import flatbuffers", id="flatbuffers"),
        pytest.param("runtime.py", "import ai_edge_litert.interpreter", id="litert-at-import"),
        pytest.param("interpreter.py", "def f():\n import tensorflow", id="tensorflow"),
        pytest.param("outcome.py", "import numpy as np", id="numpy"),
        pytest.param("cli/main.py", "import tflite_requant.nowhere", id="no-floor"),
    ],
)
def test_the_test_sees(file, source):
    assert [problem(found) for found in imports_in(source, file)] != [None]
