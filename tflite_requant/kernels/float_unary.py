"""Operators on one plain operand: float functions, and what else has no quantized arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.c_functions import c_function
from tflite_requant.kernels._types import Attributes, Operands, Stage


def _of_values(function: Callable[[np.ndarray], np.ndarray]):
    """A kernel that applies a NumPy function to the stored values."""

    def kernel(
        operands: Operands, attributes: Attributes, arithmetic: Arithmetic
    ) -> Iterator[Stage]:
        values = operands.input(0).integers
        with np.errstate(all="ignore"):
            yield "output", function(values).astype(values.dtype)

    return kernel


def _of_c(name: str):
    """A kernel that applies a float32 function of the C library."""
    return _of_values(lambda values: c_function(name, values))


square = _of_values(lambda x: x * x)
floor = _of_values(np.floor)
ceil = _of_values(np.ceil)
round_half_even = _of_values(np.rint)
sign = _of_values(np.sign)
logical_not = _of_values(np.logical_not)
zeros_like = _of_values(np.zeros_like)
sin = _of_c("sinf")
cos = _of_c("cosf")
