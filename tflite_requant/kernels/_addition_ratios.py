"""ADD and SUB with each operand multiplied by an integer near s / s_out * 2**shift, rounded once.

shift = 20 - floor(log2(largest ratio)); the sum is rounded by `shift` bits, ties up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tflite_requant.kernels import _activation
from tflite_requant.kernels._accumulate import centred32
from tflite_requant.kernels._types import Attributes, OutputType, QArray, Stage

FRACTION = 20


def ratio_stages(
    first: QArray, second: QArray, output: OutputType, attributes: Attributes, rule: str, sign: int
) -> Iterator[Stage]:
    """ADD with sign = 1, SUB with sign = -1; rule: how activation bounds come to the grid."""
    out_scale = np.float32(output.qparams.scale)
    ratios = [float(np.float32(q.scale) / out_scale) for q in (first, second)]
    shift = FRACTION - (math.frexp(max(ratios))[1] - 1)
    left, right = (int(np.rint(math.ldexp(ratio, shift))) for ratio in ratios)
    accumulator = centred32(first).astype(np.int64) * left
    accumulator = accumulator + sign * centred32(second).astype(np.int64) * right
    yield "accumulator", accumulator
    rescaled = (accumulator + (1 << (shift - 1))) >> shift
    yield "rescaled", rescaled
    shifted = rescaled + output.qparams.zero_point
    yield "output", _activation.clamp(shifted, attributes, output, rule)
