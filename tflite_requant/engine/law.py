"""The exact law of an operator with weights, and where its output steps.

Inside the engine an 8-bit integer q stands in the *byte domain*: q itself for uint8, q + 128 for
int8, so always 0..255. The law itself is the plain kernels': it is asked, never restated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.fixedpoint.ranges import INT32_MAX, INT32_MIN
from tflite_requant.kernels._accumulate import is_wide
from tflite_requant.kernels._types import Attributes, OutputType
from tflite_requant.kernels._weighted import weighted_stages
from tflite_requant.model.qparams import QArray, QParams

LEVELS = 256
CORRECTIONS = 4  # rounds of moving a guessed threshold by one before bisection takes over

# (products int64 [p, n], channel indices [n]) -> outputs in the byte domain, int64 [p, n]
Exact = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """Products to outputs, one monotone step function per output channel.

    exact:     the law itself.
    low, high: smallest and largest product that can occur; int64, one per channel.
    slope, offset: output ~ product * slope + offset in the byte domain; float64, for guessing only.
    zero:      the output's zero point in the byte domain.
    ties_even: whether ties are said to go to the even output; for guessing only.
    """

    exact: Exact
    low: np.ndarray
    high: np.ndarray
    slope: np.ndarray
    offset: np.ndarray
    zero: int
    ties_even: bool = False

    @property
    def channels(self) -> int:
        return len(self.low)

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest output that can occur; int64, one per channel."""
        every = np.arange(self.channels)
        return self.exact(self.low[None], every)[0], self.exact(self.high[None], every)[0]

    def shifted(self, by: np.ndarray) -> Law:
        """The law of products to which `by`, one integer per channel, has been added."""
        exact = self.exact
        return Law(
            lambda p, channels: exact(p - by[channels], channels),
            self.low + by,
            self.high + by,
            self.slope,
            self.offset - by * self.slope,
            self.zero,
            self.ties_even,
        )

    def permuted(self, order: np.ndarray) -> Law:
        """Channel i of the result is channel order[i] of this law."""
        exact = self.exact
        return Law(
            lambda p, channels: exact(p, order[channels]),
            self.low[order],
            self.high[order],
            self.slope[order],
            self.offset[order],
            self.zero,
            self.ties_even,
        )


def byte_shift(dtype) -> int:
    """What takes an 8-bit integer of that dtype to the byte domain."""
    return 128 if np.dtype(dtype) == np.int8 else 0


def weighted_law(
    data: QParams,
    weights: QArray,
    bias: QArray | None,
    output: OutputType,
    attributes: Attributes,
    arithmetic: Arithmetic,
    low: np.ndarray,
    high: np.ndarray,
) -> Law | None:
    """The law of CONV_2D and its like for products of centred data and centred weights.

    low, high: reachable products per output channel, int64. None where the accumulator could
    overflow, as only the plain kernel wraps, and where rounding depends on the position.
    """
    per_axis = weights.qparams.per_axis
    if is_wide(bias) or low.size == 0 or arithmetic.positional(output.dtype, per_axis):
        return None
    stub = np.empty(0, weights.dtype)
    scales = np.array(weights.qparams.scales, np.float64)
    added = np.zeros(len(low), np.int64) if bias is None else bias.integers.astype(np.int64)
    slope = np.broadcast_to(
        data.scales[0] * scales / output.qparams.scale, low.shape
    ).astype(np.float64)  # fmt: skip
    least, most = low + added, high + added
    if not np.all(np.isfinite(slope) & (slope > 0)):
        return None
    if np.any(least < INT32_MIN) or np.any(most > INT32_MAX):
        return None
    # Multipliers near one or above may shift left first; below, no step leaves 32 bits.
    largest = np.maximum(np.abs(least), np.abs(most)) * slope
    if np.any((slope >= 0.25) & (largest >= 2.0**29)):
        return None
    to_bytes = byte_shift(output.numpy)

    def exact(products: np.ndarray, channels: np.ndarray) -> np.ndarray:
        if per_axis and len(channels) == 1:  # a lone scale would be taken for a per-tensor one
            return exact(np.repeat(products, 2, axis=1), np.repeat(channels, 2))[:, :1]
        chosen = weights.qparams
        if per_axis:
            chosen = QParams(
                tuple(scales[channels].tolist()), (chosen.zero_points[0],) * len(channels), 0
            )
        *_, (_, found) = weighted_stages(
            products,
            QArray(stub, data),
            QArray(stub, chosen),
            None if bias is None else QArray(bias.integers[channels], bias.qparams),
            output,
            attributes,
            arithmetic,
            False,
        )
        return found.astype(np.int64) + to_bytes

    zero = int(output.qparams.zero_points[0]) + to_bytes
    ties_even = arithmetic.rescaling(output.dtype, per_axis).rounding.endswith("half-even")
    return Law(exact, low, high, slope, added * slope + zero, zero, ties_even)


def thresholds(law: Law) -> np.ndarray:
    """T[k - 1, c]: the smallest reachable product of channel c with output >= k, k = 1..255.

    int64 (255, channels); high + 1 where no product reaches k. Each is guessed, then proven by the
    law at T and T - 1; channels that cannot be guessed are bisected.
    """
    levels = np.arange(1, LEVELS, dtype=np.int64)[:, None]
    with np.errstate(all="ignore"):
        tie = (levels - 0.5 - law.offset) / law.slope
        guess = np.ceil(tie)
    if law.ties_even:
        guess += (guess == tie) & ((levels - law.zero) % 2 == 1)
    found = np.clip(guess, law.low, law.high + 1).astype(np.int64)
    open_ = np.arange(law.channels)
    for _ in range(CORRECTIONS):
        at = found[:, open_]
        late, early = _errors(law, at, open_, levels)
        found[:, open_] = at - late + early
        open_ = open_[(late | early).any(axis=0)]
        if not open_.size:
            return found
    found[:, open_] = _bisected(law, open_, levels)
    return found


def _errors(law: Law, at: np.ndarray, channels: np.ndarray, levels) -> tuple:
    """Whether thresholds are proven too late, or too early; bool arrays."""
    low, high = law.low[channels], law.high[channels]
    reached = law.exact(np.minimum(at, high), channels) >= levels
    before = law.exact(np.maximum(at - 1, low), channels) >= levels
    return before & (at > low), ~reached & (at <= high)


def _bisected(law: Law, channels: np.ndarray, levels: np.ndarray) -> np.ndarray:
    shape = len(levels), len(channels)
    first = np.broadcast_to(law.low[channels], shape).copy()
    last = np.broadcast_to(law.high[channels] + 1, shape).copy()
    while np.any(first < last):
        middle = (first + last) // 2
        reached = law.exact(np.minimum(middle, law.high[channels]), channels) >= levels
        reached |= middle > law.high[channels]
        last = np.where(reached, middle, last)
        first = np.where(reached, first, np.minimum(middle + 1, last))
    return first
