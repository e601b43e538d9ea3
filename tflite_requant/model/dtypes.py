"""Element types: TFLite's names in lower case, and the NumPy types that hold them."""

from __future__ import annotations

import numpy as np

NUMPY = {
    "float32": np.float32,
    "float16": np.float16,
    "float64": np.float64,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
    "complex64": np.complex64,
    "complex128": np.complex128,
    "int4": np.int8,  # unpacked: one element a byte
}

RANGES = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int16": (-32768, 32767),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "int4": (-8, 7),
}

ACTIVATION_DTYPES = ("uint8", "int8", "int16")


def decode(data: bytes, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """The constant that `data` (little-endian, row-major) holds; int4: low nibble first.

    Raises ValueError when the number of bytes is not what dtype and shape ask for, or when the
    dtype has no NumPy counterpart (strings, resources, variants).
    """
    if dtype not in NUMPY:
        raise ValueError(f"constants of type {dtype} have no array form")
    count = 1
    for size in shape:
        count *= int(size)
    if dtype == "int4":
        if len(data) != (count + 1) // 2:
            raise ValueError(
                f"{len(data)} bytes, shape {list(shape)} of int4 needs {(count + 1) // 2}"
            )
        packed = np.frombuffer(data, np.uint8)
        nibbles = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1)[:count]
        return ((nibbles.astype(np.int8) ^ 8) - 8).reshape(shape)
    kind = np.dtype(NUMPY[dtype]).newbyteorder("<")
    if len(data) != count * kind.itemsize:
        raise ValueError(
            f"{len(data)} bytes, shape {list(shape)} of {dtype} needs {count * kind.itemsize}"
        )
    return np.frombuffer(data, kind).reshape(shape)


def encode(array: np.ndarray, dtype: str) -> bytes:
    """The little-endian bytes of a constant; the inverse of `decode`."""
    if dtype == "int4":
        flat = np.asarray(array, np.int8).reshape(-1)
        if flat.size % 2:
            flat = np.append(flat, np.int8(0))
        nibbles = flat.view(np.uint8) & 15
        return (nibbles[0::2] | (nibbles[1::2] << 4)).astype(np.uint8).tobytes()
    kind = np.dtype(NUMPY[dtype]).newbyteorder("<")
    return np.ascontiguousarray(array, dtype=kind).tobytes()
