"""Custom operators' options: a FlexBuffer map of scalars, read here without further libraries.

Layout: the last byte is the root's byte width, the one before its packed type (type << 2 | width);
the root stands before those two. Offsets count backwards from where they are stored. A map is a
vector of values whose three words before the first element lead to its keys, give the width of the
keys' vector, and its length; the packed types of the values follow the last element.
"""

from __future__ import annotations

import struct
from types import MappingProxyType
from typing import Any

from tflite_requant.kernels._types import KernelError

INT, UINT, FLOAT, KEY, STRING = 1, 2, 3, 4, 5
INDIRECT_INT, INDIRECT_UINT, INDIRECT_FLOAT, MAP, BOOL = 6, 7, 8, 9, 26
SIGNED = {1: "<b", 2: "<h", 4: "<i", 8: "<q"}
UNSIGNED = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}
FLOATS = {2: "<e", 4: "<f", 8: "<d"}


def decode(data: bytes) -> MappingProxyType:
    """Names to ints, floats, bools and strings; entries of other kinds are left out.

    Raises KernelError for bytes that are no FlexBuffer map.
    """
    if not data:
        return MappingProxyType({})
    try:
        width, packed = data[-1], data[-2]
        if packed >> 2 != MAP:
            return MappingProxyType({})
        return MappingProxyType(_map(data, len(data) - 2 - width, width, 1 << (packed & 3)))
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise KernelError(f"custom options are no FlexBuffer map ({error})") from None


def _map(data: bytes, at: int, width: int, item: int) -> dict[str, Any]:
    start = at - _number(data, at, width, UNSIGNED)
    count = _number(data, start - item, item, UNSIGNED)
    key_item = _number(data, start - 2 * item, item, UNSIGNED)
    keys_at = start - 3 * item
    keys = keys_at - _number(data, keys_at, item, UNSIGNED)
    found = {}
    for i in range(count):
        place = keys + i * key_item
        name = _text(data, place - _number(data, place, key_item, UNSIGNED))
        packed = data[start + count * item + i]
        value = _value(data, start + i * item, item, packed >> 2, 1 << (packed & 3))
        if value is not None:
            found[name] = value
    return found


def _value(data: bytes, at: int, width: int, kind: int, item: int) -> Any:
    direct = {INT: SIGNED, UINT: UNSIGNED, FLOAT: FLOATS, BOOL: UNSIGNED}
    if kind in direct:
        number = _number(data, at, width, direct[kind])
        return bool(number) if kind == BOOL else number
    target = at - _number(data, at, width, UNSIGNED)
    indirect = {INDIRECT_INT: SIGNED, INDIRECT_UINT: UNSIGNED, INDIRECT_FLOAT: FLOATS}
    if kind in indirect:
        return _number(data, target, item, indirect[kind])
    if kind in (KEY, STRING):
        return _text(data, target)
    return None


def _number(data: bytes, at: int, width: int, formats: dict[int, str]):
    if at < 0:
        raise ValueError("an offset leads before the start")
    return struct.unpack_from(formats[width], data, at)[0]


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode("utf-8", "surrogateescape")
