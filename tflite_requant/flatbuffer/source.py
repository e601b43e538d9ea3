"""The bytes of a model's file: its beginning is judged before the rest is read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from tflite_requant import limits
from tflite_requant.errors import FormatError
from tflite_requant.flatbuffer.verify import LOOKED_AT, MAX_OFFSET, require_identifier

MOST = MAX_OFFSET + 1  # bytes that offsets of a flatbuffer reach
AT_ONCE = 1 << 20


def read_file(path: str | os.PathLike) -> bytes:
    """All bytes of a file, a pipe or a device that begins as a TFLite model does.

    Where it does not, no more than its first 256 bytes are read, so that neither a device without
    an end nor a large file of another kind takes memory. Raises FormatError, without the path, for
    those and for more than 2 GiB; OSError.
    """
    with open(path, "rb") as file:
        head = file.read(LOOKED_AT)
        require_identifier(head)
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return _until_the_end(file, head)
        if status.st_size > MOST:
            raise _too_large(limits.told(status.st_size))
    return Path(path).read_bytes()


def _until_the_end(file: BinaryIO, head: bytes) -> bytes:
    found = bytearray(head)
    while part := file.read(AT_ONCE):
        found += part
        if len(found) > MOST:
            raise _too_large(f"more than {limits.told(MOST)}, and no end")
    return bytes(found)


def _too_large(found: str) -> FormatError:
    return FormatError(
        f"too large: {found}; need at most {limits.told(MOST)}, all that a flatbuffer can hold"
    )
