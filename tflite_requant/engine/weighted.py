"""Operators with weights, prepared: centred weights, bounds of their products, exact law."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.engine.law import Law, byte_shift, weighted_law
from tflite_requant.fixedpoint.matmul import FLOAT32_EXACT
from tflite_requant.kernels import Operands
from tflite_requant.kernels._accumulate import is_wide, zero_point
from tflite_requant.kernels._types import Attributes
from tflite_requant.kernels._window import Axis, axes_2d

BYTES = ("uint8", "int8")
TOP = 255  # largest integer of the byte domain
MODULUS16 = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """What CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED have in common once prepared.

    weights: int16, centred; (k, channels) of a product with rows of k numbers, or (h, w, channels)
             of a depthwise window.
    law:     of the products of byte-domain data, less `centre`, with these weights.
    fill:    the byte-domain number that padding stands for: the data's zero point.
    centre:  `fill` where data can be centred before the product, else 0.
    y, x:    windows; None for FULLY_CONNECTED.
    top:     largest byte-domain number in the data: one, or of a depthwise window one per channel.
    """

    weights: np.ndarray
    law: Law
    fill: int
    centre: int = 0
    y: Axis | None = None
    x: Axis | None = None
    top: np.ndarray = field(default_factory=lambda: np.array(TOP))

    @property
    def reach(self) -> np.ndarray:
        """No partial sum of a channel's products is larger in magnitude than this; int64."""
        return np.maximum(*_sides(self.weights, self.centre, self.top))

    @property
    def is_pointwise(self) -> bool:
        """Whether each output position reads one input position."""
        return self.y is None or (
            self.y.kernel == self.x.kernel == self.y.stride == self.x.stride == 1
        )

    def permuted(self, order: np.ndarray) -> Weighted:
        """The same operator with its output channels in another order."""
        top = self.top[order] if self.top.ndim else self.top
        return replace(
            self, weights=self.weights[..., order], law=self.law.permuted(order), top=top
        )

    def bounded(self, top: np.ndarray) -> Weighted:
        """The same depthwise operator, given the largest data of each channel.

        Networks have channels that are always zero, often with the largest weights of all.
        """
        top = np.maximum(top, self.fill)
        above, below = _sides(self.weights, self.centre, top)
        return replace(self, top=top, law=replace(self.law, low=-below, high=above))


def _sides(
    weights: np.ndarray, centre: int, top: np.ndarray | int = TOP
) -> tuple[np.ndarray, np.ndarray]:
    """Largest products of byte-domain data less `centre` and, negated, the smallest.

    int64, one per channel. The data is 0..top.
    """
    axes = tuple(range(weights.ndim - 1))
    positive = np.maximum(weights, 0).sum(axis=axes, dtype=np.int64)
    negative = np.maximum(-weights, 0).sum(axis=axes, dtype=np.int64)
    up, down = top - centre, centre
    return up * positive + down * negative, down * positive + up * negative


def exact_type(weighted: Weighted):
    """float32 where every partial sum of the products is exact in it, else float64."""
    return np.float32 if int(weighted.reach.max()) < FLOAT32_EXACT else np.float64


def safe_in_16_bits(weighted: Weighted) -> np.ndarray:
    """Channels whose products, however they wrap on the way, are known modulo 2**16; bool."""
    above, below = _sides(weighted.weights, weighted.centre, weighted.top)
    return above + below < MODULUS16


def signed_in_16_bits(weighted: Weighted) -> np.ndarray:
    """Channels whose products are in the range of int16 as they are; bool."""
    above, below = _sides(weighted.weights, weighted.centre, weighted.top)
    return (above < MODULUS16 // 2) & (below <= MODULUS16 // 2)


def _prepared(
    operands: Operands,
    attributes: Attributes,
    arithmetic: Arithmetic,
    weights: np.ndarray,
    y: Axis | None = None,
    x: Axis | None = None,
    centred: bool = True,
) -> Weighted | None:
    data, filters, bias = operands.input(0), operands.input(1), operands.input(2)
    fill = zero_point(data) + byte_shift(data.dtype)
    if not 0 <= fill <= TOP:
        return None
    above, below = _sides(weights, fill)
    law = weighted_law(
        data.qparams, filters, bias, operands.output, attributes, arithmetic, -below, above
    )
    if law is None:
        return None
    if centred:
        return Weighted(weights, law, fill, fill, y, x)
    axes = tuple(range(weights.ndim - 1))
    law = law.shifted(fill * weights.sum(axis=axes, dtype=np.int64))
    return Weighted(weights, law, fill, 0, y, x)


def _is_plain(operands: Operands) -> bool:
    """Whether types are such that only the plain kernel knows them."""
    data, filters, bias = operands.input(0), operands.input(1), operands.input(2)
    return (
        str(data.dtype) not in BYTES
        or str(filters.dtype) not in BYTES
        or operands.output.dtype not in BYTES
        or data.qparams is None
        or data.qparams.per_axis
        or filters.qparams is None
        or operands.output.qparams is None
        or is_wide(bias)
        or 0 in filters.shape
    )


def conv_2d(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Weighted | None:
    """CONV_2D with one image and no groups; weights (kernel_h * kernel_w * depth, channels)."""
    data, filters = operands.input(0), operands.input(1)
    if _is_plain(operands) or data.shape[0] != 1 or data.shape[3] != filters.shape[3]:
        return None
    y, x = axes_2d(data.shape, filters.shape[1], filters.shape[2], attributes)
    weights = filters.integers.astype(np.int16) - np.int16(zero_point(filters))
    matrix = weights.reshape(len(weights), -1).T
    pointwise = y.kernel == x.kernel == y.stride == x.stride == 1
    return _prepared(operands, attributes, arithmetic, matrix, y, x, pointwise)


def depthwise_conv_2d(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Weighted | None:
    """DEPTHWISE_CONV_2D with one image and depth multiplier 1; weights (h, w, channels)."""
    data, filters = operands.input(0), operands.input(1)
    if _is_plain(operands) or data.shape[0] != 1 or data.shape[3] != filters.shape[3]:
        return None
    y, x = axes_2d(data.shape, filters.shape[1], filters.shape[2], attributes)
    weights = filters.integers[0].astype(np.int16)
    if filters.dtype == np.uint8:
        weights = weights - np.int16(zero_point(filters))
    return _prepared(operands, attributes, arithmetic, weights, y, x, centred=False)


def fully_connected(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Weighted | None:
    """FULLY_CONNECTED; weights (depth, channels)."""
    if attributes.get("weights_format", "DEFAULT") != "DEFAULT" or _is_plain(operands):
        return None
    filters = operands.input(1)
    matrix = filters.integers.astype(np.int16).T
    if not filters.qparams.per_axis:
        matrix = matrix - np.int16(zero_point(filters))
    return _prepared(operands, attributes, arithmetic, matrix)
