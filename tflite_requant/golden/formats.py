"""Groups of arrays (an operator's constants, one case) as files of every format that is asked."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tflite_requant.golden import csource
from tflite_requant.golden.folder import Sink
from tflite_requant.golden.hexfile import hex_text
from tflite_requant.golden.layout import arrange
from tflite_requant.golden.request import Request
from tflite_requant.samples.archive import archive_bytes


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """role: "constant", "input", "stage" or "output". fill: stored value of channels that only fill
    a block of a layout."""

    name: str
    role: str
    values: np.ndarray
    fill: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """folder: of the operator; name: of the group within; file: of its C files, without an ending;
    symbol: what names of C arrays begin with."""

    folder: str
    name: str
    file: str
    symbol: str
    comment: str
    arrays: tuple[Array, ...]

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"


def write_group(
    group: Group,
    request: Request,
    sink: Sink,
    macros: Mapping[str, int | float] | None = None,
    for_c: tuple[Array, ...] = (),
) -> list[dict[str, Any]]:
    """Write a group in every format; what the manifest says of its arrays, with their files.

    macros, for_c: numbers and arrays that C files hold besides.
    """
    entries = [
        {
            "name": a.name,
            "role": a.role,
            "dtype": str(a.values.dtype),
            "shape": list(a.values.shape),
            "files": {},
        }
        for a in group.arrays
    ]
    for name in request.formats:
        whole = replace(group, arrays=(*group.arrays, *for_c)) if name == "c" else group
        paths = WRITERS[name](whole, request, sink, macros or {})[: len(entries)]
        for entry, path in zip(entries, paths, strict=True):
            entry["files"][name] = path
    return entries


def _npz(group: Group, request: Request, sink: Sink, macros) -> list[str]:
    path = f"{group.path}.npz"
    pairs = ((a.name, _little(a.values)) for a in group.arrays)
    sink.add(path, archive_bytes(pairs))
    return [path] * len(group.arrays)


def _npy(group: Group, request: Request, sink: Sink, macros) -> list[str]:
    return [_each(group, a, "npy", npy_bytes(a.values), sink) for a in group.arrays]


def _bin(group: Group, request: Request, sink: Sink, macros) -> list[str]:
    return [
        _each(group, a, "bin", _little(arrange(a.values, request.layout, a.fill)).tobytes(), sink)
        for a in group.arrays
    ]


def _hex(group: Group, request: Request, sink: Sink, macros) -> list[str]:
    return [
        _each(group, a, "hex", hex_text(bits(a.values), request.layout, request.hex_elements,
                                        request.hex_order, a.fill), sink)
        for a in group.arrays
    ]  # fmt: skip


def _c(group: Group, request: Request, sink: Sink, macros) -> list[str]:
    arrays = {f"{group.symbol}_{a.name}": a for a in group.arrays}
    stem = f"{group.folder}/{group.file}"
    guard = f"GOLDEN_{group.file.upper()}_H"
    values = {name: a.values for name, a in arrays.items()}
    sink.add(f"{stem}.h", csource.header(guard, group.comment, macros, values, request.layout))
    filled = {name: (a.values, a.fill) for name, a in arrays.items()}
    sink.add(f"{stem}.c", csource.source(f"{group.file}.h", filled, request.layout))
    return [f"{stem}.c"] * len(arrays)


WRITERS = {"npz": _npz, "npy": _npy, "bin": _bin, "hex": _hex, "c": _c}


def npy_bytes(array: np.ndarray) -> bytes:
    """The bytes of a .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, _little(array), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def bits(array: np.ndarray) -> np.ndarray:
    """Floats and booleans as the unsigned integers of their bits; integers as they are."""
    if array.dtype.kind not in "fb":
        return array
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def _each(group: Group, array: Array, ending: str, data: bytes, sink: Sink) -> str:
    path = f"{group.path}/{array.name}.{ending}"
    sink.add(path, data)
    return path


def _little(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
