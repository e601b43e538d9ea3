"""float32 functions of the C library, which LiteRT's float kernels call: expf, tanhf and others.

They are not correctly rounded, so only the library itself says what they return. Where there is
no glibc, results are rounded from double precision, and may differ by a unit in the last place.
"""

from __future__ import annotations

import ctypes
import math
import platform
from collections.abc import Callable
from functools import cache

import numpy as np

from tflite_requant.fixedpoint.transcendental import elementwise


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        return math.nan if base else math.inf


DOUBLE: dict[str, Callable[..., float]] = {
    "expf": math.exp,
    "expm1f": math.expm1,
    "logf": math.log,
    "tanhf": math.tanh,
    "erfcf": math.erfc,
    "sinf": math.sin,
    "cosf": math.cos,
    "powf": _power,
    "atan2f": math.atan2,
}


@cache
def _library(name: str, operands: int) -> Callable[..., float] | None:
    if platform.libc_ver()[0] != "glibc":
        return None
    try:
        function = getattr(ctypes.CDLL("libm.so.6"), name)
    except (OSError, AttributeError):
        return None
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float] * operands
    return function


def c_function(name: str, values: np.ndarray) -> np.ndarray:
    """The named function of each element; float32, same shape. Raises KeyError for another name."""
    fallback, values = DOUBLE[name], np.asarray(values, np.float32)
    function = _library(name, 1)
    if function is None:
        with np.errstate(over="ignore"):
            return elementwise(fallback, values).astype(np.float32)
    flat = [function(v) for v in values.reshape(-1).tolist()]
    return np.array(flat, np.float32).reshape(values.shape)


def c_power(base: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """powf of two float32 arrays, broadcast against each other."""
    return _of_pairs("powf", base, exponent)


def c_angle(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """atan2f of two float32 arrays, broadcast against each other."""
    return _of_pairs("atan2f", y, x)


def _of_pairs(name: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = np.broadcast_arrays(np.float32(first), np.float32(second))
    function = _library(name, 2) or DOUBLE[name]
    pairs = zip(first.reshape(-1).tolist(), second.reshape(-1).tolist(), strict=True)
    with np.errstate(over="ignore"):
        found = np.array([function(a, b) for a, b in pairs], np.float64)
        return found.astype(np.float32).reshape(first.shape)
