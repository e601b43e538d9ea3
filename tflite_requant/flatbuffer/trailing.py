"""Bytes appended after the flatbuffer: usually a ZIP of associated files (labels, vocabularies).

Unzip tools look for the end record at the end of the file, so the model stays readable as a ZIP.
Offsets in the archive count either from the start of the file or from the start of the archive;
the first kind must be rewritten when the flatbuffer before it changes its length.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from tflite_requant.errors import FormatError

_END = struct.Struct("<4s4H2IH")  # end record: the last three are size, offset, comment length
_END64 = struct.Struct("<4sQ2H2I4Q")  # ZIP64 end record: the last two are size, offset
_LOCATOR64 = struct.Struct("<4sIQI")  # where the ZIP64 end record is
_ENTRY = struct.Struct("<4s6H3I5H2I")  # central directory entry: the last is the offset
_FULL = 0xFFFFFFFF  # "the value is in the ZIP64 record"


class _Zip(NamedTuple):
    """Positions in the trailing bytes. directory, end: of the central directory and its end record;
    end64: of the ZIP64 end record, or None; offset: the directory's offset as written."""

    directory: int
    end: int
    end64: int | None
    offset: int
    entries: tuple[int, ...]


def _entries(data: bytes, start: int, stop: int) -> tuple[int, ...]:
    """Positions of the central directory entries; () unless they fill start..stop exactly."""
    found: list[int] = []
    while start < stop:
        if start + _ENTRY.size > stop or data[start : start + 4] != b"PK\x01\x02":
            return ()
        found.append(start)
        start += _ENTRY.size + sum(struct.unpack_from("<3H", data, start + 28))
    return tuple(found) if start == stop else ()


def _find_zip64(data: bytes, end: int) -> tuple[int, int, int] | None:
    """ZIP64 end record before the end record: (position, directory size, directory offset)."""
    locator = end - _LOCATOR64.size
    position = locator - _END64.size
    if position < 0 or data[locator : locator + 4] != b"PK\x06\x07":
        return None
    if data[position : position + 4] != b"PK\x06\x06":
        return None
    return (position, *_END64.unpack_from(data, position)[-2:])


def _find_zip(data: bytes) -> _Zip | None:
    """The last archive that has files and a directory where its end record says; None if none."""
    end = data.rfind(b"PK\x05\x06")
    while end >= 0:
        if end + _END.size <= len(data):
            *_, size, offset, comment = _END.unpack_from(data, end)
            wide = _find_zip64(data, end)
            stop, size, offset = wide or (end, size, offset)
            if size <= stop and end + _END.size + comment <= len(data):
                entries = _entries(data, stop - size, stop)
                if entries:
                    return _Zip(stop - size, end, stop if wide else None, offset, entries)
        end = data.rfind(b"PK\x05\x06", 0, end)
    return None


def _offset64_place(data: bytes, entry: int) -> int | None:
    """Position of an entry's offset in its ZIP64 extra field; None if it is not kept there."""
    if struct.unpack_from("<I", data, entry + 42)[0] != _FULL:
        return None
    sizes = struct.unpack_from("<2I", data, entry + 20)
    name, extra, _ = struct.unpack_from("<3H", data, entry + 28)
    at = entry + _ENTRY.size + name
    stop = at + extra
    while at + 4 <= stop:
        tag, length = struct.unpack_from("<2H", data, at)
        if tag == 1:
            place = at + 4 + 8 * sum(size == _FULL for size in sizes)
            return place if place + 8 <= min(at + 4 + length, stop) else None
        at += 4 + length
    return None


def _add(data: bytearray, position: int, code: str, delta: int) -> None:
    """Add delta to the unsigned integer at a position, unless it is the ZIP64 marker."""
    (value,) = struct.unpack_from(code, data, position)
    if code == "<I" and value == _FULL:
        return
    limit = _FULL if code == "<I" else 2**64
    if not 0 <= value + delta < limit:
        raise FormatError(
            f"the appended ZIP cannot be moved: offset {value} would become {value + delta};"
            " remove the archive or repack it as ZIP64"
        )
    struct.pack_into(code, data, position, value + delta)


def move_zip(trailing: bytes, old_start: int, new_start: int) -> bytes:
    """Trailing bytes that stay a readable ZIP when they move inside the file.

    Args:
      trailing: everything after the flatbuffer.
      old_start: position of trailing in the file that it comes from.
      new_start: position that it will have.

    Returns:
      The bytes, of unchanged length. Offsets that count from the start of the file are moved by
      new_start - old_start, in the central directory, the end record and their ZIP64 forms. Offsets
      that count from anywhere else (the start of the archive), and bytes that hold no sound ZIP,
      come back unchanged.

    Raises:
      FormatError: a moved offset does not fit its field.
    """
    found = _find_zip(trailing)
    if found is None or found.offset != old_start + found.directory:
        return trailing
    delta = new_start - old_start
    data = bytearray(trailing)
    for entry in found.entries:
        place = _offset64_place(trailing, entry)
        if place is None:
            _add(data, entry + 42, "<I", delta)
        else:
            _add(data, place, "<Q", delta)
    _add(data, found.end + 16, "<I", delta)
    if found.end64 is not None:
        _add(data, found.end64 + 48, "<Q", delta)
        _add(data, found.end - _LOCATOR64.size + 8, "<Q", delta)
    return bytes(data)
