"""Hex files for $readmemh: words of two's complement digits, addresses as comments.

    // int8 1x4x4x2 nhwc; 1 element in a word, first lowest; 32 words of 2 digits
    00 7f 80 ff 01 ... // 0x00000000

A word is written most significant digit first, as $readmemh reads it.
"""

from __future__ import annotations

import re

import numpy as np

from tflite_requant.golden.layout import arrange, restore

LINE_BYTES = 16  # of data in a line, at least one word
DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


def hex_text(
    array: np.ndarray, layout: str, elements: int = 1, order: str = "little", fill: int = 0
) -> bytes:
    """The file of one array. elements: in a word; order: which of them is in the lowest bits."""
    flat = arrange(array, layout, fill).reshape(-1)
    words = word_bytes(flat, elements, order)
    count, width = words.shape
    shape = "x".join(map(str, array.shape)) or "scalar"
    first = "lowest" if order == "little" else "highest"
    many = f"{elements} element{'s' if elements > 1 else ''} in a word, first {first}"
    head = f"// {array.dtype} {shape} {layout}; {many}; {count} words of {2 * width} digits\n"
    return head.encode("utf-8", "backslashreplace") + _lines(words)


def word_bytes(flat: np.ndarray, elements: int, order: str) -> np.ndarray:
    """(words, bytes a word) uint8, most significant byte first; the last word filled with 0."""
    size = flat.dtype.itemsize
    missing = -flat.size % elements
    if missing:
        flat = np.concatenate([flat, np.zeros(missing, flat.dtype)])
    raw = np.ascontiguousarray(flat, flat.dtype.newbyteorder(">")).view(np.uint8)
    grouped = raw.reshape(-1, elements, size)
    if order == "little":
        grouped = grouped[:, ::-1]
    return np.ascontiguousarray(grouped).reshape(-1, elements * size)


def _lines(words: np.ndarray) -> bytes:
    count, width = words.shape
    per_line = max(1, LINE_BYTES // width)
    whole = count // per_line
    parts = [_block(words[: whole * per_line], per_line, 0)]
    if count % per_line:
        parts.append(_block(words[whole * per_line :], count % per_line, whole * per_line))
    return b"".join(parts)


def _block(words: np.ndarray, per_line: int, first: int) -> bytes:
    """Lines of `per_line` words each, addressed from word `first` on."""
    lines, width = words.shape[0] // per_line, words.shape[1]
    if not lines:
        return b""
    digits = np.stack([DIGITS[words >> 4], DIGITS[words & 15]], axis=-1)
    digits = digits.reshape(lines, per_line, 2 * width)
    spaced = np.full((lines, per_line, 2 * width + 1), ord(" "), np.uint8)
    spaced[:, :, :-1] = digits
    addresses = (first + per_line * np.arange(lines)).astype(">u4").view(np.uint8).reshape(-1, 4)
    shown = np.stack([DIGITS[addresses >> 4], DIGITS[addresses & 15]], axis=-1).reshape(lines, 8)
    mark = np.broadcast_to(np.frombuffer(b"// 0x", np.uint8), (lines, 5))
    end = np.full((lines, 1), ord("\n"), np.uint8)
    return np.hstack([spaced.reshape(lines, -1), mark, shown, end]).tobytes()


def parse_hex(
    text: bytes, dtype: np.dtype, shape: tuple[int, ...], layout: str, elements: int, order: str
) -> np.ndarray:
    """An array back from a hex file; comments are ignored, x and z read as 0, @ADDRESS skips.

    Raises ValueError for other characters, and where the number of words does not fit.
    """
    dtype = np.dtype(dtype)
    width = elements * dtype.itemsize
    plain = re.sub(rb"//[^\n]*|/\*.*?\*/", b" ", text, flags=re.DOTALL).replace(b"_", b"")
    found: list[bytes] = []
    for word in plain.split():
        if word.startswith(b"@"):
            found += [b""] * (int(word[1:], 16) - len(found))
        else:
            found.append(re.sub(rb"[xXzZ]", b"0", word))
    raw = b"".join(bytes.fromhex(w.decode("ascii").rjust(2 * width, "0")) for w in found)
    grouped = np.frombuffer(raw, np.uint8).reshape(-1, elements, dtype.itemsize)
    if order == "little":
        grouped = grouped[:, ::-1]
    flat = np.ascontiguousarray(grouped).reshape(-1).view(dtype.newbyteorder(">")).astype(dtype)
    needed = _needed(shape, layout)
    if flat.size < needed:
        raise ValueError(f"{flat.size} elements, needs {needed}")
    return restore(flat[:needed], layout, shape)


def _needed(shape: tuple[int, ...], layout: str) -> int:
    return arrange(np.zeros(shape, np.int8), layout).size
