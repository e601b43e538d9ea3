"""Files in and out. What is written is whole or not there at all."""

from __future__ import annotations

import os
import secrets
import signal
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import zip_longest
from pathlib import Path

from tflite_requant.errors import FormatError, UsageError
from tflite_requant.flatbuffer import read, read_file, write
from tflite_requant.model import Model, Operator, Tensor
from tflite_requant.validation import require_sound
from tflite_requant.wording import reason_of


def load(source: str | os.PathLike | bytes, *, sound: bool = True) -> Model:
    """A model from a path, or from the bytes of a `.tflite` file.

    sound: refuse what `validation` finds; without it, only what cannot be read is refused.

    Raises UsageError for a file that cannot be read, FormatError for one that is no TFLite model or
    is damaged, with all findings where its offsets are sound; both messages begin with the path.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read(bytes(source), sound)
    path = Path(source)
    try:
        return _read(read_file(path), sound)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {reason_of(error)}") from None
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
    """The file's bytes: those that were read where nothing changed, else freshly written ones.

    What was written is read back and compared with the model first: a file that says anything else
    never comes to be.
    """
    if model.source is not None:
        return model.source
    data = write(model)
    problem = difference(model, read(data))
    if problem:
        raise AssertionError(f"the written model reads back otherwise: {problem}")
    return data


def difference(model: Model, other: Model) -> str:
    """The first thing in which the graphs of two models differ, or ""."""
    if len(model.subgraphs) != len(other.subgraphs):
        return "subgraphs"
    for ours, theirs in zip(model.subgraphs, other.subgraphs, strict=True):
        for side in ("inputs", "outputs"):
            if getattr(ours, side) != getattr(theirs, side):
                return f"{side} of subgraph {ours.index}"
        for side, facts in (("tensors", _tensor_facts), ("operators", _operator_facts)):
            pairs = zip_longest(getattr(ours, side), getattr(theirs, side))
            found = next((a or b for a, b in pairs if not (a and b) or facts(a) != facts(b)), None)
            if found is not None:
                return f"{side[:-1]} {found.index} of subgraph {ours.index}"
    return ""


def _tensor_facts(tensor: Tensor) -> tuple:
    data = None if tensor.data is None else bytes(tensor.data)
    kind = (tensor.name, tensor.shape, tensor.dtype, tensor.qparams, tensor.is_variable)
    return *kind, tensor.shape_signature, data


def _operator_facts(op: Operator) -> tuple:
    return op.code, op.inputs, op.outputs, op.options


def read_bytes(path: Path) -> bytes:
    """A file's bytes. Raises UsageError with one line that begins with the path."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {reason_of(error)}") from None


def files_below(folder: Path) -> list[Path]:
    """Every file in a folder and in those below it, sorted; as `entries_below`, but without what
    is no file: links to nothing, pipes."""
    return [path for path in entries_below(folder) if is_file(path)]


def is_file(path: Path) -> bool:
    """Whether it is a regular file, or a link to one. Raises UsageError where nobody may know."""
    try:
        return path.is_file()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {reason_of(error)}") from None


def entries_below(folder: Path) -> list[Path]:
    """Everything but folders in a folder and in those below it, sorted. Links to folders are
    followed, but for those that lead back to a folder which they are in.

    Raises UsageError where one of the folders cannot be read: it is not taken for empty.
    """

    def refuse(error: OSError) -> None:
        raise error

    found = []
    above = {os.fspath(folder): {os.path.realpath(folder)}}
    try:
        for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
            around = above.pop(place)
            real = {name: os.path.realpath(os.path.join(place, name)) for name in folders}
            folders[:] = [name for name in folders if real[name] not in around]
            above |= {os.path.join(place, name): around | {real[name]} for name in folders}
            found += [Path(place, name) for name in names]
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be read: {reason_of(error)}") from None
    return sorted(found)


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
                raise UsageError(f"{path}: cannot be written: {reason_of(error)}") from None
            staged.append((path, temporary, place))
        with _uninterrupted():
            for path, temporary, place in staged:
                try:
                    os.replace(temporary, place)
                except OSError as error:
                    raise UsageError(f"{path}: cannot be replaced: {reason_of(error)}") from None
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


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let signals wait, where the system can: all files are replaced, or none."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
