"""Our schema, the generated bindings and the layout table against each other and against others."""

import ast
import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tflite_requant.flatbuffer._generated import layout, schema

TOOLS = Path(__file__).resolve().parents[2] / "tools"
DERIVED_FROM = "2.3.0"  # the ai-edge-litert that schema/tflite.fbs was derived from
SCHEMA_TABLES = sorted(layout.TABLES)


def run_tool(name: str, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-B", str(TOOLS / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def installed_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def bindings_text(module: str, pattern: str) -> str:
    """Generated Python bindings of an installed package, as one text; nothing is imported."""
    spec = importlib.util.find_spec(module)
    if spec is None:
        pytest.skip(f"{module} is not installed")
    files = sorted(Path(spec.submodule_search_locations[0]).glob(pattern))
    assert files
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def enum_facts(text: str) -> dict:
    """{"Padding.VALID": 1, ...} from class bodies; unions are enums here."""
    facts = {}
    for name, body in re.findall(
        r"^class (\w+)\(object\):\n((?:    \w+ = -?\d+\n)+)", text, re.MULTILINE
    ):
        for key, value in re.findall(r"(\w+) = (-?\d+)", body):
            facts[f"{name}.{key}"] = int(value)
    return facts


def slot_facts(text: str) -> dict:
    """{"Tensor.Shape": (id, stored as, default, bytes of a vector's element)} from the builders."""
    tables = set(re.findall(r"^def (\w+)Start\(builder\):", text, re.MULTILINE))
    widths = dict(
        re.findall(
            r"^def (\w+Vector)\(builder, numElems\):\n.*StartVector\((\d)", text, re.MULTILINE
        )
    )
    facts = {}
    adders = r"^def (\w+)\(builder, \w+\):\n    builder\.Prepend(\w+)Slot\((\d+), .*, (\S+)\)$"
    for function, stored, slot, default in re.findall(adders, text, re.MULTILINE):
        for match in re.finditer("Add", function):
            table, field = function[: match.start()], function[match.end() :]
            if table in tables:
                width = int(widths.get(f"{table}Start{field}Vector", 0))
                value = ast.literal_eval(default)
                facts[f"{table}.{field}"] = (int(slot), stored, value, width)
    return facts


def our_enum_facts() -> dict:
    facts = {f"{e}.{k}": v for e, values in layout.ENUMS.items() for k, v in values.items()}
    for union, members in layout.UNIONS.items():
        facts |= {f"{union}.{member}": value for value, member in enumerate(members)}
    return facts


def our_slot_facts() -> dict:
    def stored_as(kind: str, type_name: str) -> str:
        if kind in ("scalar", "enum"):
            return layout.ENUM_TYPES.get(type_name, type_name).capitalize()
        return "Uint8" if kind == "union_type" else "UOffsetTRelative"

    facts = {}
    for table, fields in layout.TABLES.items():
        for slot, (name, kind, type_name, default) in enumerate(fields):
            if kind == "deprecated":
                continue
            scalar = layout.ENUM_TYPES.get(type_name, type_name)
            width = layout.SCALAR_SIZES.get(scalar, 4) if kind == "vector" else 0
            attribute = layout.attribute_name(name)
            key = f"{table}.{attribute[0].upper()}{attribute[1:]}"
            facts[key] = (slot, stored_as(kind, type_name), default or 0, width)
    return facts


PACKAGES = [
    pytest.param("ai_edge_litert", "schema_py_generated.py", id="ai-edge-litert"),
    pytest.param("tflite", "*.py", id="tflite"),
]
FACTS = [
    pytest.param(our_enum_facts, enum_facts, 400, id="enum-values"),
    pytest.param(our_slot_facts, slot_facts, 290, id="field-slots"),
]


@pytest.mark.parametrize(("module", "pattern"), PACKAGES)
@pytest.mark.parametrize(("our_facts", "their_facts", "at_least"), FACTS)
def test_what_another_package_knows_we_know_too(module, pattern, our_facts, their_facts, at_least):
    ours, theirs = our_facts(), their_facts(bindings_text(module, pattern))
    assert len(theirs) >= at_least
    lacking = sorted(set(theirs) - set(ours))
    assert not lacking, f"{module} knows more: run tools/derive_schema with it"
    different = {k: (ours[k], theirs[k]) for k in theirs if ours[k] != theirs[k]}
    assert different == {}


@pytest.mark.parametrize(("our_facts", "their_facts", "at_least"), FACTS)
def test_layout_and_generated_bindings_state_the_same(our_facts, their_facts, at_least):
    ours, theirs = our_facts(), their_facts(Path(schema.__file__).read_text(encoding="utf-8"))
    assert len(ours) >= at_least
    assert ours == theirs


def test_schema_is_what_the_tool_derives():
    if installed_version("ai-edge-litert") != DERIVED_FROM:
        pytest.skip(f"needs ai-edge-litert=={DERIVED_FROM}")
    done = run_tool("derive_schema", "--check")
    assert done.returncode == 0, done.stderr


def test_generated_files_are_what_the_tool_generates():
    scripts = sysconfig.get_path("scripts")
    if not (shutil.which("flatc", path=scripts) or shutil.which("flatc")):
        pytest.skip("flatc is not installed")
    done = run_tool("generate_bindings", "--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("table", SCHEMA_TABLES)
def test_attributes_are_recovered_from_field_names(table):
    instance = getattr(schema, table + "T")()
    fields = [field for field in layout.TABLES[table] if field[1] != "deprecated"]
    expected = {layout.attribute_name(name): default for name, _, _, default in fields}
    assert vars(instance) == expected


def test_every_type_that_the_layout_names_exists():
    groups = {
        "scalar": layout.SCALAR_SIZES,
        "enum": layout.ENUMS,
        "string": {"string"},
        "table": layout.TABLES,
        "union_type": layout.UNIONS,
        "union": layout.UNIONS,
        "vector": {"string", *layout.SCALAR_SIZES, *layout.ENUMS, *layout.TABLES},
        "deprecated": {"string", *layout.SCALAR_SIZES},
    }
    for table, fields in layout.TABLES.items():
        for name, kind, type_name, _ in fields:
            assert type_name in groups[kind], f"{table}.{name}"
    for members in layout.UNIONS.values():
        assert members[0] == "NONE"
        assert set(members[1:]) <= set(layout.TABLES)
