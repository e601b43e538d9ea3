"""Damaged variants of a model file: a pure function of file, seed and number.

Truncations, flipped bits, overwritten words, moved chunks, and structured damage: the file is
decoded with the bindings, fields, shapes, scales, indices, options or whole tables are changed, and
it is packed again, so that the result is a sound flatbuffer with absurd content.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np

from tflite_requant.flatbuffer._generated import layout, schema

LARGE_BUFFER = 64  # bytes of constants above which flips in them say little about structure
INTEGERS = (0, 1, -1, 2, 3, 7, 16, 127, 128, 255, 256, 65535, 65536, 1 << 20, 1 << 30,
            (1 << 31) - 1, -(1 << 31), (1 << 63) - 1, -(1 << 63))  # fmt: skip
REALS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e-38, 1e-30, 1e-10, 1e10, 3e38, float("inf"),
         float("-inf"), float("nan"))  # fmt: skip
TEXTS = (None, b"", b"\xff\xfe\x80", b"a" * 300, b"line\nbreak\x1b[31m", b"nul\x00in it",
         "\u00e9\u4e2d".encode())  # fmt: skip


class Source:
    """A file to be damaged, decoded once."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.hot = _hot_bytes(data)
        self.root = schema.ModelT.InitFromPackedBuf(bytearray(data), 0)
        self.trailing = data[_end_of_flatbuffer(data) :]
        for subgraph in self.root.subgraphs or ():
            for tensor in subgraph.tensors or ():
                # Arrays cannot be told apart from lists by the packer once elements change.
                for name in ("shape", "shapeSignature"):
                    _listed(tensor, name)
                if tensor.quantization is not None:
                    for name in ("scale", "zeroPoint", "min", "max"):
                        _listed(tensor.quantization, name)
            for name in ("inputs", "outputs"):
                _listed(subgraph, name)
            for op in subgraph.operators or ():
                for name in ("inputs", "outputs", "intermediates"):
                    _listed(op, name)

    def variant(self, seed: int, number: int) -> bytes:
        """Variant `number` of a seed; the same bytes on every machine."""
        rng = random.Random(f"{seed}/{number}")
        kind = rng.choices(
            ("truncate", "bits", "words", "chunks", "structure"), (5, 20, 20, 5, 50)
        )[0]
        if kind == "truncate":
            return self.data[: rng.randrange(len(self.data))]
        if kind == "structure":
            return self.restructured(rng)
        data = bytearray(self.data)
        for _ in range(rng.choice((1, 1, 2, 4, 8))):
            {"bits": self._flip, "words": self._overwrite, "chunks": _move}[kind](data, rng)
        return bytes(data)

    def _place(self, rng: random.Random) -> int:
        if rng.random() < 0.9:
            return int(self.hot[rng.randrange(len(self.hot))])
        return rng.randrange(len(self.data))

    def _flip(self, data: bytearray, rng: random.Random) -> None:
        data[self._place(rng)] ^= 1 << rng.randrange(8)

    def _overwrite(self, data: bytearray, rng: random.Random) -> None:
        place = self._place(rng) & ~3
        value = rng.choice(REALS) if rng.random() < 0.2 else rng.choice(INTEGERS)
        word = struct.pack("<f", value) if isinstance(value, float) else _low_word(value)
        data[place : place + 4] = word

    def restructured(self, rng: random.Random) -> bytes:
        """Some fields of the decoded file changed, packed again; the decoded file stays."""
        undo: list[Callable[[], None]] = []
        try:
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                _damage(self.root, rng, undo)
            builder = flatbuffers.Builder(len(self.data) + 65536)
            builder.Finish(self.root.Pack(builder), layout.FILE_IDENTIFIER)
            return bytes(builder.Output()) + self.trailing
        finally:
            for step in reversed(undo):
                step()


def _listed(owner: Any, name: str) -> None:
    value = getattr(owner, name)
    if value is not None:
        setattr(owner, name, list(np.asarray(value).tolist()))


def _end_of_flatbuffer(data: bytes) -> int:
    from tflite_requant.flatbuffer.verify import verify

    return verify(data).extent


def _hot_bytes(data: bytes) -> np.ndarray:
    """Positions outside of large constants."""
    cold = np.zeros(len(data), bool)
    base = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    model = schema.Model.GetRootAs(data, 0)
    for i in range(model.BuffersLength()):
        blob = model.Buffers(i).DataAsNumpy()
        if isinstance(blob, np.ndarray) and blob.size > LARGE_BUFFER:
            start = blob.__array_interface__["data"][0] - base
            cold[start : start + blob.size] = True
    cold[_end_of_flatbuffer(data) :] = True
    return np.flatnonzero(~cold)


def _low_word(value: int) -> bytes:
    return struct.pack("<Q", value & (2**64 - 1))[:4]


def _move(data: bytearray, rng: random.Random) -> None:
    """Copy, delete or insert a chunk."""
    start, size = rng.randrange(len(data)), rng.randrange(1, 256)
    action = rng.choice(("copy", "delete", "insert"))
    if action == "delete":
        del data[start : start + size]
    elif action == "insert":
        data[start:start] = rng.randbytes(size)
    else:
        target = rng.randrange(len(data))
        data[target : target + size] = data[start : start + size][: len(data) - target]


def _tables(owner: Any, table: str, found: dict[str, list[Any]]) -> None:
    found.setdefault(table, []).append(owner)
    for name, kind, kind_type, _ in layout.TABLES[table]:
        if kind not in ("table", "union", "vector"):
            continue
        value = getattr(owner, layout.attribute_name(name))
        for one in value if kind == "vector" and kind_type in layout.TABLES and value else ():
            _tables(one, kind_type, found)
        if kind in ("table", "union") and value is not None:
            _tables(value, type(value).__name__.removesuffix("T"), found)


def _damage(root: Any, rng: random.Random, undo: list) -> None:
    found: dict[str, list[Any]] = {}
    _tables(root, layout.ROOT, found)
    owner = rng.choice(found[rng.choice(sorted(found))])
    table = type(owner).__name__.removesuffix("T")
    fields = [f for f in layout.TABLES[table] if f[1] != "deprecated"]
    if not fields:  # QuantizeOptions, for one
        return
    name, kind, kind_type, _ = rng.choice(fields)
    attribute = layout.attribute_name(name)
    old = getattr(owner, attribute)
    undo.append(lambda: setattr(owner, attribute, old))
    setattr(owner, attribute, _changed(old, kind, kind_type, table, rng))


def _changed(old: Any, kind: str, kind_type: str, table: str, rng: random.Random) -> Any:
    if kind in ("scalar", "enum"):
        return _scalar(old, kind_type, rng)
    if kind == "union_type":
        return rng.randrange(len(layout.UNIONS[kind_type])) if rng.random() < 0.5 else 0
    if kind == "string":
        return rng.choice(TEXTS)
    if kind == "vector":
        return _vector(old, kind_type, table, rng)
    return None


def _scalar(old: Any, kind_type: str, rng: random.Random) -> Any:
    stored = layout.ENUM_TYPES.get(kind_type, kind_type)
    old = old.item() if isinstance(old, np.generic) else old
    if stored == "bool":
        return not old
    if stored.startswith("float"):
        value = rng.choice((*REALS, (old or 1.0) * 2, -(old or 1.0), (old or 1.0) / 1000))
        with np.errstate(over="ignore"):
            return float(np.float32(value))
    if kind_type in layout.ENUMS and rng.random() < 0.8:
        return rng.choice(sorted(layout.ENUMS[kind_type].values()))
    size = 8 * layout.SCALAR_SIZES[stored]
    near = ((old or 0) + 1, (old or 0) - 1, (old or 0) * 2)
    value = rng.choice((*INTEGERS, *near)) % (1 << size)
    return value if stored.startswith("u") or value < 1 << (size - 1) else value - (1 << size)


def _vector(old: Any, kind_type: str, table: str, rng: random.Random) -> Any:
    if table == "Buffer":
        return _blob(old, rng)
    items = [] if old is None else list(old)
    action = rng.choice(("none", "drop", "double", "swap", "change", "change", "change", "append"))
    if action == "none":
        return rng.choice((None, []))
    at = rng.randrange(len(items)) if items else 0
    if action == "drop" and items:
        del items[at]
    elif action == "double" and items:
        items.insert(at, items[at])
    elif action == "swap" and items:
        other = rng.randrange(len(items))
        items[at], items[other] = items[other], items[at]
    elif kind_type in layout.TABLES or kind_type == "string":
        items += items[at : at + 1]
    elif action == "change" and items:
        items[at] = _scalar(items[at], kind_type, rng)
    else:
        count = rng.choice((1, 1, 1, 5, 40))
        items += [_scalar(1, kind_type, rng) for _ in range(count)]
    return items


def _blob(old: Any, rng: random.Random) -> Any:
    raw = b"" if old is None else np.asarray(old, np.uint8).tobytes()
    action = rng.choice(("none", "short", "long", "noise", "words"))
    if action == "none":
        return None
    if action == "short":
        raw = raw[: rng.randrange(len(raw) + 1)]
    elif action == "long":
        raw += rng.randbytes(rng.choice((1, 4, 64)))
    elif action == "noise":
        raw = rng.randbytes(min(len(raw), 4096)) + raw[4096:]
    else:
        word = struct.pack("<q", rng.choice(INTEGERS))
        raw = (word * (len(raw) // 8 + 1))[: len(raw)] if len(raw) < 256 else word + raw[8:]
    return np.frombuffer(raw, np.uint8)
