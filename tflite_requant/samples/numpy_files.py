"""NumPy files, judged by their headers before anything is read or allocated."""

from __future__ import annotations

import math
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy

from tflite_requant import limits
from tflite_requant.errors import SampleError
from tflite_requant.wording import reason_of

MAGIC = b"\x93NUMPY"
SHOWN_BYTES = 8


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name; of a .npy file one, named "", mapped rather than read.

    Raises SampleError, one line that begins with the path, for whatever is no such file.
    """
    try:
        return _archive(path) if path.suffix == ".npz" else {"": _array(path)}
    except OSError as error:
        raise SampleError(f"{path}: cannot be read: {reason_of(error)}") from None


def _array(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        _check_header(path, file, path.stat().st_size)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _archive(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        start = file.read(SHOWN_BYTES)
    if not start.startswith(b"PK"):
        raise SampleError(f"{path}: no .npz file: {_beginning(start)}; numpy.savez writes one")
    try:
        with ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
            _check_room(path, sum(m.file_size for m in members))
            found = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as file:
                    _check_header(path, file, member.file_size, f"array {name!r}")
                with archive.open(member) as file:
                    found[name] = npy.read_array(file, allow_pickle=False)
            return found
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SampleError(f"{path}: damaged .npz file ({reason}); write it again") from None
    except Exception as error:  # zlib.error and its like, by the archive's compression
        if isinstance(error, (SampleError, OSError)):
            raise
        raise SampleError(f"{path}: damaged .npz file ({error}); write it again") from None


def _check_header(path: Path, file, size: int, which: str = "") -> None:
    """Raise SampleError where a header is none, or promises what `size` bytes cannot hold."""
    of = f"{path}: {which}: " if which else f"{path}: "
    start = file.read(len(MAGIC) + 2)
    if not start.startswith(MAGIC):
        raise SampleError(f"{of}no .npy file: {_beginning(start)}; numpy.save writes one")
    version = start[len(MAGIC)]
    read = npy.read_array_header_1_0 if version == 1 else npy.read_array_header_2_0
    try:
        shape, _, dtype = read(file)
    except Exception as error:  # NumPy's parser raises what literal_eval, tokenize and dtype raise
        raise SampleError(f"{of}its header is damaged; write it again with numpy.save") from error
    if dtype.hasobject:
        raise SampleError(
            f"{of}holds Python objects, shape {list(shape)}; need an array of numbers"
        )
    need = math.prod(shape) * dtype.itemsize
    rest = size - file.tell()
    if need > rest:
        raise SampleError(
            f"{of}truncated: shape {list(shape)} of {dtype} takes {need:,} bytes, "
            f"{rest:,} are there"
        )


def _check_room(path: Path, size: int) -> None:
    allowed = limits.max_memory(path.stat().st_size)
    if size > allowed:
        raise SampleError(
            f"{path}: its arrays take {limits.told(size)}, {limits.allowance(allowed)}; "
            "--max-memory allows more, and a .npy file is not read at once"
        )


def _beginning(start: bytes) -> str:
    return f"it begins with {start[:SHOWN_BYTES]!r}" if start else "it is empty"
