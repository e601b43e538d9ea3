"""Rescaling in floating point that is proven equal to the exact law, channel by channel.

The law and every form below are monotone in the product, as each rounded float operation is. So
they agree on all products if they agree at the law's steps: at each threshold T the form must have
reached its level, at T - 1 not yet. That is checked with the operations that run later, in the same
precision; a channel that fails is given to float64.

  affine  trunc(p * slope + offset)
  twice   rint(rint((p + offset) * slope) * half) + zero
  even    rint((p + offset) * slope) + zero
  away    trunc(v + copysign(half, v)) + zero, v = (p + offset) * slope

Two roundings, ties away, move the steps left and right of zero in opposite directions; no affine
form has such steps, so layers whose outputs lie on both sides of their zero point need another one.
The second rounds twice as the law does; `half` is the inner unit, a little enlarged so that ties go
away from zero. The third is what float32 laws with ties to even do themselves: no constant is free.
The last is more precise near zero, and takes more operations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from tflite_requant.engine.law import LEVELS, Law, thresholds

SLOPE_STEPS = (0, 1, -1, 2, -2, 3, -3, 5, -5, 8, -8)  # units in the last place around the slope
PLACES = (0.5, 0.25, 0.75)  # where between its bounds the free constant is tried
AFFINE, TWICE, EVEN, AWAY = "affine", "twice", "even", "away"
ROUNDED = (TWICE, EVEN)  # made whole by rint; the others' fractions are dropped
ENLARGED = 1 + 2.0**-20  # inner units: above half a unit in the last place of any tie, below a step
NUDGES = (0.0, 0.5)  # of the away form's offset: inner ties go up, which powers of two often meet
HOPELESS = 4  # slopes after which a search ends that has found less than half, or can be replaced
SAFE16 = 32000.0  # int16 casts are exact below this, the zero point's addition included


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """Constants of one form for some channels, one each, in the float type that it runs in.

    half is not the affine and even forms'; zero is the output's zero point in the byte domain.
    """

    kind: str
    slope: np.ndarray
    offset: np.ndarray
    half: np.ndarray
    zero: int

    def value(self, products: np.ndarray) -> np.ndarray:
        """The number that is made whole. products: this form's float type, channels last."""
        if self.kind == AFFINE:
            return products * self.slope + self.offset
        value = (products + self.offset) * self.slope
        if self.kind == TWICE:
            return np.rint(value) * self.half
        return value if self.kind == EVEN else value + np.copysign(self.half, value)

    def outputs(self, products: np.ndarray) -> np.ndarray:
        """Unclipped outputs in the byte domain, float."""
        whole = (np.rint if self.kind in ROUNDED else np.trunc)(self.value(products))
        return whole if self.kind == AFFINE else whole + self.slope.dtype.type(self.zero)

    def only(self, channels: np.ndarray) -> Form:
        """The same form for some of its channels."""
        return Form(self.kind, self.slope[channels], self.offset[channels], self.half[channels],
                    self.zero)  # fmt: skip

    def merged(self, other: Form, channels: np.ndarray) -> None:
        """Take over another form's constants for the named channels."""
        self.slope[channels], self.offset[channels] = other.slope, other.offset
        self.half[channels] = other.half


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A form for some channels: their numbers, ascending, and constants in that order."""

    channels: np.ndarray
    form: Form


@dataclass(frozen=True, slots=True, eq=False)
class Rescaling:
    """How a layer's products become outputs in the byte domain.

    form:  for all channels; wide: float64 forms that replace it for the channels they list.
    low, high: the outputs that can occur at all; results are clipped to them.
    preclip: whether values could pass int16, so that they have to be clipped as floats first.
    """

    form: Form
    wide: tuple[Part, ...]
    low: int
    high: int
    preclip: bool

    @property
    def wide_channels(self) -> np.ndarray:
        """All channels with a float64 form."""
        return np.concatenate([np.zeros(0, np.intp), *(part.channels for part in self.wide)])

    def for_all(self, channels: int) -> Rescaling:
        """The rescaling of a single channel for that many channels."""
        every = np.zeros(channels, np.intp)
        wide = tuple(Part(np.arange(channels), part.form.only(every)) for part in self.wide)
        return replace(self, form=self.form.only(every), wide=wide)

    def permuted(self, order: np.ndarray, count: int) -> Rescaling:
        """Channel i of the result is channel order[i] of this rescaling.

        count: only so many of them matter, further ones need no float64.
        """
        wide = []
        for part in self.wide:
            here = np.flatnonzero(np.isin(order[:count], part.channels))
            there = np.searchsorted(part.channels, order[here])
            wide.append(Part(here, part.form.only(there)))
        return replace(self, form=self.form.only(order), wide=tuple(wide))


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """A law's steps within lowest..highest output; float64 is exact for all of them."""

    at: np.ndarray  # (levels, channels) thresholds
    levels: np.ndarray  # (levels, 1)
    reached: np.ndarray  # whether the threshold is a reachable product
    preceded: np.ndarray  # whether the product before it is

    def only(self, channels: np.ndarray) -> _Steps:
        return _Steps(self.at[:, channels], self.levels, self.reached[:, channels],
                      self.preceded[:, channels])  # fmt: skip


def fit(law: Law, dtype=np.float32, at: np.ndarray | None = None) -> Rescaling | None:
    """A proven rescaling of the law's products held in `dtype`, or None where none was found.

    at: the law's thresholds, where they are known.
    """
    at = thresholds(law) if at is None else at
    least, most = law.ends
    low, high = int(least.min()), int(most.max())
    steps = _steps(law, at, low, high)
    form, failed = _best_kind(law, steps, low, dtype)
    wide = []
    for kind in _kinds(law, low):
        if failed.size and kind != TWICE:
            exact, left = _search(law, steps, failed, kind, np.float64)
            found = np.setdiff1d(failed, left)
            wide += [Part(found, exact.only(found))] if found.size else []
            failed = left
    if failed.size:
        return None
    return Rescaling(form, tuple(wide), low, high, _may_pass_int16(law, form))


def _steps(law: Law, at: np.ndarray, low: int, high: int) -> _Steps:
    levels = np.arange(1, LEVELS)[:, None]
    chosen = slice(low, high)  # levels low + 1 .. high
    at = at[chosen]
    return _Steps(at, levels[chosen], at <= law.high, at > law.low)


def _kinds(law: Law, low: int) -> tuple[str, ...]:
    """Forms in the order in which they are tried: the likely and the cheap ones first."""
    one_sided = low >= law.zero
    if law.ties_even:
        exact = (np.frexp(law.slope)[0] == 0.5).all()  # ties are met: no affine form has them
        return (AFFINE, EVEN, AWAY) if one_sided and not exact else (EVEN, AWAY, AFFINE)
    return (AFFINE, AWAY) if one_sided else (TWICE, AWAY, AFFINE)


def _best_kind(law: Law, steps: _Steps, low: int, dtype) -> tuple[Form, np.ndarray]:
    """(form, channels it fails for): the first one that fails for none or few, or for fewest."""
    every = np.arange(law.channels)
    best = None
    for kind in _kinds(law, low):
        form, failed = _search(law, steps, every, kind, dtype)
        if best is None or failed.size < best[1].size:
            best = form, failed
        # Two roundings cost as much as a few channels of float64.
        if failed.size <= (0 if kind == TWICE else law.channels // 12):
            break
    return best


def _search(law: Law, steps: _Steps, channels, kind: str, dtype) -> tuple[Form, np.ndarray]:
    """(form for all channels, those of `channels` for which no constants passed)."""
    one = np.dtype(dtype).type
    centre = law.slope.astype(dtype)
    offset, nudges = np.zeros(law.channels), NUDGES[:1]
    half = np.full(law.channels, 0.5, dtype)
    if kind in (EVEN, AWAY):
        offset = np.rint((law.offset - law.zero) / law.slope)
    if kind == AWAY:
        nudges = NUDGES
    if kind == TWICE:
        unit = _inner_unit(law.slope)
        centre = (law.slope / unit).astype(dtype)
        half = np.where(unit < 1, unit * ENLARGED, unit).astype(dtype)
    form = Form(kind, centre.copy(), offset.astype(dtype), half, law.zero)
    open_ = np.asarray(channels)
    for tried, (step, nudge) in enumerate(product(SLOPE_STEPS, nudges)):
        if tried >= HOPELESS and (kind == TWICE or 2 * len(open_) > len(channels)):
            break
        form.offset[open_] = (offset[open_] + nudge).astype(dtype)
        slope = centre[open_] * (one(1) + one(step) * np.finfo(dtype).eps)
        lower, upper = _bounds(steps.only(open_), slope, form.only(open_))
        for place in PLACES[:1] if kind == EVEN else PLACES:
            trial = _trial(form.only(open_), slope, lower, upper, place, dtype)
            good = passes(trial, steps.at[:, open_], steps.levels, steps.reached[:, open_],
                          steps.preceded[:, open_])  # fmt: skip
            form.merged(trial.only(good), open_[good])
            open_, slope = open_[~good], slope[~good]
            lower, upper = lower[~good], upper[~good]
            if not open_.size:
                return form, open_
    return form, open_


def _inner_unit(slope: np.ndarray) -> np.ndarray:
    """What the law's first rounding rounds to, in units of the output: a power of two up to 1."""
    return np.exp2(np.minimum(np.frexp(slope)[1], 0))


def _inner_levels(levels: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """The least whole number of inner units that is rounded to each level, ties away from zero."""
    return np.where(unit < 1, (levels - 0.5) / unit + (levels <= 0), levels)


def _bounds(steps: _Steps, slope: np.ndarray, form: Form) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest value (real arithmetic) of the free constant: offset, or half."""
    wide = slope.astype(np.float64)
    if form.kind == EVEN:
        return np.zeros_like(wide), np.zeros_like(wide)
    if form.kind == AFFINE:
        value = steps.at * wide
        at_least = steps.levels - value
        below = at_least + wide
    elif form.kind == TWICE:
        unit = np.exp2(np.floor(np.log2(form.half.astype(np.float64))))
        at_least = (_inner_levels(steps.levels - form.zero, unit) - 0.5) / wide - steps.at
        below = at_least + 1
    else:
        value = (steps.at + form.offset.astype(np.float64)) * wide
        levels = steps.levels - form.zero
        positive = levels > 0
        at_least = np.where(positive, levels - value, value - wide - levels + 1)
        below = np.where(positive, levels - value + wide, value - levels + 1)
        # Left of zero the two neighbours of a step change places.
        reached = np.where(positive, steps.reached, steps.preceded)
        preceded = np.where(positive, steps.preceded, steps.reached)
        return (
            np.max(at_least, axis=0, where=reached, initial=-np.inf),
            np.min(below, axis=0, where=preceded, initial=np.inf),
        )
    return (
        np.max(at_least, axis=0, where=steps.reached, initial=-np.inf),
        np.min(below, axis=0, where=steps.preceded, initial=np.inf),
    )


def _trial(form: Form, slope, lower, upper, place: float, dtype) -> Form:
    if form.kind == EVEN:
        return Form(EVEN, slope, form.offset, form.half, form.zero)
    low = np.where(np.isfinite(lower), lower, np.where(np.isfinite(upper), upper - 1, 0))
    high = np.where(np.isfinite(upper), upper, low + 1)
    constant = (low + (high - low) * place).astype(dtype)
    if form.kind != AWAY:
        return Form(form.kind, slope, constant, form.half, form.zero)
    below_one = np.nextafter(np.ones(1, dtype), np.zeros(1, dtype))
    half = np.clip(constant, 0, below_one).astype(dtype)
    return Form(AWAY, slope, form.offset, half, form.zero)


def passes(form: Form, at, levels, reached, preceded) -> np.ndarray:
    """Which channels reach each level at its threshold and not one product earlier; bool (n,)."""
    dtype = form.slope.dtype
    here = form.outputs(at.astype(dtype)) >= levels
    before = form.outputs((at - 1).astype(dtype)) < levels
    return ((here | ~reached) & (before | ~preceded)).all(axis=0)


def _may_pass_int16(law: Law, form: Form) -> bool:
    ends = np.stack([law.low, law.high]).astype(form.slope.dtype)
    return bool(np.abs(form.value(ends)).max(initial=0) >= SAFE16)
