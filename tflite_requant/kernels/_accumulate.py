"""Sums of products of integers, as kernels accumulate them: exact, then wrapped at their width."""

from __future__ import annotations

import numpy as np

from tflite_requant.fixedpoint.matmul import float_type_for
from tflite_requant.fixedpoint.ranges import INT32_MAX, limits
from tflite_requant.kernels._types import KernelError, QArray


def zero_point(operand: QArray) -> int:
    """The one zero point of a per-tensor operand; 0 of an unquantized one."""
    return 0 if operand.qparams is None else int(operand.qparams.zero_points[0])


def centred32(operand: QArray) -> np.ndarray:
    """integers - zero_point as int32; all values of 8- and 16-bit types fit."""
    return operand.integers.astype(np.int32) - np.int32(zero_point(operand))


def reach(operand: QArray) -> int:
    """max |integer - zero_point| over everything the operand's type can hold."""
    low, high = limits(operand.dtype)
    zero = zero_point(operand)
    return max(high - zero, zero - low)


def is_wide(bias: QArray | None) -> bool:
    """Whether the accumulator has 64 bits: TFLite says so by the type of the bias."""
    return bias is not None and bias.dtype == np.int64


def add_bias(products: np.ndarray, bias: QArray | None, wide: bool) -> np.ndarray:
    """The accumulator: bias added along the last axis, int64 if wide, else wrapped to int32."""
    width = np.int64 if wide else np.int32
    accumulator = products.astype(width)
    return accumulator if bias is None else accumulator + bias.integers.astype(width)


def gemm(data: np.ndarray, weights: np.ndarray, data_reach: int) -> np.ndarray:
    """data (rows, k) times weights (k, columns), integers in any dtype; exact.

    data_reach: bound of |data|. Float32 or float64 BLAS where every partial sum is exact in it.
    The result keeps the type it was computed in, except that sums beyond int32 come as int64.
    """
    columns = np.abs(weights.astype(np.float64)).sum(axis=0)
    bound = data_reach * int(columns.max(initial=0))
    dtype = float_type_for(bound)
    product = np.matmul(data.astype(dtype, copy=False), weights.astype(dtype, copy=False))
    return product if bound <= INT32_MAX else product.astype(np.int64)


def need_per_tensor(operand: QArray, what: str) -> None:
    """Raise KernelError where an operand has several scales."""
    if operand.qparams is not None and operand.qparams.per_axis:
        raise KernelError(f"{what} has {len(operand.qparams.scales)} scales; one is supported")
