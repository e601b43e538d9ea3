"""How much memory a model may ask for. Told by callers once, read wherever something is estimated.

Without a limit of its own, a model may take 1 GiB or 16 times its file's size, whichever is more:
absurd shapes are refused, and large models are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tflite_requant.errors import UsageError

LEAST_DEFAULT = 1 << 30
TIMES_FILE = 16
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

_chosen: ContextVar[int | None] = ContextVar("max_memory", default=None)


def parse_memory(text: str) -> int:
    """Bytes from "800M", "4G", "1.5GiB" or a plain number. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if size < 1:
        raise UsageError(f"--max-memory {text!r}: need a size such as 800M or 4G")
    return size


@contextmanager
def allowing(size: int | None) -> Iterator[None]:
    """Within, models may take `size` bytes; None: the default."""
    token = _chosen.set(size)
    try:
        yield
    finally:
        _chosen.reset(token)


def max_memory(file_size: int = 0) -> int:
    """Bytes that a model from a file of that size may take."""
    chosen = _chosen.get()
    return max(LEAST_DEFAULT, TIMES_FILE * file_size) if chosen is None else chosen


def allowance(size: int) -> str:
    """An end of a sentence: "1 GiB are allowed"."""
    return f"{told(size)} {'is' if size == 1 else 'are'} allowed"


def told(size: float) -> str:
    """A size in the unit that suits it: "3.2 GiB"."""
    if size == 1:
        return "1 byte"
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"
