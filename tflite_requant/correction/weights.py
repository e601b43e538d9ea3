"""A grid and integers for a weight matrix.

Lossless first: a row (output channel) whose integers fit the new range keeps its scale and its
integers. The rest is put on the candidate scale that disturbs the output least, then rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tflite_requant.correction import cost, rounding
from tflite_requant.correction.moments import Moments

# Fractions of max|w| / range, and multiples of the old scale, that are tried: wide on purpose, as
# a few dead channels with huge weights must not decide a whole tensor's scale.
FRACTIONS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.12, 0.06)
MULTIPLES = (2.0, 1.0, 3 / 4, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8)
ROW_FRACTIONS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6)
ROW_SHIFTS = (0, 1, 2)
ROW_QUANTILES = (0.98, 0.95, 0.9, 0.75, 0.5)  # of what rows alone would need
TENSOR_SHIFTS = 5


@dataclass(frozen=True, slots=True)
class Grid:
    """What weights may be. low, high: stored range; zero_point: a number or None (any)."""

    low: int
    high: int
    zero_point: int | None = 0
    power_of_two: bool = False
    per_axis: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """integers: stored, int64 [O, K]; scale float64 [O] (all equal per tensor); zero_point;
    exact: bool [O], rows whose real values are the source's."""

    integers: np.ndarray
    scale: np.ndarray
    zero_point: int
    exact: np.ndarray

    def real(self) -> np.ndarray:
        return (self.integers - self.zero_point) * self.scale[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The source: centred integers int64 [O, K] and their scale, float64 [O]."""

    centred: np.ndarray
    scale: np.ndarray

    def real(self) -> np.ndarray:
        return self.centred * self.scale[:, None]


def fit(
    source: Weights,
    grid: Grid,
    moments: Moments,
    floor: np.ndarray,
    *,
    compensate: bool = True,
    search: bool = True,
    exact_grid: bool = True,
    compensator: rounding.Compensator | None = None,
) -> Fit:
    """Weights on the new grid.

    floor: least scale of each row, float64 [O] (what the bias needs to fit its width). `compensate`
    switches error-compensating rounding, `search` the search for a scale below the one that
    covers the largest weight, `exact_grid` the keeping of rows that fit as they are. compensator:
    one for these moments, where it is at hand.
    """  # fmt: skip
    if not source.centred.any():
        return _all_zero(source, grid, floor)
    if grid.zero_point is None:
        return _fit_asymmetric(source, grid, moments, floor)
    compensator = compensator or rounding.Compensator(moments)
    fit_them = _fit_rows if grid.per_axis else _fit_tensor
    return fit_them(source, grid, compensator, floor, compensate, search, exact_grid)


def _legal_scale(scale: np.ndarray, grid: Grid) -> np.ndarray:
    if not grid.power_of_two:
        return np.ones(scale.shape, bool)
    return np.frexp(scale)[0] == 0.5


def _all_zero(source: Weights, grid: Grid, floor: np.ndarray) -> Fit:
    scale = np.maximum(source.scale, floor)
    if not grid.per_axis:
        scale = np.full_like(scale, scale.max())
    if grid.power_of_two:
        scale = _ceil_power(scale)
    zero = 0 if grid.zero_point is None else grid.zero_point
    return Fit(np.full(source.centred.shape, zero), scale, zero, np.ones(len(scale), bool))


def _limits(grid: Grid) -> tuple[int, int]:
    return grid.low - grid.zero_point, grid.high - grid.zero_point


def _fits(source: Weights, low: int, high: int) -> np.ndarray:
    return (source.centred.min(axis=1) >= low) & (source.centred.max(axis=1) <= high)


def _ceil_power(scale: np.ndarray) -> np.ndarray:
    mantissa, exponent = np.frexp(scale)
    return np.ldexp(1.0, np.where(mantissa == 0.5, exponent - 1, exponent))


def _cover(real: np.ndarray, low: int, high: int) -> np.ndarray:
    """The least scale of each row at which nothing is clipped."""
    return np.maximum(real.max(axis=1) / high, real.min(axis=1) / low)


def _f32(scale: np.ndarray) -> np.ndarray:
    return scale.astype(np.float32).astype(np.float64)


def _fit_rows(source, grid, compensator, floor, compensate, search, exact_grid) -> Fit:
    moments = compensator.moments
    low, high = _limits(grid)
    real = source.real()
    dead = ~source.centred.any(axis=1)
    legal = _fits(source, low, high) & _legal_scale(source.scale, grid) & (source.scale >= floor)
    exact = legal & exact_grid
    scale, integers = source.scale.copy(), np.clip(source.centred, low, high)
    todo = np.flatnonzero(~exact & ~dead)
    if todo.size:
        group = moments.group_of(len(real))[todo]
        choose = _Chooser(real[todo], compensator, group, low, high, compensate)
        base = _cover(real[todo], low, high)
        for candidate in _row_candidates(base, grid, search):
            choose.consider(_usable(candidate, floor[todo], grid))
        scale[todo], integers[todo] = choose.result()
    if dead.any():
        scale[dead] = _usable(scale[dead], floor[dead], grid)
    same = (integers * scale[:, None] == real).all(axis=1)
    return Fit(integers + grid.zero_point, scale, grid.zero_point, same)


def _usable(scale: np.ndarray, floor: np.ndarray, grid: Grid) -> np.ndarray:
    """Not below the floor, of the scheme's kind, and what a float32 can hold."""
    scale = np.maximum(scale, floor)
    return _f32(_ceil_power(scale) if grid.power_of_two else scale)


class _Chooser:
    """Keeps, per row, the candidate scale whose rounding disturbs the output least.

    Filters with few taps are judged by what error compensation makes of them; larger ones by
    rounding to nearest, and compensated at the winner only.
    """

    def __init__(
        self, real, compensator: rounding.Compensator, group, low: int, high: int, compensate: bool
    ) -> None:
        self.real, self.low, self.high, self.group = real, low, high, group
        self.known = _rows_of(compensator.moments, group)
        self.compensator = compensator
        self.compensate = compensate and compensator.knows
        self.judged_compensated = self.compensate and compensator.moments.groups > 1
        self.best = np.full(len(real), np.inf)
        self.scale = np.ones(len(real))
        self.integers = np.zeros(real.shape, np.int64)

    def round(self, scale: np.ndarray, compensate: bool) -> np.ndarray:
        if compensate:
            return self.compensator.round(self.real, scale, self.low, self.high, self.group)
        return rounding.nearest(self.real, scale, self.low, self.high)

    def error(self, integers: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return cost.output_error(self.real - integers * scale[:, None], self.known)

    def consider(self, scale: np.ndarray) -> None:
        """Try one scale per row."""
        integers = self.round(scale, self.judged_compensated)
        error = self.error(integers, scale)
        better = error < self.best
        self.best[better], self.scale[better] = error[better], scale[better]
        self.integers[better] = integers[better]

    def consider_for_all(self, scale: np.ndarray) -> None:
        """Try one scale for all rows together: the sum of their errors decides."""
        integers = self.round(scale, self.judged_compensated)
        total = _total(self.error(integers, scale))
        if total < self.best[0]:
            self.best[:], self.scale[:], self.integers[:] = total, scale, integers

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """(scale [O], integers [O, K])."""
        if self.compensate and not self.judged_compensated:
            return self.scale, self.round(self.scale, True)
        return self.scale, self.integers


def _rows_of(moments: Moments, group: np.ndarray) -> Moments:
    """The moments of chosen rows: one group each, unless all share one."""
    if moments.groups == 1:
        return moments
    return Moments(moments.mean[group], moments.covariance[group], moments.rows)


def _row_candidates(base: np.ndarray, grid: Grid, search: bool) -> Iterable[np.ndarray]:
    if grid.power_of_two:
        top = _ceil_power(base)
        return [np.ldexp(top, -shift) for shift in (ROW_SHIFTS if search else (0,))]
    return [base * fraction for fraction in (ROW_FRACTIONS if search else (1.0,))]


def _fit_tensor(source, grid, compensator, floor, compensate, search, exact_grid) -> Fit:
    moments = compensator.moments
    low, high = _limits(grid)
    real, channels = source.real(), len(source.scale)
    least = float(floor[source.centred.any(axis=1)].max(initial=0.0))
    one_scale = bool((source.scale == source.scale[0]).all())
    if (
        exact_grid
        and one_scale
        and _fits(source, low, high).all()
        and _legal_scale(source.scale[:1], grid).all()
        and source.scale[0] >= least
    ):
        return Fit(
            source.centred + grid.zero_point, source.scale, grid.zero_point, np.ones(channels, bool)
        )
    group = moments.group_of(channels)
    choose = _Chooser(real, compensator, group, low, high, compensate)
    covers = _cover(real[source.centred.any(axis=1)], low, high)
    for candidate in _tensor_candidates(covers, source, grid, search):
        scale = _usable(np.array([candidate]), np.array([least]), grid)
        choose.consider_for_all(np.full(channels, scale[0]))
    scale, rounded = choose.result()
    same = (rounded * scale[:, None] == real).all(axis=1)
    return Fit(rounded + grid.zero_point, scale, grid.zero_point, same)


def _total(error: np.ndarray) -> float:
    return math.fsum(error.tolist())


def _tensor_candidates(
    covers: np.ndarray, source: Weights, grid: Grid, search: bool
) -> list[float]:
    """Scales worth trying for a whole tensor; covers: what each row alone would need, > 0."""
    ordered = np.sort(covers)
    base, middle = float(ordered[-1]), float(ordered[len(ordered) // 2])
    if grid.power_of_two:
        top = float(_ceil_power(np.array(base)))
        # Down to well below the middle row, however far the largest stands out.
        last = max(TENSOR_SHIFTS, math.ceil(math.log2(base / middle)) + 2)
        return [math.ldexp(top, -shift) for shift in range(last + 1 if search else 1)]
    if not search:
        return [base]
    own = float(source.scale.max())
    rows = [float(ordered[int(q * (len(ordered) - 1))]) for q in ROW_QUANTILES]
    fractions = [base * f for f in FRACTIONS] + rows
    return list(dict.fromkeys(fractions + [own * m for m in MULTIPLES if own * m <= 2 * base]))


def _fit_asymmetric(source, grid, moments, floor) -> Fit:
    """One scale and a zero point for the whole tensor, nearest rounding: uint8 weights."""
    channels, steps = len(source.scale), grid.high - grid.low
    least, greatest = int(source.centred.min()), int(source.centred.max())
    needed = float(floor[source.centred.any(axis=1)].max(initial=0.0))
    one_scale = bool((source.scale == source.scale[0]).all())
    if one_scale and greatest - least <= steps and source.scale[0] >= needed:
        middle = (grid.low + grid.high + 1) // 2
        zero = min(max(middle, grid.low - least), grid.high - greatest)
        return Fit(source.centred + zero, source.scale, zero, np.ones(channels, bool))
    real = source.real()
    low, high = min(float(real.min()), 0.0), max(float(real.max()), 0.0)
    ranked = []
    for fraction in FRACTIONS:
        scale = float(_f32(np.array(max((high - low) / steps * fraction, needed))))
        zero = int(np.clip(np.rint(grid.low - low * fraction / scale), grid.low, grid.high))
        rounded = rounding.nearest(
            real, np.full(channels, scale), grid.low - zero, grid.high - zero
        )
        error = cost.output_error(real - rounded * scale, moments)
        ranked.append((_total(error), -scale, zero, rounded))
    _, minus_scale, zero, rounded = min(ranked, key=lambda r: r[:3])
    scale = np.full(channels, -minus_scale)
    return Fit(rounded + zero, scale, zero, (rounded * scale[:, None] == real).all(axis=1))
