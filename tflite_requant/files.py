"""Files in and out. What is written is whole or not there at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from tflite_requant.errors import FormatError, UsageError
from tflite_requant.flatbuffer import read, write
from tflite_requant.model import Model
from tflite_requant.validation import require_sound


def load(source: str | os.PathLike | bytes, *, sound: bool = True) -> Model:
    """A model from a path, or from the bytes of a `.tflite` file.

    sound: refuse what `validation` finds; without it, only what cannot be read is refused.

    Raises UsageError for a file that cannot be read, FormatError for one that is no TFLite model or
    is damaged, with all findings; both messages begin with the path.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read(bytes(source), sound)
    path = Path(source)
    data = read_bytes(path)
    try:
        return _read(data, sound)
    except FormatError as error:
        raise type(error)(f"{path}: {error}", error.findings) from None


def _read(data: bytes, sound: bool) -> Model:
    model = read(data)
    if sound:
        require_sound(model)
    return model


def save(model: Model, path: str | os.PathLike) -> None:
    """Write a model; the file at `path` is replaced in one step. Raises UsageError."""
    write_all({Path(path): model_bytes(model)})


def model_bytes(model: Model) -> bytes:
    """The file's bytes: those that were read where nothing changed, else freshly written ones."""
    return model.source if model.source is not None else write(model)


def read_bytes(path: Path) -> bytes:
    """A file's bytes. Raises UsageError with one line that begins with the path."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {_reason(error)}") from None


def check_writable(path: Path) -> None:
    """Raise UsageError where `path` cannot become a file; nothing is touched."""
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        found = "is not a folder" if folder.exists() else "does not exist"
        raise UsageError(f"{path}: cannot be written: folder {path.parent} {found}")
    if path.is_dir():
        raise UsageError(f"{path}: cannot be written: it is a folder")
    if not os.access(path if _is_special(path) else folder, os.W_OK):
        raise UsageError(f"{path}: cannot be written: no permission to write in {path.parent}")


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write several files, or none of them.

    All are first written beside their places, flushed to the disk, read back and compared; only
    then do they replace what was there. An existing file's permissions and a link to it stay.
    Raises UsageError with one line that begins with the path.
    """
    for path in files:
        check_writable(path)
    with ExitStack() as leftovers:
        staged: list[tuple[Path, Path, Path]] = []
        for path, data in files.items():
            try:
                if _is_special(path):
                    path.write_bytes(data)
                    continue
                place = Path(os.path.realpath(path))
                temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")
                leftovers.callback(_remove, temporary)
                _stage(temporary, place, data)
            except OSError as error:
                raise UsageError(f"{path}: cannot be written: {_reason(error)}") from None
            staged.append((path, temporary, place))
        for path, temporary, place in staged:
            try:
                os.replace(temporary, place)
            except OSError as error:
                raise UsageError(f"{path}: cannot be replaced: {_reason(error)}") from None
        for folder in {place.parent for _, _, place in staged}:
            _flush_folder(folder)


def _stage(temporary: Path, place: Path, data: bytes) -> None:
    """Put `data` into a new file with the mode that `place` has, and be sure of it."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileNotFoundError):
        os.chmod(temporary, stat.S_IMODE(os.stat(place).st_mode))
    if temporary.read_bytes() != data:
        raise OSError("what was read back is not what was written; is the disk sound?")


def _flush_folder(folder: Path) -> None:
    """Make renames last; not every system can open a folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_special(path: Path) -> bool:
    """Whether it is a device or a pipe, which must be written to and never be replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()


def _reason(error: OSError) -> str:
    """The system's words without its number: "no such file or directory"."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
