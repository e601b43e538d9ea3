"""For every goal and channel: the accumulators that meet it, as ranges; and why there are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflite_requant.golden.goals import BOUNDS, Judge
from tflite_requant.golden.rounder import Rounder

HIDDEN = 16  # outputs beyond the bounds where ties are looked for as well
MOST_STEPS = 600  # outputs whose edges are looked at
AROUND = np.arange(-5, 5)  # accumulators around an edge; a tie is never farther from one
CHANNELS = 128  # looked at together


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """first, last: int64 (n, C); accumulators from first to last, both included, meet a goal; a row
    is empty where first > last. whole: bool (C,), whether these are all that meet it. hidden: bool
    (C,), whether the output shows none of them."""

    first: np.ndarray
    last: np.ndarray
    whole: np.ndarray
    hidden: np.ndarray


def thinned(targets: Targets, most: int) -> Targets:
    """At most `most` of each channel's ranges, evenly spread; empty rows fill up."""
    full = targets.first <= targets.last
    if not len(full):
        return targets
    order = np.argsort(~full, axis=0, kind="stable")
    count = full.sum(axis=0)
    place = np.arange(most)[:, None]
    chosen = np.where(count > most, place * count // most, place)
    rows = np.take_along_axis(order, np.minimum(chosen, len(full) - 1), axis=0)
    first, last = (np.take_along_axis(a, rows, axis=0) for a in (targets.first, targets.last))
    return Targets(first, np.where(place < count, last, first - 1), targets.whole, targets.hidden)


def joined(parts: list[Targets]) -> Targets:
    """The targets of neighbouring channels as one; rows are filled up with empty ones."""
    most = max(len(p.first) for p in parts)

    def side(arrays: list[np.ndarray], fill: int) -> np.ndarray:
        return np.concatenate(
            [np.pad(a, ((0, most - len(a)), (0, 0)), constant_values=fill) for a in arrays], axis=1
        )

    return Targets(
        side([p.first for p in parts], 1),
        side([p.last for p in parts], 0),
        np.concatenate([p.whole for p in parts]),
        np.concatenate([p.hidden for p in parts]),
    )


def edge(function, guess: np.ndarray, level: np.ndarray) -> np.ndarray:
    """The smallest a with function(a) >= level, where function never falls; int64 of guess's shape.

    guess: within a few of it; levels that are not met nearby give the largest a that was tried.
    """
    best = guess + 4
    for step in range(3, -5, -1):
        a = guess + step
        best = np.where(function(a) >= level, a, best)
    return best


def targets_of(judge: Judge, channel: slice) -> dict[str, Targets]:
    """Goal -> its accumulators within what the channels reach; of the channels of one slice."""
    part = judge.of(channel)
    rounder, least, greatest = part.rounder, part.least, part.greatest
    levels, every, complete = _levels(rounder, least, greatest)
    real = _real(rounder)
    guess = _guess(levels[:, None] - rounder.nearest, real, least, greatest)
    first = edge(rounder.value, guess, levels[:, None])
    found: dict[str, Targets] = {}
    for goal in part.goals:
        if goal in ("accumulator_max", "accumulator_min"):
            ends = greatest if goal == "accumulator_max" else least
            found[goal] = _clipped(ends[None], ends[None], least, greatest, ends == ends)
        elif goal in BOUNDS:
            _, side, step = BOUNDS[goal]
            level = (rounder.low, rounder.high)[side] + step - rounder.zero_point
            found[goal] = _of_level(rounder, real, level, least, greatest)
        elif goal == "truncation":
            found[goal] = _truncated(rounder, real, levels, first, least, greatest, every)
    halves = first if rounder.nearest else _halves(rounder, levels, least, greatest)
    if "double_rounding" in part.goals:
        found.update(_around(part, ["double_rounding"], halves, least, greatest, every))
    ties = [g for g in part.goals if g.startswith("last_tie")]
    near = _around(part, ties, halves, least, greatest, complete)
    found.update(_last_ties(rounder, near, least, greatest))
    if "first_tie_positive" in part.goals:
        found.update(_first_ties(rounder, least, greatest))
    return {goal: found[goal] for goal in part.goals}


def _halves(rounder: Rounder, levels, least, greatest) -> np.ndarray:
    """Where rounding would go up: there are the ties of a law that drops bits, not at its edges."""
    guess = _guess(levels[:, None] - 0.5, _real(rounder), least, greatest)
    return edge(lambda a: rounder.once_and_twice(a)[0], guess, levels[:, None])


def _guess(values, real: np.ndarray, least: np.ndarray, greatest: np.ndarray) -> np.ndarray:
    """Accumulators that are rescaled to about `values`, not far beyond what is reached."""
    return np.clip(np.ceil(values / real), least - 10, greatest + 10).astype(np.int64)


def _real(rounder: Rounder) -> np.ndarray:
    return rounder.rescale.real if rounder.rescale else np.array([1.0 / rounder.count])


def _levels(rounder: Rounder, least, greatest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rescaled values whose lower edges are looked at; bool (C,), whether they are all that the
    output shows; whether they are all that are reached)."""
    low, high = (b - rounder.zero_point for b in (rounder.low, rounder.high))
    reached = rounder.value(np.stack([least, greatest]))
    start = max(low - HIDDEN, int(reached[0].min()))
    end = min(high + HIDDEN, int(reached[1].max())) + 1
    levels = np.arange(start, max(end, start) + 1, dtype=np.int64)
    if levels.size > MOST_STEPS:
        places = np.linspace(0, levels.size - 1, MOST_STEPS).round().astype(np.int64)
        middle = int(np.searchsorted(levels, 0))
        near = np.arange(max(middle - 20, 0), min(middle + 20, levels.size))
        levels = levels[np.unique(np.concatenate([places, near]))]
        return levels, np.zeros(least.size, bool), np.zeros(least.size, bool)
    return levels, np.ones(least.size, bool), (reached[0] >= start) & (reached[1] < end)


def _clipped(first, last, least, greatest, whole) -> Targets:
    hidden = np.zeros(least.size, bool)
    return Targets(np.maximum(first, least), np.minimum(last, greatest), whole, hidden)


def _of_level(rounder: Rounder, real, level: int, least, greatest) -> Targets:
    """All accumulators that are rescaled to one value."""
    ends = []
    for value in (level, level + 1):
        guess = _guess(np.array(value - rounder.nearest), real, least, greatest)
        ends.append(edge(rounder.value, guess, np.int64(value)))
    exact = rounder.value(ends[0]) == level
    last = np.where(exact, ends[1] - 1, ends[0] - 1)
    return _clipped(ends[0][None], last[None], least, greatest, np.ones(least.size, bool))


def _truncated(rounder, real, levels, first, least, greatest, whole) -> Targets:
    """From where a value is rounded up to it to where dropping the bits gives it as well."""
    low, high = (b - rounder.zero_point for b in (rounder.low, rounder.high))
    shown = (levels > low) & (levels <= high)
    guess = _guess(levels[:, None], real, least, greatest)
    last = edge(rounder.floor, guess, levels[:, None]) - 1
    good = shown[:, None] & (rounder.floor(first) < levels[:, None])
    return _clipped(first, np.where(good, last, first - 1), least, greatest, whole)


def _around(judge: Judge, goals, first, least, greatest, complete) -> dict[str, Targets]:
    """Single accumulators near the edges between outputs, where all else happens."""
    near = (first[:, None] + AROUND[:, None]).reshape(-1, first.shape[1])
    inside = (near >= least) & (near <= greatest)
    met = judge.met(near, goals)
    found = {}
    for goal in goals:
        good = met[goal][0] & inside
        shown = met[goal][1] & inside
        chosen = np.where(shown.any(axis=0), shown, good)
        kept = chosen.any(axis=1)
        start = near[kept]
        whole = complete & (chosen == good).all(axis=0)
        last = np.where(chosen[kept], start, start - 1)
        found[goal] = Targets(start, last, whole, ~shown.any(axis=0))
    return found


def _first_ties(rounder: Rounder, least, greatest) -> dict[str, Targets]:
    """Ties of the high product: a * M * 2**left = 2**30 modulo 2**31."""
    rescale = rounder.rescale
    factor = np.maximum(rescale.multiplier, 1) << np.maximum(rescale.shift, 0)
    bits = np.where(rescale.multiplier == 0, 0, 31)
    return _periodic("first_tie", factor, bits, least, greatest)


def _last_ties(rounder: Rounder, near: dict[str, Targets], least, greatest) -> dict[str, Targets]:
    """Where no tie was seen near an edge, those of a law that rounds once: a * m is half, modulo
    what is dropped."""
    once = rounder.dropped()
    if once is None:
        return near
    found = {}
    for goal, ties in _periodic("last_tie", *once, least, greatest).items():
        seen = near[goal]
        none = ~(seen.first <= seen.last).any(axis=0)
        found[goal] = Targets(
            np.concatenate([seen.first, ties.first]),
            np.concatenate([seen.last, np.where(none, ties.last, ties.first - 1)]),
            np.where(none, ties.whole, seen.whole),
            np.where(none, False, seen.hidden),
        )
    return found


def _periodic(name: str, factor, bits, least, greatest) -> dict[str, Targets]:
    """a * factor = 2**(bits - 1) modulo 2**bits: every period-th a, or none; of both signs."""
    twos = np.log2((factor & -factor).astype(np.float64)).astype(np.int64) + 0 * least
    bits = np.asarray(bits, np.int64) + 0 * least
    never = twos > bits - 1
    half = np.int64(1) << np.where(never, 0, np.minimum(bits - 1 - twos, 60))
    period = 2 * half
    steps = period * np.arange(8, dtype=np.int64)[:, None]
    up = half + period * -((half - np.maximum(least, 1)) // period) + steps
    down = half + period * ((np.minimum(greatest, -1) - half) // period) - steps
    ends = ("positive", up, up[-1] > greatest), ("negative", down, down[-1] < least)
    found = {}
    for sign, a, beyond in ends:
        last = np.where(never, a - 1, a)
        found[f"{name}_{sign}"] = _clipped(a, last, least, greatest, beyond | never)
    return found
