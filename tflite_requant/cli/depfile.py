"""Dependency files that Make and Ninja read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tflite_requant.errors import UsageError


def depfile_bytes(targets: Iterable[Path], inputs: Iterable[Path]) -> bytes:
    """`targets: inputs`, an input a line, and an empty rule for each input, so that one which is
    deleted makes the target old instead of stopping Make. Raises UsageError for a name that Make
    cannot hold."""
    left = " ".join(escape(t) for t in targets)
    right = [escape(i) for i in dict.fromkeys(inputs)]
    rule = f"{left}:" + "".join(f" \\\n  {name}" for name in right) + "\n"
    return (rule + "".join(f"\n{name}:\n" for name in right)).encode("utf-8", "surrogateescape")


def escape(path: Path) -> str:
    """A file name as Make reads it: spaces, colons, #, $ and backslashes before them are
    escaped."""
    name = str(path)
    if "\n" in name:
        raise UsageError(f"--depfile: {name!r} has a line break, which no Makefile can hold")
    name = re.sub(r"(\\*)([ \t#:])", r"\1\1\\\2", name)
    return name.replace("$", "$$")


def files_of(spec: str | None) -> list[Path]:
    """What names samples as files: FILE, FILE:ARRAY, a folder and all in it, or nothing.

    Raises UsageError for a folder that cannot be read.
    """
    if spec is None:
        return []
    path = Path(spec)
    if not path.exists():
        path = Path(spec.rpartition(":")[0] or spec)
    if path.is_dir():
        from tflite_requant.files import files_below

        return [path, *files_below(path)]
    return [path] if path.exists() else []
