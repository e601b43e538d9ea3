"""FULLY_CONNECTED: data as rows of the filters' depth, filters (out, depth), optional bias.

accumulator[b, o] = sum (data - z_data) * (filter - z_filter) + bias[o]; zero points of filters with
several scales are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels import _hybrid
from tflite_requant.kernels._accumulate import centred32, gemm, is_wide, reach, zero_point
from tflite_requant.kernels._real_products import dot, real_stages
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage
from tflite_requant.kernels._weighted import weighted_stages


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data, filters, bias = operands.input(0), operands.input(1), operands.input(2)
    if attributes.get("weights_format", "DEFAULT") != "DEFAULT":
        raise KernelError(f"weights format {attributes['weights_format']}; DEFAULT is supported")
    if data.dtype.kind == "f" and filters.dtype.kind != "f":
        yield "output", _hybrid_products(data, filters, bias, attributes)
        return
    if data.dtype.kind == "f":
        total = dot(data.integers.reshape(-1, filters.shape[1]), filters.integers.T)
        total = total.reshape(_shape(data, filters.shape[0], attributes))
        yield from real_stages(total, bias, attributes)
        return
    wide = is_wide(bias) or filters.dtype == np.int16
    if arithmetic.law(operands.output.dtype) != "narrow-without-bias":
        wide = wide or _declared_wide(data, bias, attributes)
    matrix = filters.integers.astype(np.int32).T
    if not filters.qparams.per_axis:
        matrix = matrix - zero_point(filters)
    rows = centred32(data).reshape(-1, matrix.shape[0])
    products = gemm(rows, matrix, reach(data)).reshape(_shape(data, matrix.shape[1], attributes))
    yield from weighted_stages(
        products, data, filters, bias, operands.output, attributes, arithmetic, wide
    )


def _hybrid_products(data, filters, bias, attributes: Attributes) -> np.ndarray:
    """Float rows on grids of their own; nothing is multiplied where all data are 0."""
    rows = data.integers.reshape(-1, filters.shape[1])
    total = np.zeros((len(rows), filters.shape[0]), np.float32)
    total += 0 if bias is None else bias.integers
    if rows.any():
        wide = bool(attributes.get("asymmetric_quantize_inputs"))
        total = total + _hybrid.row_products(rows, filters, wide)
    return _hybrid.activated(total, attributes).reshape(_shape(data, filters.shape[0], attributes))


def _declared_wide(data, bias, attributes: Attributes) -> bool:
    """Without a bias the option says how wide int16 data accumulate."""
    declared = attributes.get("quantized_bias_type") == "INT64"
    return bias is None and data.dtype == np.int16 and declared


def _shape(data, count: int, attributes) -> tuple[int, ...]:
    return (*data.shape[:-1], count) if attributes.get("keep_num_dims") else (-1, count)
