"""REDUCE_MAX and REDUCE_MIN of stored integers, REDUCE_ANY and REDUCE_ALL of bools."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._reduce import keep_dims, reduced_axes
from tflite_requant.kernels._types import Attributes, Kernel, Operands, Stage


def _reduction(function: Callable) -> Kernel:
    """The kernel that reduces by a NumPy function."""

    def kernel(
        operands: Operands, attributes: Attributes, arithmetic: Arithmetic
    ) -> Iterator[Stage]:
        data, axes = operands.input(0).integers, reduced_axes(operands)
        if axes:
            data = np.asarray(function(data, axis=axes, keepdims=keep_dims(attributes)))
        yield "output", data

    return kernel


reduce_max = _reduction(np.max)
reduce_min = _reduction(np.min)
reduce_any = _reduction(np.any)
reduce_all = _reduction(np.all)
