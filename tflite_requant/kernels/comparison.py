"""EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL.

8-bit operands are brought to units of 1/256 by rescale((q - z) << 8, s) and compared there, so
values closer than that are equal. int16 operands are so for EQUAL and NOT_EQUAL only; the order
relations compare their stored integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.multiplier import INTEGER_RESCALES, quantize_multiplier
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._types import (
    Attributes,
    Kernel,
    KernelError,
    Operands,
    QArray,
    Stage,
)

SHIFT = 8


def _comparison(relation: Callable, scaled_bytes: int) -> Kernel:
    """The kernel of a relation; operands of at most `scaled_bytes` are compared by value."""

    def kernel(
        operands: Operands, attributes: Attributes, arithmetic: Arithmetic
    ) -> Iterator[Stage]:
        first, second = operands.inputs[0], operands.inputs[1]
        plain = first.qparams is None or first.dtype.kind not in "iu"
        if plain or first.dtype.itemsize > scaled_bytes:
            yield "output", relation(first.integers, second.integers)
            return
        rounding = arithmetic.rescaling(str(first.dtype)).rounding
        left, right = _scaled(first, rounding), _scaled(second, rounding)
        yield "left", left
        yield "right", right
        yield "output", relation(left, right)

    return kernel


def _scaled(operand: QArray, rounding: str) -> np.ndarray:
    multiplier, shift = quantize_multiplier(operand.scale)
    if shift > 0:
        raise KernelError(f"comparisons need scales below 1, found {operand.scale}")
    lifted = centred32(operand).astype(np.int64) << SHIFT
    return INTEGER_RESCALES[rounding](lifted, multiplier, shift)


equal = _comparison(np.equal, 2)
not_equal = _comparison(np.not_equal, 2)
less = _comparison(np.less, 1)
less_equal = _comparison(np.less_equal, 1)
greater = _comparison(np.greater, 1)
greater_equal = _comparison(np.greater_equal, 1)
