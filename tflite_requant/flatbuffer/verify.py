"""Is this a structurally sound TFLite flatbuffer? Walks everything that the schema can reach.

After verify() has returned, the generated accessors and the object API read no byte outside the
data and meet no union member that they do not know. What tensors and operators mean is not looked
at. The walk is iterative, enters each vector once, and the work is bounded for hostile files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from tflite_requant.errors import FormatError
from tflite_requant.flatbuffer._generated import layout

MAX_WORK = 1_000_000  # table references and vtable slots; large models need some tens of thousands

_U16, _U32, _I32, _U64 = (struct.Struct(code) for code in ("<H", "<I", "<i", "<Q"))
LOOKED_AT = 256  # bytes of what is no TFLite file
_WEB_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")
MAX_OFFSET = 2**31 - 1
# Fields that name a region by offset from the start of the file, for models beyond 2 GiB.
_REGIONS = {
    "Buffer": ("offset", "size"),
    "Operator": ("large_custom_options_offset", "large_custom_options_size"),
}


@dataclass(frozen=True, slots=True)
class Verified:
    """What verify() found.

    extent: first byte after the last one that the flatbuffer refers to, padding not included. What
        follows was appended (a ZIP of labels, for instance), except that fields listed in
        unknown_fields may refer to bytes behind it.
    unknown_fields: fields that are present but not in our schema, each as "Tensor field 11", sorted
        by table and id; files newer than the schema have them.
    """

    extent: int
    unknown_fields: tuple[str, ...]


class _Slot(NamedTuple):
    """How to check one field. element is the size of what is in a vector, or a table's name."""

    name: str
    kind: str  # "inline", "string", "table", "union_type", "union", "vector"
    size: int  # bytes in the table, also the alignment
    element: int | str = 0


class _Shape(NamedTuple):
    """A vtable read for one table type: size of the table, and where its known fields are."""

    size: int
    places: tuple[tuple[_Slot, int], ...]


def _size(type_name: str) -> int:
    return layout.SCALAR_SIZES.get(layout.ENUM_TYPES.get(type_name, type_name), 0)


def _slot(name: str, kind: str, type_name: str) -> _Slot:
    if kind == "deprecated":
        kind = "string" if type_name == "string" else "scalar"
    if kind in ("scalar", "enum"):
        return _Slot(name, "inline", _size(type_name))
    if kind == "vector":
        return _Slot(name, kind, 4, _size(type_name) or type_name)
    return _Slot(name, kind, 1 if kind == "union_type" else 4, type_name)


_SLOTS = {
    table: tuple(_slot(f"{table}.{name}", kind, type_name) for name, kind, type_name, _ in fields)
    for table, fields in layout.TABLES.items()
}


class _Walk:
    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.end = len(data)
        self.extent = 8
        self.work = 0
        self.pending: list[tuple[str, int]] = []
        self.vectors: set[tuple[str, int]] = set()  # of tables, walked
        self.shapes: dict[tuple[str, int], _Shape] = {}
        self.unknown: set[tuple[str, int]] = set()

    def run(self) -> Verified:
        self.refer(layout.ROOT, self.follow(0, "the root offset"))
        while self.pending:
            self.table(*self.pending.pop())
        names = tuple(f"{table} field {index}" for table, index in sorted(self.unknown))
        return Verified(self.extent, names)

    def spend(self, amount: int) -> None:
        self.work += amount
        if self.work > MAX_WORK:
            raise FormatError(f"damaged: following the tables takes more than {MAX_WORK} steps")

    def claim(self, start: int, size: int, what: str) -> None:
        """Bytes start..start+size belong to the flatbuffer."""
        stop = start + size
        if stop > self.end:
            raise FormatError(
                f"truncated: {what} at byte {start} reaches to {stop}, the file ends at {self.end}"
            )
        self.extent = max(self.extent, stop)

    def align(self, position: int, size: int, what: str) -> None:
        if position % size:
            raise FormatError(f"damaged: {what} at byte {position} is not aligned to {size} bytes")

    def follow(self, position: int, what: str) -> int:
        """Position that the offset stored at position points to; position itself is claimed."""
        (offset,) = _U32.unpack_from(self.data, position)
        if not 0 < offset <= MAX_OFFSET:
            raise FormatError(f"damaged: {what} at byte {position} holds the offset {offset}")
        target = position + offset
        self.align(target, 4, f"what {what} refers to")
        self.claim(target, 4, f"what {what} refers to")
        return target

    def refer(self, table: str, position: int) -> None:
        self.spend(1)
        self.pending.append((table, position))

    def shape(self, table: str, position: int) -> _Shape:
        """The vtable of a table whose first four bytes are claimed."""
        vtable = position - _I32.unpack_from(self.data, position)[0]
        key = (table, vtable)
        if key in self.shapes:
            return self.shapes[key]
        what = f"the vtable of table {table} (at byte {position})"
        if vtable < 0:
            raise FormatError(f"damaged: {what} would lie at byte {vtable}")
        self.align(vtable, 2, what)
        self.claim(vtable, 4, what)
        length, size = struct.unpack_from("<HH", self.data, vtable)
        if length < 4 or length % 2 or size < 4:
            raise FormatError(f"damaged: {what} has {length} bytes for a table of {size} bytes")
        self.claim(vtable, length, what)
        self.spend(length // 2)
        slots = _SLOTS[table]
        places = []
        for index, place in enumerate(
            struct.unpack_from(f"<{length // 2 - 2}H", self.data, vtable + 4)
        ):
            if not place:
                continue
            known = index < len(slots)
            name = slots[index].name if known else f"{table} field {index}"
            if place < 4 or place + (slots[index].size if known else 1) > size:
                raise FormatError(
                    f"damaged: {name} lies at byte {place} of a table of {size} bytes"
                    f" (at byte {position})"
                )
            if known:
                places.append((slots[index], place))
            else:
                self.unknown.add((table, index))
        self.shapes[key] = _Shape(size, tuple(places))
        return self.shapes[key]

    def table(self, table: str, position: int) -> None:
        shape = self.shape(table, position)
        self.claim(position, shape.size, f"table {table}")
        member = "NONE"
        for slot, place in shape.places:
            at = position + place
            if slot.size > 1:
                self.align(at, slot.size, slot.name)
            if slot.kind == "string":
                self.string(self.follow(at, slot.name), slot.name)
            elif slot.kind == "table":
                self.refer(slot.element, self.follow(at, slot.name))
            elif slot.kind == "vector":
                self.vector(self.follow(at, slot.name), slot)
            elif slot.kind == "union_type":
                member = self.member(at, slot)
            elif slot.kind == "union":
                # Without a type the value is unreadable; readers ignore it, and so do we.
                if member != "NONE":
                    self.refer(member, self.follow(at, slot.name))
                member = "NONE"
        if table in _REGIONS:
            self.region(table, position, shape)

    def member(self, at: int, slot: _Slot) -> str:
        """Table name of the union member whose type is stored at a position."""
        members, value = layout.UNIONS[slot.element], self.data[at]
        if value >= len(members):
            raise FormatError(
                f"newer than this schema or damaged: {slot.name} at byte {at} is {value},"
                f" the last known is {len(members) - 1} ({members[-1]})"
            )
        return members[value]

    def string(self, position: int, name: str) -> None:
        (length,) = _U32.unpack_from(self.data, position)
        self.claim(position, 4 + length + 1, f"string {name}")
        if self.data[position + 4 + length]:
            raise FormatError(f"damaged: string {name} at byte {position} has no terminating zero")

    def vector(self, position: int, slot: _Slot) -> None:
        (count,) = _U32.unpack_from(self.data, position)
        is_inline = isinstance(slot.element, int)
        width = slot.element if is_inline else 4
        self.claim(position, 4 + count * width, f"vector {slot.name}")
        if is_inline or (slot.name, position) in self.vectors:
            return
        self.vectors.add((slot.name, position))
        self.spend(count)
        for at in range(position + 4, position + 4 + 4 * count, 4):
            target = self.follow(at, slot.name)
            if slot.element == "string":
                self.string(target, slot.name)
            else:
                self.refer(slot.element, target)

    def region(self, table: str, position: int, shape: _Shape) -> None:
        """Claim data that lies behind the tables; 0 and 1 are the runtime's "not used"."""
        values = {slot.name: position + place for slot, place in shape.places}
        at = [values.get(f"{table}.{field}") for field in _REGIONS[table]]
        if None not in at:
            start, size = (_U64.unpack_from(self.data, place)[0] for place in at)
            if start > 1 and size > 1:
                self.claim(start, size, f"data of {table} (at byte {position})")


def _resembles(view: bytes | memoryview) -> str:
    """What data without the identifier of TFLite are."""
    if not len(view):
        return "the file is empty"
    start = bytes(view[:LOOKED_AT])
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_WEB_PAGES):
        return "it looks like a web page; download the file itself"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer; fetch the file itself with git lfs pull"
    if start.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        return "it is an archive; unpack it first"
    return f"identifier is {start[4:8]!r} at byte 4, expected {layout.FILE_IDENTIFIER!r}"


def verify(data: bytes | bytearray | memoryview) -> Verified:
    """Check the structure of a TFLite flatbuffer: header, vtables, every offset, vector and string.

    Args:
      data: the whole file; bytes that follow the flatbuffer are allowed.

    Raises:
      FormatError: data is not a TFLite flatbuffer, is truncated or damaged, or has a union member
        that the schema does not know. The message says what and at which byte.
    """
    view = memoryview(data).cast("B")
    require_identifier(view)
    return _Walk(view).run()


def require_identifier(start: bytes | memoryview) -> None:
    """Raise FormatError where data do not begin as a TFLite file does.

    start: the data, or their first 256 bytes, from which the message tells what they are.
    """
    if bytes(start[4:8]) != layout.FILE_IDENTIFIER:
        raise FormatError(f"not a TFLite file: {_resembles(start)}")
