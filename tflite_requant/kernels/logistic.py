"""LOGISTIC: 1 / (1 + exp(-x)); 8 bits through a float32 table, 16 through the sigmoid table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint import gemmlowp
from tflite_requant.fixedpoint.c_functions import c_function
from tflite_requant.fixedpoint.sigmoid_table import logistic16
from tflite_requant.fixedpoint.transcendental import logistic32
from tflite_requant.kernels._sigmoid8 import logistic8
from tflite_requant.kernels._sigmoid16 import fixed_point, lifted, power_of_two_shift
from tflite_requant.kernels._table import through
from tflite_requant.kernels._types import Attributes, Operands, Stage

LOWER, UPPER = -9.0, 16.619047164916992


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0)
    own = arithmetic.law(operands.output.dtype)
    if data.dtype.kind == "f":
        yield "output", _real(data.integers)
    elif own == "fixed-point-32":
        rounding = arithmetic.rescaling(operands.output.dtype).rounding
        yield "output", logistic8(data, rounding)
    elif own == "fixed-point" and power_of_two_shift(data, (0,)) is not None:
        yield "output", fixed_point(data, gemmlowp.logistic, (0,))
    elif data.dtype == np.int16:
        yield "output", logistic16(lifted(data, (0,))).astype(np.int16)
    else:
        yield "output", through(data, operands.output, logistic32, own)


def _real(x: np.ndarray) -> np.ndarray:
    """Float operands: exp(x) below -9, 1 above 16.619047; between them the quotient."""
    one = np.float32
    with np.errstate(over="ignore"):
        quotient = one(1) / (one(1) + c_function("expf", -x))
    ends = np.where(x < one(LOWER), c_function("expf", x), quotient)
    return np.where(x > one(UPPER), one(1), ends)
