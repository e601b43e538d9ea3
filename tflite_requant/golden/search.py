"""Inputs that make channels reach chosen accumulators, packed into as few cases as may be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.golden.coverage import HIDDEN, Coverage
from tflite_requant.golden.goals import GOALS
from tflite_requant.golden.sums import Sums
from tflite_requant.golden.taps import Taps
from tflite_requant.golden.targets import CHANNELS, Targets, joined, targets_of, thinned

TRIES = 8  # ranges of accumulators that are tried for a goal
SOLVERS = 64  # channels whose tables are kept


class Search:
    """Fills slots of inputs with windows that meet goals which are still open."""

    def __init__(self, taps: Taps, coverage: Coverage) -> None:
        self.taps, self.coverage = taps, coverage
        self._targets: dict[str, Targets] = {}
        self._sums: dict[int, tuple[Sums, np.ndarray]] = {}
        self._tried: set[tuple[str, int]] = set()
        self._prove_bounds()

    def _prove_bounds(self) -> None:
        """What ranges and the weights' common divisor exclude, for all channels; a few targets of
        each are kept."""
        step = np.maximum(np.gcd.reduce(self.taps.weights, axis=1), 1)
        kept: dict[str, list[Targets]] = {}
        for start in range(0, self.taps.channels, CHANNELS):
            part = slice(start, min(start + CHANNELS, self.taps.channels))
            least, divisor = self.coverage.judge.least[part], step[part]
            for goal, targets in targets_of(self.coverage.judge, part).items():
                within = (targets.first <= targets.last).any(axis=0)
                divisible = targets.first + (least - targets.first) % divisor <= targets.last
                self._prove_single(goal, start, part)
                for letter, good in (("i", within), ("g", divisible.any(axis=0) | ~within)):
                    channels = start + np.flatnonzero(~good & targets.whole)
                    self.coverage.prove(goal, self._unmet(goal, channels), letter)
                last = np.where(divisible, targets.last, targets.first - 1)
                fitting = Targets(targets.first, last, targets.whole, targets.hidden)
                kept.setdefault(goal, []).append(thinned(fitting, TRIES))
        self._targets = {goal: joined(parts) for goal, parts in kept.items()}

    def _prove_single(self, goal: str, start: int, part: slice) -> None:
        """Channels without weights have one accumulator: what that does not meet is unreachable."""
        judge = self.coverage.judge
        single = judge.least[part] == judge.greatest[part]
        if single.any():
            met = judge.met(judge.least[None], [goal])[goal][0][0][part]
            channels = start + np.flatnonzero(single & ~met)
            self.coverage.prove(goal, self._unmet(goal, channels), "e")

    def _unmet(self, goal: str, channels: np.ndarray) -> np.ndarray:
        return channels[self.coverage.letters[goal][channels] == "-"]

    def images(self, most: int, zero: int, size: int) -> Iterator[tuple[np.ndarray, list[str]]]:
        """At most `most` flat inputs of stored values, each with the flags of what it was made for.

        The caller adds the accumulators of each to the coverage before it asks for the next.
        """
        for _ in range(most):
            image = np.full(size, zero, np.int64)
            done = self._fill(image)
            if not done:
                return
            yield image, [f for f in dict.fromkeys(GOALS.values()) if f in done]

    def _fill(self, image: np.ndarray) -> set[str]:
        """Fill the slots of one input; flags of the goals that were put there."""
        slots, groups = self.taps.places.shape[:2]
        free = [0] * groups
        flags = set()
        for goal, channel in self._queue():
            group = int(self.taps.group[channel])
            if free[group] == slots:
                if min(free) == slots:
                    break
                continue
            self._tried.add((goal, channel))
            x = self._solve(goal, channel)
            if x is None:
                continue
            image[self.taps.places[free[group], group]] = x
            free[group] += 1
            flags.add(GOALS[goal])
        return flags

    def _queue(self) -> list[tuple[str, int]]:
        """Open goals; every goal in turn, each at another channel first, so that few slots already
        show all of them."""
        rows = []
        for number, goal in enumerate(self.coverage.letters):
            channels = [int(c) for c in self.coverage.open(goal) if (goal, c) not in self._tried]
            turn = number % len(channels) if channels else 0
            rows.append([(goal, c) for c in channels[turn:] + channels[:turn]])
        longest = max((len(r) for r in rows), default=0)
        return [row[i] for i in range(longest) for row in rows if i < len(row)]

    def _solve(self, goal: str, channel: int) -> np.ndarray | None:
        """Stored values of the channel's taps whose accumulator meets the goal, or None."""
        targets = self._targets[goal]
        known = self.coverage.letters[goal][channel] == HIDDEN
        if known and targets.hidden[channel]:
            return None
        sums, negative = self._sums_at(channel)
        least = int(self.coverage.judge.least[channel])
        ranges = [
            (int(a) - least, int(b) - least)
            for a, b in zip(targets.first[:, channel], targets.last[:, channel], strict=True)
            if a <= b
        ]
        for target in _spread(ranges, sums.step, channel):
            x = sums.find(target)
            if x is not None:
                return self._stored(channel, x, negative)
        if not sums.enumerable:
            return None
        target = self._enumerated(goal, channel, sums)
        if target is None:
            if known:
                return None
            self.coverage.prove(goal, np.array([channel]), "e")
            return None
        return self._stored(channel, sums.find(target), negative)

    def _enumerated(self, goal: str, channel: int, sums: Sums) -> int | None:
        """A sum that meets a goal, out of all that the channel reaches; None if there is none."""
        judge = self.coverage.judge.of(slice(channel, channel + 1))
        reached = sums.reached()
        met, seen = judge.met(reached[:, None] + judge.least, [goal])[goal]
        fitting = np.flatnonzero(seen) if seen.any() else np.flatnonzero(met)
        return int(reached[fitting[fitting.size // 2]]) if fitting.size else None

    def _sums_at(self, channel: int) -> tuple[Sums, np.ndarray]:
        if channel not in self._sums:
            if len(self._sums) >= SOLVERS:
                self._sums.pop(next(iter(self._sums)))
            weights = self.taps.weights[channel]
            live = weights != 0
            sums = Sums(np.abs(weights[live]), self.taps.high - self.taps.low)
            self._sums[channel] = sums, weights < 0
        return self._sums[channel]

    def _stored(self, channel: int, x: np.ndarray, negative: np.ndarray) -> np.ndarray:
        """Counts of steps from each tap's end as stored values; taps without weight are zero."""
        weights = self.taps.weights[channel]
        stored = np.full(weights.size, np.clip(self.taps.zero, self.taps.low, self.taps.high))
        live = weights != 0
        ends = np.where(negative[live], self.taps.high - x, self.taps.low + x)
        stored[live] = ends
        return stored


def _spread(ranges: list[tuple[int, int]], step: int, seed: int) -> Iterator[int]:
    """A few targets of the ranges that are multiples of `step`, evenly spread, from a place on
    that differs from channel to channel."""
    step = max(step, 1)
    fitting = [(-(-a // step) * step, b) for a, b in ranges]
    fitting = [(a, b) for a, b in fitting if a <= b]
    for i in range(len(fitting)):
        yield fitting[(i + seed) % len(fitting)][0]
    for a, b in fitting:
        if b - a >= step:
            yield a + (b - a) // 2 // step * step
            yield a + (b - a) // step * step
