"""Between the generated object API and `Record`: a table at a time, driven by layout facts."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from tflite_requant.flatbuffer._generated import layout, schema
from tflite_requant.model.graph import Record

attribute_name = cache(layout.attribute_name)
ENUM_NAMES = {
    enum: {value: name for name, value in members.items()} for enum, members in layout.ENUMS.items()
}


def text(raw: bytes | str | None) -> str | None:
    """A schema string as str; bytes that are not UTF-8 survive as surrogates."""
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else raw


def raw_text(string: str | None) -> bytes | None:
    """The inverse of `text`."""
    return None if string is None else string.encode("utf-8", "surrogateescape")


def enum_name(enum: str, value: int) -> str | int:
    """The value's name, or the value itself where the schema has none for it."""
    return ENUM_NAMES[enum].get(int(value), int(value))


def enum_value(enum: str, name: str | int) -> int:
    """The inverse of `enum_name`."""
    return name if isinstance(name, int) else layout.ENUMS[enum][name]


def to_record(obj: Any) -> Record:
    """An object-API table (and all tables below it) as a Record."""
    table = type(obj).__name__.removesuffix("T")
    fields: dict[str, Any] = {}
    for name, kind, kind_type, _ in layout.TABLES[table]:
        if kind == "deprecated":
            continue
        value = getattr(obj, attribute_name(name))
        if kind == "union_type":
            # Told by the union's own Record; kept only where a type is named without a value.
            if value and getattr(obj, attribute_name(name.removesuffix("_type"))) is None:
                fields[name] = int(value)
            continue
        fields[name] = _decode(value, kind, kind_type)
    return Record(table, MappingProxyType(fields))


def _decode(value: Any, kind: str, kind_type: str) -> Any:
    if value is None:
        return None
    if kind == "enum":
        return enum_name(kind_type, value)
    if kind == "string":
        return text(value)
    if kind in ("table", "union"):
        return to_record(value)
    if kind == "vector":
        if kind_type in layout.TABLES:
            return tuple(to_record(v) for v in value)
        if kind_type == "string":
            return tuple(text(v) for v in value)
        if kind_type == "uint8":
            return np.asarray(value, np.uint8).tobytes()
        return tuple(np.asarray(value).tolist())
    return value


def from_record(record: Record) -> Any:
    """The object-API table of a Record; the inverse of `to_record`."""
    obj = getattr(schema, record.type + "T")()
    for name, kind, kind_type, _ in layout.TABLES[record.type]:
        if name not in record.fields:
            continue
        value = record.fields[name]
        if kind == "union":
            union = layout.UNIONS[kind_type]
            member = union.index(value.type) if value is not None else record.get(name + "_type", 0)
            setattr(obj, attribute_name(name + "_type"), member)
        setattr(obj, attribute_name(name), _encode(value, kind, kind_type))
    return obj


def _encode(value: Any, kind: str, kind_type: str) -> Any:
    if value is None:
        return None
    if kind == "enum":
        return enum_value(kind_type, value)
    if kind == "string":
        return raw_text(value)
    if kind in ("table", "union"):
        return from_record(value)
    if kind == "vector":
        if kind_type in layout.TABLES:
            return [from_record(v) for v in value]
        if kind_type == "string":
            return [raw_text(v) for v in value]
        if kind_type == "uint8":
            return np.frombuffer(value, np.uint8)
        return list(value)
    return value


def default_record(table: str, **fields: Any) -> Record:
    """A table with the schema's defaults, and the fields given."""
    values = {
        name: enum_name(kind_type, default) if kind == "enum" else default
        for name, kind, kind_type, default in layout.TABLES[table]
        if kind not in ("deprecated", "union_type")
    }
    unknown = set(fields) - set(values)
    if unknown:
        raise KeyError(f"{table} has no field {', '.join(sorted(unknown))}")
    return Record(table, MappingProxyType({**values, **fields}))
