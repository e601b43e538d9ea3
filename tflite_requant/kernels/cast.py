"""CAST: stored values to another type; quantization is not looked at.

Integers wrap. Floats are truncated; what the type cannot hold is saturated, NaN at the upper end.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield "output", converted(operands.input(0).integers, operands.output.numpy)


def converted(values: np.ndarray, wanted: np.dtype) -> np.ndarray:
    """The values in another type, as C++ converts them, saturated where a float does not fit."""
    if values.dtype.kind != "f" or wanted.kind not in "iu":
        with np.errstate(over="ignore"):
            if wanted == np.float16:  # by way of float32
                values = values.astype(np.float32)
            return values.astype(wanted)
    low, high = limits(wanted)
    whole = np.trunc(values.astype(np.float64))
    fits = (whole >= low) & (whole < float(high) + (1 if high < 2**53 else 0))
    kept = np.where(fits, whole, 0.0).astype(wanted)
    return np.where(fits, kept, np.where(whole < 0, low, high).astype(wanted))
