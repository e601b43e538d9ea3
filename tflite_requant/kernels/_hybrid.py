"""Float data times int8 weights: the data are put on grids of their own, row by row, as they come.

As vector code does it: in whole blocks of 8, x / s is rounded by adding one half in float32 and
truncating; what does not fill a block is rounded ties away from zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflite_requant.fixedpoint.matmul import exact_matmul
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.kernels import _activation
from tflite_requant.kernels._types import Attributes, KernelError, QArray

ONE = np.float32
BLOCK = 8
LOW, HIGH = -128, 127
LARGEST = ONE(1e37)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Quantized rows: integers (rows, n), and for each row its scale (float32) and zero point."""

    integers: np.ndarray
    scales: np.ndarray
    zeros: np.ndarray

    def centred(self) -> np.ndarray:
        """integers less their row's zero point, int64."""
        return self.integers - self.zeros[:, None]


def symmetric(rows: np.ndarray) -> Rows:
    """Scale max |x| / 127, zero point 0; a row of zeros has scale 1."""
    _need_moderate(rows)
    reach = np.abs(rows).max(axis=1, initial=0).astype(np.float32)
    empty = reach == 0
    safe = np.where(empty, ONE(1), reach)
    steps = _rounded(rows * (ONE(HIGH) / safe)[:, None])
    scales = np.where(empty, ONE(1), safe / ONE(HIGH))
    return Rows(np.clip(steps, -HIGH, HIGH), scales, np.zeros(len(rows), np.int64))


def asymmetric(rows: np.ndarray) -> Rows:
    """Scale (max - min) / 255 of the row and 0, the zero point that errs less; zeros: scale 1."""
    _need_moderate(rows)
    low = np.minimum(rows.min(axis=1, initial=0), 0).astype(np.float32)
    high = np.maximum(rows.max(axis=1, initial=0), 0).astype(np.float32)
    empty = low == high
    exact = np.where(empty, 1.0, (high - low).astype(np.float64) / (HIGH - LOW))
    from_low, from_high = LOW - low / exact, HIGH - high / exact
    nearer = abs(LOW) + np.abs(low / exact) < abs(HIGH) + np.abs(high / exact)
    zeros = np.clip(round_half_away(np.where(nearer, from_low, from_high)), LOW, HIGH)
    zeros = np.where(empty, 0, zeros).astype(np.int64)
    scales = exact.astype(np.float32)
    inverse = (1.0 / scales.astype(np.float64)).astype(np.float32)
    steps = np.clip(_rounded(rows * inverse[:, None]) + zeros[:, None], LOW, HIGH)
    return Rows(np.where(empty[:, None], 0, steps), scales, zeros)


def _need_moderate(rows: np.ndarray) -> None:
    """Refuses what has no grid: NaN, and numbers whose distances a float cannot hold."""
    if rows.size and not np.abs(rows).max() < LARGEST:
        raise KernelError("hybrid products of NaN, infinity or numbers of 1e37 have no grid")


def _rounded(values: np.ndarray) -> np.ndarray:
    """Nearest integers of float32 rows, int64."""
    whole = values.shape[1] // BLOCK * BLOCK
    half = np.where(values < 0, ONE(-0.5), ONE(0.5))
    vector = np.trunc(values + half)
    scalar = round_half_away(values)
    return np.where(np.arange(values.shape[1]) < whole, vector, scalar).astype(np.int64)


def weights_of(weights: QArray) -> np.ndarray:
    """Stored weights as LiteRT reads them, uint8 as int8; refuses -128, which does not negate."""
    read = weights.integers.view(np.int8) if weights.dtype == np.uint8 else weights.integers
    if (read == LOW).any():
        raise KernelError(f"hybrid products of a weight of {LOW} depend on the processor")
    return read


def row_products(rows: np.ndarray, weights: QArray, wide: bool) -> np.ndarray:
    """rows (n, k) of floats times weights (units, k); float32 (n, units), without bias.

    wide: whether rows get a zero point of their own (asymmetric_quantize_inputs).
    """
    quantized = asymmetric(rows) if wide else symmetric(rows)
    sums = exact_matmul(quantized.centred(), weights_of(weights).astype(np.int64).T)
    return sums.astype(np.float32) * _row_scales(quantized, weights)


def _row_scales(rows: Rows, weights: QArray) -> np.ndarray:
    scales = np.atleast_1d(np.asarray(weights.scale, np.float32))
    return rows.scales[:, None] * scales[None, :]


def activated(values: np.ndarray, attributes: Attributes) -> np.ndarray:
    """The fused activation of hybrid matrix products, which leave infinities."""
    return _activation.clamp_real(values, attributes, infinite=True)
