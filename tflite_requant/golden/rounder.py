"""From an accumulator to an output, channel by channel: its rounding, its bounds, and its ties."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tflite_requant.fixedpoint.multiplier import rescale_double, rescale_single
from tflite_requant.fixedpoint.power_of_two import SHIFTS
from tflite_requant.fixedpoint.ranges import wrap32
from tflite_requant.fixedpoint.rounding import divide_half_away, shift_half_up
from tflite_requant.golden.describe import POOLS, windows_of
from tflite_requant.golden.rescale import Rescale, bounds_of, rescales_of
from tflite_requant.golden.unit import Unit

FLOATS = ("real", "float32-half-even")


@dataclass(frozen=True, slots=True, eq=False)
class Rounder:
    """rescale: of the accumulator; or count: what a pool divides it by.

    zero_point: added behind the rescale; low, high: bounds of the output. Arrays that methods take
    are int64 accumulators with channels last.
    """

    zero_point: int
    low: int
    high: int
    rescale: Rescale | None = None
    count: int = 1

    @property
    def rounding(self) -> str:
        return self.rescale.rounding if self.rescale else "division"

    @property
    def nearest(self) -> float:
        """How far below a whole number values are rounded up to it: 0 where bits are dropped."""
        return 0.0 if self.rounding == "shift-truncate" else 0.5

    @property
    def twice(self) -> bool:
        """Whether it rounds a product and then a shift."""
        return self.rounding.startswith("double")

    @property
    def comparable(self) -> bool:
        """Whether rounding once and twice are both defined."""
        return self.rescale is not None and self.rounding != "int64"

    def of(self, channels: slice) -> Rounder:
        """The rounder of some channels."""
        rescale = self.rescale
        if rescale is None or rescale.real.size == 1:
            return self
        few = replace(
            rescale,
            real=rescale.real[channels],
            multiplier=rescale.multiplier[channels],
            shift=rescale.shift[channels],
        )
        return replace(self, rescale=few)

    def value(self, a: np.ndarray) -> np.ndarray:
        """Rescaled, zero point not added; int64."""
        if self.rescale is None:
            return divide_half_away(a, self.count)
        # Vector blocks differ from "double" in where they round ties, not in where ties are.
        blocked = self.rounding.startswith("double-up-")
        return self.rescale.apply(a, "double" if blocked else None)

    def shown(self, rescaled: np.ndarray) -> np.ndarray:
        """The output of a rescaled value."""
        return np.clip(rescaled + self.zero_point, self.low, self.high)

    def floor(self, a: np.ndarray) -> np.ndarray:
        """What dropping the bits gives."""
        if self.rescale is None:
            return a // self.count
        if self.rounding in FLOATS:
            return np.floor(a.astype(np.float64) * self.rescale.real).astype(np.int64)
        product, bits = self._product(a)
        return np.where(bits >= 0, product >> np.clip(bits, 0, 62), product << np.maximum(-bits, 0))

    def dropped(self) -> tuple[np.ndarray, np.ndarray] | None:
        """(factor, bits) of a law that rounds an integer product once: bits that it drops."""
        rescale = self.rescale
        if rescale is None or self.twice or self.rounding in FLOATS:
            return None
        if self.rounding in SHIFTS:
            return np.ones_like(rescale.multiplier), np.maximum(rescale.right_shift, 0)
        factor, bits = self._product(np.ones_like(rescale.multiplier))
        return np.maximum(factor, 1), np.where(factor == 0, 0, np.maximum(bits, 0))

    def _product(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(exact product, bits that are to be dropped)."""
        rescale = self.rescale
        if self.rounding == "int64":
            reduced = np.where(
                rescale.multiplier < 0x7FFF0000, (rescale.multiplier + (1 << 15)) >> 16, 0x7FFF
            )
            return a * reduced, 15 - rescale.shift
        return a * rescale.multiplier, 31 - rescale.shift

    def once_and_twice(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rescaled with one rounding and with two; only where `comparable`."""
        rescale = self.rescale
        return (
            rescale_single(a, rescale.multiplier, rescale.shift),
            rescale_double(a, rescale.multiplier, rescale.shift),
        )

    def ties(self, a: np.ndarray) -> dict[str, np.ndarray]:
        """Where a rounding step meets exactly half: "first_tie" (of two steps only), "last_tie"."""
        if self.rescale is None:
            return {"last_tie": 2 * (a % self.count) == self.count}
        rescale = self.rescale
        if self.rounding in FLOATS:
            kind = np.float32 if self.rounding != "real" else np.float64
            product = a.astype(kind) * rescale.real.astype(kind)
            return {"last_tie": np.abs(product - np.trunc(product)) == 0.5}
        if self.rounding in SHIFTS:
            return {"last_tie": _half(a, rescale.right_shift)}
        if not self.twice:
            return {"last_tie": _half(*self._product(a))}
        left = np.maximum(rescale.shift, 0) & 31
        product = wrap32(a << left) * rescale.multiplier
        high = shift_half_up(product, 31)
        return {
            "first_tie": _half(product, np.full_like(rescale.shift, 31)),
            "last_tie": _half(high, np.maximum(-rescale.shift, 0)),
        }


def _half(values: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Where the low `bits` bits of integers are exactly one half; never where bits <= 0."""
    shift = np.clip(bits, 1, 62)
    mask = (np.int64(1) << shift) - 1
    return ((values & mask) == (np.int64(1) << (shift - 1))) & (bits > 0)


def rounder_of(unit: Unit) -> Rounder | None:
    """How the stage "accumulator" becomes the output; None where it does not by rescaling."""
    bounds = bounds_of(unit)
    if bounds is None:
        return None
    output = unit.outputs[0]
    if unit.op.name == POOLS[0] and unit.tensor(0).qparams is not None:
        y, x = windows_of(unit)
        if y.before or y.after or x.before or x.after:
            return None  # the divisor changes from place to place
        return Rounder(0, *bounds, count=y.kernel * x.kernel)
    last = [r for r in rescales_of(unit) if r.source == "accumulator"]
    if not last:
        return None
    return Rounder(int(output.qparams.zero_points[0]), *bounds, rescale=last[0])
