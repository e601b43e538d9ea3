"""Where the results of `requantize` go."""

from __future__ import annotations

from pathlib import Path

from tflite_requant.errors import UsageError
from tflite_requant.schemes import Scheme


def output_paths(source: Path, output: str | None, schemes: list[Scheme]) -> list[Path]:
    """Where each scheme's model goes. Raises UsageError where two would share a file, or the source
    is a folder or a stream, after which none can be named."""
    if source.is_dir():
        raise UsageError(f"{source}: cannot be read: is a directory")
    names = [f"{source.stem}.{scheme.name}.tflite" for scheme in schemes]
    double = next((s.name for i, s in enumerate(schemes) if s in schemes[:i] or
                   s.name in [t.name for t in schemes[:i]]), None)  # fmt: skip
    if double:
        raise UsageError(f"--scheme: two schemes are named {double!r} and would share an output")
    if output is None and _is_stream(source):
        raise UsageError(f"{source}: no file that the result could be named after; give --output")
    if output is None:
        return [source.with_name(name) for name in names]
    folder = Path(output)
    if folder.is_dir():
        return [folder / name for name in names]
    if output.endswith("/"):
        raise UsageError(f"{output}: cannot be written: the folder does not exist")
    if len(schemes) == 1 and not folder.exists() and not folder.suffix:
        raise UsageError(
            f"{output}: does not exist; make the folder first, or name a file that ends in .tflite"
        )
    if len(schemes) > 1:
        found = "is a file" if folder.exists() else "does not exist"
        raise UsageError(
            f"{output}: {found}; {len(schemes)} schemes need a folder that exists as --output"
        )
    return [folder]


def _is_stream(path: Path) -> bool:
    """Whether it is a pipe or a device, or stands for what the program was given open."""
    absolute = path.absolute()
    given = str(absolute) == "/dev/stdin" or str(absolute.parent) in ("/dev/fd", "/proc/self/fd")
    return path.exists() and (given or not path.is_file())
