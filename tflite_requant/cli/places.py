"""What a command writes never takes the place of what it reads, nor of what else it writes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tflite_requant.cli.depfile import files_of
from tflite_requant.errors import UsageError

# What names models, and what names samples, in any command.
MODELS = ("model", "a", "b")
SAMPLES = ("calibration", "inputs")


def check_files(args: argparse.Namespace, places: Sequence[Path]) -> None:
    """Raise UsageError where a file cannot be written, or would be written over one that is read or
    over another one; nothing is touched. Links are followed."""
    from tflite_requant import files

    read = None
    for i, path in enumerate(places):
        files.check_writable(path)
        real = os.path.realpath(path)
        if read is None and os.path.exists(real):
            read = {os.path.realpath(known): told for known, told in read_files(args)}
        if read is not None and real in read:
            raise UsageError(
                f"{path}: this is {read[real]}, which is never changed; name another file"
            )
        if real in map(os.path.realpath, places[:i]):
            raise UsageError(f"{path}: named twice as an output")


def check_folder(args: argparse.Namespace, folder: Path) -> None:
    """Raise UsageError where a folder that is replaced holds what is read, or is it."""
    target = Path(os.path.realpath(folder))
    for path, told in read_files(args) if target.is_dir() else ():
        real = Path(os.path.realpath(path))
        if target == real or target in real.parents:
            raise UsageError(
                f"{folder}: would be replaced, and {told} is in it ({path}); name another folder"
            )


def read_files(args: argparse.Namespace) -> Iterator[tuple[Path, str]]:
    """Everything that a command line names to be read and that is there, each with what it is."""
    for key in MODELS:
        if getattr(args, key, None) is not None:
            yield Path(getattr(args, key)), "the model"
    for word in (getattr(args, "scheme", None) or "").split(","):
        if word.strip().endswith(".toml"):
            yield Path(word.strip()), "a scheme that is read"
    for key in SAMPLES:
        for i, path in enumerate(files_of(getattr(args, key, None))):
            if i == 0:
                yield path, f"what --{key} reads"
            elif _is_image(path):  # what else lies in a folder is not read
                yield path, f"an image that --{key} reads"


def _is_image(path: Path) -> bool:
    from tflite_requant.samples.images import SUFFIXES

    return path.suffix.lower() in SUFFIXES
