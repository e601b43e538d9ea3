"""Streams that take nothing more: a full disk, a pipe whose reader has left."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def lose(stream) -> None:
    """Let go nowhere what is left in a stream and what follows: Python flushes it at exit, and its
    exit code would tell of that and of nothing else."""
    with suppress(OSError):  # also where there is no descriptor below
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)


def say(line: str) -> None:
    """Print a line on stderr, or lose it."""
    if sys.stderr is None:  # `print` would take stdout
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        lose(sys.stderr)


class Heedless:
    """A stream whose errors are nobody's."""

    def __init__(self, stream) -> None:
        self._stream = stream

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()
