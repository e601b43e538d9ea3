"""exp, tanh and friends in float32: rounded from the double-precision C library, value by value.

NumPy's float32 versions use instructions that differ between processors; these do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np


def elementwise(function: Callable[[float], float], values: np.ndarray) -> np.ndarray:
    """function of each element in double precision; float64, same shape.

    Each distinct value is computed once. What the function refuses or overflows on becomes NaN or
    infinity, as C's would.
    """
    values = np.asarray(values, np.float64)
    distinct, places = np.unique(values, return_inverse=True)
    results = np.array([_guarded(function, v) for v in distinct.tolist()], np.float64)
    return results[places.reshape(-1)].reshape(values.shape) if values.size else values.copy()


def _guarded(function: Callable[[float], float], value: float) -> float:
    try:
        return function(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return -math.inf if function is math.log and value == 0.0 else math.nan


def exp32(values: np.ndarray) -> np.ndarray:
    """exp, rounded to float32."""
    return _rounded(math.exp, values)


def expm132(values: np.ndarray) -> np.ndarray:
    """exp - 1, rounded to float32."""
    return _rounded(math.expm1, values)


def tanh32(values: np.ndarray) -> np.ndarray:
    """tanh, rounded to float32."""
    return _rounded(math.tanh, values)


def log32(values: np.ndarray) -> np.ndarray:
    """Natural logarithm, rounded to float32; -infinity at 0, NaN below."""
    return _rounded(math.log, values)


def logistic32(values: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), every step rounded to float32."""
    with np.errstate(over="ignore"):
        return np.float32(1) / (np.float32(1) + exp32(-np.asarray(values, np.float32)))


def _rounded(function: Callable[[float], float], values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return elementwise(function, np.asarray(values, np.float32)).astype(np.float32)
