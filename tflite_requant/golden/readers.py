"""Arrays back from the files of a set, or of a dump in the same formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from tflite_requant.errors import UsageError
from tflite_requant.golden.hexfile import parse_hex
from tflite_requant.golden.layout import arrange, restore
from tflite_requant.golden.request import Request


def read_array(
    folder: Path, entry: Mapping[str, Any], request: Request, name: str | None = None
) -> np.ndarray | None:
    """An array of the manifest from the first of its files that is there, or that of one format.

    None where there is none. Raises UsageError, beginning with the path, for a file that does not
    hold such an array.
    """
    for form, relative in entry["files"].items():
        path = folder / relative
        if (name is not None and form != name) or not path.is_file():
            continue
        dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
        try:
            found = READERS[form](path, entry["name"], dtype, shape, request)
        except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
            what = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(f"{path}: does not hold {entry['name']}: {what}") from None
        if found is None:
            continue
        if found.shape != shape or found.dtype != dtype:
            raise UsageError(
                f"{path}: {entry['name']} is {found.dtype} {list(found.shape)}; need {dtype} "
                f"{list(shape)}"
            )
        return found
    return None


def _npz(path: Path, name: str, dtype, shape, request):
    with np.load(path, allow_pickle=False) as archive:
        return archive[name] if name in archive.files else None


def _npy(path: Path, name: str, dtype, shape, request):
    return np.load(path, allow_pickle=False)


def _bin(path: Path, name: str, dtype, shape, request):
    data = path.read_bytes()
    if len(data) % dtype.itemsize:
        raise ValueError(f"{len(data)} bytes are no whole number of {dtype}")
    flat = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)
    _need(flat.size, shape, request.layout)
    return restore(flat, request.layout, shape)


def _hex(path: Path, name: str, dtype, shape, request):
    raw = np.dtype(f"u{dtype.itemsize}") if dtype.kind in "fb" else dtype
    words = request.hex_elements, request.hex_order
    found = parse_hex(path.read_bytes(), raw, shape, request.layout, *words)
    return np.ascontiguousarray(found).view(dtype)


def _c(path: Path, name: str, dtype, shape, request):
    symbol = path.stem.removesuffix("_constants") + "_" + name
    text = path.read_text("utf-8")
    body = re.search(rf"\b{re.escape(symbol)}\[\d+\][^=]*=\s*{{(.*?)}};", text, re.DOTALL)
    if body is None:
        return None
    words = [w.strip() for w in body[1].split(",") if w.strip()]
    if dtype.kind == "f":
        values = [float.fromhex(w.rstrip("f")) for w in words]
    else:
        values = [_integer(w) for w in words]
    flat = np.array(values, dtype)
    _need(flat.size, shape, request.layout)
    return restore(flat, request.layout, shape)


READERS = {"npz": _npz, "npy": _npy, "bin": _bin, "hex": _hex, "c": _c}


def _integer(word: str) -> int:
    """A C literal, also "(-2147483647 - 1)"."""
    return sum(int(part) for part in re.findall(r"-?\s*\d+", word.replace("- ", "-")))


def _need(found: int, shape: tuple[int, ...], layout: str) -> None:
    needed = arrange(np.zeros(shape, np.int8), layout).size
    if found != needed:
        raise ValueError(f"{found} elements, needs {needed}")
