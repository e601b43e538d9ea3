"""BATCH_MATMUL: matrix products over leading axes that broadcast; adj_x and adj_y transpose.

An int32 output holds the products of stored integers, zero points not subtracted. A right-hand side
of integers with several scales is one of scale 0 to LiteRT: all outputs are the zero point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.matmul import exact_matmul
from tflite_requant.fixedpoint.ranges import wrap32
from tflite_requant.kernels import _hybrid
from tflite_requant.kernels._accumulate import centred32, need_per_tensor
from tflite_requant.kernels._real_products import dot
from tflite_requant.kernels._types import Attributes, Operands, Stage
from tflite_requant.kernels._weighted import weighted_stages


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    first, second, output = operands.inputs[0], operands.inputs[1], operands.output
    if output.numpy.kind == "f" and second.dtype.kind != "f":
        yield "output", _hybrid_products(first, second, attributes)
        return
    if output.numpy.kind == "f":
        yield "output", dot(*_turned(first.integers, second.integers, attributes))
        return
    if output.dtype == "int32":
        stored = first.integers.astype(np.int32), second.integers.astype(np.int32)
        yield "output", wrap32(exact_matmul(*_turned(*stored, attributes))).astype(np.int32)
        return
    if second.qparams.per_axis and arithmetic.profile.startswith("litert"):
        second = replace(second, qparams=replace(second.qparams, scales=(0.0,), zero_points=(0,)))
    need_per_tensor(second, "the right-hand side")
    left, right = _turned(centred32(first), centred32(second), attributes)
    wide = output.dtype == "int16"
    yield from weighted_stages(
        exact_matmul(left, right), first, second, None, output, {}, arithmetic, wide
    )


def _hybrid_products(first, second, attributes: Attributes) -> np.ndarray:
    """Rows of the left-hand side on grids of their own.

    LiteRT takes the scales, zero points and column sums of a matrix from the place that is the sum
    of the matrix's leading indices.
    """
    left, right = _turned(first.integers, second.integers.astype(np.int64), attributes)
    flat = left.reshape(-1, left.shape[-1])
    wide = bool(attributes.get("asymmetric_quantize_inputs"))
    rows = _hybrid.asymmetric(flat) if wide else _hybrid.symmetric(flat)
    products = exact_matmul(rows.integers.reshape(left.shape), right)
    zeros = _by_sum_of_indices(rows.zeros.reshape(left.shape[:-1]))
    columns = _by_sum_of_indices(right.sum(axis=-2))
    sums = (products - zeros[..., :, None] * columns[..., None, :]).astype(np.float32)
    scales = _by_sum_of_indices(rows.scales.reshape(left.shape[:-1]))[..., None]
    return scales * np.asarray(second.scale, np.float32) * sums


def _by_sum_of_indices(values: np.ndarray) -> np.ndarray:
    """values (..., n) of matrices, each matrix with the vector at the sum of its indices."""
    vectors = values.reshape(-1, values.shape[-1])
    return vectors[np.indices(values.shape[:-1]).sum(axis=0)]


def _turned(left: np.ndarray, right: np.ndarray, attributes: Attributes):
    """Both operands as a product takes them: (..., n, k) and (..., k, m)."""
    left = np.swapaxes(left, -1, -2) if attributes.get("adj_x") else left
    return left, np.swapaxes(right, -1, -2) if attributes.get("adj_y") else right
