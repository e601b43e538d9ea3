"""ARG_MAX and ARG_MIN of stored integers along an axis; the first of equals wins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage


def arg_max(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield "output", _arg(np.argmax, operands)


def arg_min(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    yield "output", _arg(np.argmin, operands)


def _arg(function, operands: Operands) -> np.ndarray:
    values = operands.input(0).integers
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise KernelError("NaN: where LiteRT finds the extremum depends on its vector blocks")
    axis = int(operands.input(1).integers.reshape(-1)[0])
    found = function(values, axis=axis)
    return np.asarray(found).astype(operands.output.numpy)
