"""Where files go: into a folder that appears whole or not at all, or against one that is there."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tflite_requant import files
from tflite_requant.errors import UsageError
from tflite_requant.wording import reason_of

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of a set: path with "/" from the set's folder."""

    path: str
    bytes: int
    sha256: str


class Sink:
    """Takes files one by one and remembers what they were."""

    def __init__(self) -> None:
        self.records: list[FileRecord] = []

    def add(self, path: str, data: bytes) -> None:
        """Take one file."""
        self.put(FileRecord(path, len(data), hashlib.sha256(data).hexdigest()), data)

    def put(self, record: FileRecord, data: bytes) -> None:
        """Take a file of which a record was made already."""
        self.take(record.path, data)
        self.records.append(record)

    def take(self, path: str, data: bytes) -> None:
        raise NotImplementedError


class FolderSink(Sink):
    """Writes below a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def take(self, path: str, data: bytes) -> None:
        place = self._folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


class KeepingSink(Sink):
    """Keeps files, for who puts them into another sink."""

    def __init__(self) -> None:
        super().__init__()
        self._data: list[bytes] = []

    def take(self, path: str, data: bytes) -> None:
        self._data.append(data)

    def taken(self) -> list[tuple[FileRecord, bytes]]:
        """Every file in the order of coming."""
        return list(zip(self.records, self._data, strict=True))


class ComparingSink(Sink):
    """Writes nothing; `missing` and `differing` tell which files a folder has not, or otherwise."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.missing: list[str] = []
        self.differing: list[tuple[str, str]] = []

    def take(self, path: str, data: bytes) -> None:
        place = self._folder / path
        try:
            found = place.read_bytes()
        except OSError:
            self.missing.append(path)
            return
        if found != data:
            self.differing.append((path, first_difference(found, data)))


def first_difference(found: bytes, expected: bytes) -> str:
    """Where two files part, in words."""
    for start in range(0, min(len(found), len(expected)), 1 << 16):
        a, b = found[start : start + (1 << 16)], expected[start : start + (1 << 16)]
        if a != b:
            short = min(len(a), len(b))
            at = next((i for i in range(short) if a[i] != b[i]), None)
            if at is not None:
                return f"byte {start + at} is 0x{a[at]:02x}, not 0x{b[at]:02x}"
            break
    return f"{len(found)} bytes, not {len(expected)}"


def files_below(folder: Path) -> list[str]:
    """Every file below a folder, as paths with "/", sorted. Raises UsageError where a folder
    cannot be read."""
    return sorted(p.relative_to(folder).as_posix() for p in files.files_below(folder))


def is_replaceable(folder: Path) -> bool:
    """Whether a folder holds nothing, or a set of golden vectors."""
    return not any(folder.iterdir()) or (folder / MANIFEST).is_file()


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that takes its place when all went well. A link stays,
    and where it leads is written.

    Raises UsageError where the target cannot be written, or is a folder of other things.
    """
    target, place = Path(os.path.abspath(target)), Path(os.path.realpath(target))
    _check(target, place)
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.mkdir()
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {reason_of(error)}") from None
    try:
        yield temporary
        _replace(temporary, place)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {reason_of(error)}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check(target: Path, place: Path) -> None:
    if not place.parent.is_dir():
        raise UsageError(f"{target}: cannot be written: folder {place.parent} does not exist")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target}: cannot be written: it is a file; need a folder")
    if target.is_dir() and not is_replaceable(target):
        raise UsageError(
            f"{target}: holds other files than golden vectors; name a new or an empty folder"
        )


def _replace(temporary: Path, target: Path) -> None:
    if not target.exists():
        os.replace(temporary, target)
        return
    old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    os.replace(target, old)
    try:
        os.replace(temporary, target)
    except OSError:
        with suppress(OSError):
            os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
