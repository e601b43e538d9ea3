"""A small parser of our own FlatBuffers schema, schema/tflite.fbs, into plain dicts."""

import re
from typing import NamedTuple

SCALARS = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
    "float32": 4, "int64": 8, "uint64": 8, "float64": 8,
}  # fmt: skip
_BLOCK = re.compile(r"(enum|union|table) (\w+)(?:: (\w+))? \{(.*?)\}", re.DOTALL)
_VALUE = re.compile(r"(\w+) = (-?\d+)")
_FIELD = re.compile(r"(\w+): (\[?)(\w+)\]?(?: = ([\w.+-]+))?(?: \(([^)]*)\))?")


class Schema(NamedTuple):
    """enums: name -> {value name: value}; enum_types: name -> integer type; unions: name -> member
    tables, "NONE" first; tables: name -> fields (name, kind, type, default) in id order."""

    identifier: str
    root: str
    enums: dict[str, dict[str, int]]
    enum_types: dict[str, str]
    unions: dict[str, tuple[str, ...]]
    tables: dict[str, tuple[tuple, ...]]


def _split(body: str, separator: str) -> list[str]:
    return [part.strip() for part in body.split(separator) if part.strip()]


def _match(pattern: re.Pattern, text: str) -> tuple:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(f"tflite.fbs: cannot read {text!r}")
    return match.groups()


def _default(text: str | None, kind: str, enums: dict[str, dict[str, int]]) -> object:
    if kind in enums:
        return enums[kind][text] if text else 0
    if kind == "bool":
        return text == "true"
    return float(text or 0) if kind.startswith("float") else int(text or 0)


def _fields(text: str, enums: dict, unions: dict, tables: set[str]) -> list[tuple]:
    """One field declaration -> its slots: two for a union, one for anything else."""
    name, bracket, kind, default, note = _match(_FIELD, text)
    if kind not in SCALARS and kind not in {*enums, *unions, *tables, "string"}:
        raise ValueError(f"tflite.fbs: {name} has the unknown type {kind}")
    if note == "deprecated":
        return [(name, "deprecated", kind, None)]
    if bracket:
        return [(name, "vector", kind, None)]
    if kind in unions:
        return [(name + "_type", "union_type", kind, 0), (name, "union", kind, None)]
    if kind == "string":
        return [(name, "string", kind, None)]
    if kind in tables:
        return [(name, "table", kind, None)]
    return [(name, "enum" if kind in enums else "scalar", kind, _default(default, kind, enums))]


def parse(text: str) -> Schema:
    """Schema text -> Schema.

    Raises:
      ValueError: something in the text is not understood; nothing is ever skipped silently.
    """
    text = re.sub(r"//.*", "", text)
    blocks = _BLOCK.findall(text)
    statements = dict(s.split(" ", 1) for s in _split(_BLOCK.sub("", text), ";"))
    unknown = set(statements) - {"namespace", "file_identifier", "file_extension", "root_type"}
    if unknown:
        raise ValueError(f"tflite.fbs: unknown statements {sorted(unknown)}")
    names = [name for _, name, _, _ in blocks]
    if len(set(names)) != len(names) or set(names) & {"string", *SCALARS}:
        raise ValueError("tflite.fbs: a name is declared twice")

    enums, enum_types, unions, tables = {}, {}, {}, {}
    table_names = {name for kind, name, _, _ in blocks if kind == "table"}
    for kind, name, integer, body in blocks:
        if kind == "enum":
            pairs = [_match(_VALUE, part) for part in _split(body, ",")]
            enums[name] = {key: int(value) for key, value in pairs}
            enum_types[name] = integer
        elif kind == "union":
            unions[name] = ("NONE", *_split(body, ","))
    for kind, name, _, body in blocks:
        if kind == "table":
            fields = [_fields(part, enums, unions, table_names) for part in _split(body, ";")]
            tables[name] = tuple(slot for slots in fields for slot in slots)
    identifier = statements["file_identifier"].strip('"')
    return Schema(identifier, statements["root_type"], enums, enum_types, unions, tables)
