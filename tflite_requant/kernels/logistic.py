"""LOGISTIC: 1 / (1 + exp(-x)); 8 bits through a float32 table, 16 through the sigmoid table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.sigmoid_table import logistic16
from tflite_requant.fixedpoint.transcendental import logistic32
from tflite_requant.kernels._sigmoid16 import lifted
from tflite_requant.kernels._table import through
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0)
    if data.dtype.kind == "f":
        yield "output", logistic32(data.integers)
    elif data.dtype == np.int16:
        yield "output", logistic16(lifted(data, (0,))).astype(np.int16)
    else:
        yield "output", through(data, operands.output, logistic32)
