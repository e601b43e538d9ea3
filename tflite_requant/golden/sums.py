"""Bounded sums: which integers sum(w_k * x_k), 0 <= x_k <= span, reaches, and by which x.

Weights here are positive; a negative one is counted from the other end of its range.
"""

from __future__ import annotations

import numpy as np

COMPLETE_BITS = 1 << 19  # sums that are enumerated one by one
TAIL_BITS = 1 << 16
NEAR = 12  # head taps that are varied, and how far


class Sums:
    """weights: int64 (K,), positive; span: largest x."""

    def __init__(self, weights: np.ndarray, span: int) -> None:
        self.weights = np.asarray(weights, np.int64)
        self.span = span
        self.total = int(self.weights.sum()) * span
        self.step = int(np.gcd.reduce(self.weights)) if self.weights.size else 0
        self._order = np.argsort(-self.weights, kind="stable")
        self._head: np.ndarray | None = None
        self._tail: _Table | None = None
        self._whole: _Table | None = None

    @property
    def enumerable(self) -> bool:
        """Whether all sums can be told apart one by one."""
        return self.total < COMPLETE_BITS

    def reached(self) -> np.ndarray:
        """Every sum that is reached, ascending, int64; only where `enumerable`."""
        return np.flatnonzero(self._all().sets[-1])

    def find(self, target: int) -> np.ndarray | None:
        """x (K,) with exactly this sum, or None where none was found.

        None proves nothing, unless the sums are `enumerable`.
        """
        if not 0 <= target <= self.total or (self.step and target % self.step):
            return None
        if not self.weights.size:
            return np.zeros(0, np.int64) if target == 0 else None
        if self._tail is None:
            self._split()
        found = self._by_head_and_tail(target)
        if found is None and self.enumerable:
            table = self._all()
            if table.sets[-1][target]:
                found = np.zeros(self.weights.size, np.int64)
                found[self._order] = table.trace(target)
        return found

    def _all(self) -> _Table:
        if self._whole is None:
            self._whole = _Table(self.weights[self._order], self.span)
        return self._whole

    def _split(self) -> None:
        """The smallest weights make the tail, whose sums are enumerated; the rest is filled."""
        ordered = self.weights[self._order]
        count, divisor, total = 0, 0, 0
        wanted = 2 * int(ordered[0])
        while count < ordered.size:
            weight = int(ordered[-1 - count])
            enough = divisor == self.step and total >= wanted and count >= 2
            if enough or (count and total + weight * self.span > TAIL_BITS):
                break
            divisor, total, count = (
                int(np.gcd(divisor, weight)),
                total + weight * self.span,
                count + 1,
            )
        self._head = ordered[: ordered.size - count]
        self._tail = _Table(ordered[ordered.size - count :], self.span)

    def _by_head_and_tail(self, target: int) -> np.ndarray | None:
        head, tail = self._head, self._tail
        aim = min(max(target - tail.total // 2, 0), int(head.sum()) * self.span)
        x, rest = fill(head, self.span, aim)
        left = target - aim + rest
        for tap, change in [(0, 0), *self._variations(x)]:
            trial = left - change * int(head[tap]) if head.size else left
            if 0 <= trial <= tail.total and tail.sets[-1][trial]:
                if change:
                    x[tap] += change
                found = np.empty(self.weights.size, np.int64)
                found[self._order] = np.concatenate([x, tail.trace(trial)])
                return found
        return None

    def _variations(self, x: np.ndarray):
        """Small changes of the taps that were filled last, the smallest weights first."""
        for tap in range(x.size - 1, max(x.size - 1 - NEAR, -1), -1):
            for change in (c for n in range(1, NEAR) for c in (n, -n)):
                if 0 <= x[tap] + change <= self.span:
                    yield tap, change


def fill(weights: np.ndarray, span: int, aim: int) -> tuple[np.ndarray, int]:
    """(x, rest): descending weights are filled greedily to a sum of aim - rest, rest >= 0."""
    x = np.zeros(weights.size, np.int64)
    cumulated = np.cumsum(weights) * span
    full = int(np.searchsorted(cumulated, aim, side="right"))
    x[:full] = span
    rest = aim - (int(cumulated[full - 1]) if full else 0)
    for tap in range(full, weights.size):
        if not rest:
            break
        x[tap] = min(rest // int(weights[tap]), span)
        rest -= int(x[tap]) * int(weights[tap])
    return x, rest


class _Table:
    """All sums of a few weights, and of the first of them, as bool arrays."""

    def __init__(self, weights: np.ndarray, span: int) -> None:
        self.weights = [int(w) for w in weights]
        self.span = span
        self.total = sum(self.weights) * span
        bits, self.sets = 1, []
        reach = 0
        self.sets.append(_unpacked(bits, reach))
        for weight in self.weights:
            counted = 1  # values of x that `bits` has already
            while counted <= span:
                more = min(counted, span + 1 - counted)
                bits |= bits << (more * weight)
                counted += more
            reach += weight * span
            self.sets.append(_unpacked(bits, reach))

    def trace(self, target: int) -> np.ndarray:
        """One x of a sum that is reached."""
        x = np.zeros(len(self.weights), np.int64)
        for tap in range(len(self.weights) - 1, -1, -1):
            weight, before = self.weights[tap], self.sets[tap]
            rests = target - weight * np.arange(self.span + 1)
            inside = (rests >= 0) & (rests < before.size)
            good = np.zeros(rests.size, bool)
            good[inside] = before[rests[inside]]
            fitting = np.flatnonzero(good)
            x[tap] = fitting[fitting.size // 2]
            target = int(rests[x[tap]])
        return x


def _unpacked(bits: int, reach: int) -> np.ndarray:
    raw = np.frombuffer(bits.to_bytes(reach // 8 + 1, "little"), np.uint8)
    return np.unpackbits(raw, bitorder="little")[: reach + 1].astype(bool)
