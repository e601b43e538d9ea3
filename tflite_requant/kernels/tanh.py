"""TANH. 8 bits through a float32 table, 16 bits through the sigmoid table at twice the number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint import gemmlowp
from tflite_requant.fixedpoint.c_functions import c_function
from tflite_requant.fixedpoint.sigmoid_table import tanh16
from tflite_requant.fixedpoint.transcendental import tanh32
from tflite_requant.kernels._sigmoid8 import tanh8
from tflite_requant.kernels._sigmoid16 import fixed_point, lifted, power_of_two_shift
from tflite_requant.kernels._table import through
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0)
    own = arithmetic.law(operands.output.dtype)
    if data.dtype.kind == "f":
        yield "output", c_function("tanhf", data.integers)
    elif own == "fixed-point-32":
        rounding = arithmetic.rescaling(operands.output.dtype).rounding
        yield "output", tanh8(data, rounding)
    elif own == "fixed-point" and power_of_two_shift(data, (0, 1)) is not None:
        yield "output", fixed_point(data, gemmlowp.tanh, (0, 1))
    elif data.dtype == np.int16:
        yield "output", tanh16(lifted(data, (0, 1))).astype(np.int16)
    else:
        yield "output", through(data, operands.output, tanh32, own)
