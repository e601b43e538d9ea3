"""Which goals an operator's cases reached, channel by channel.

One letter a channel:

    R  reached, and the output shows it
    r  reached, but the activation bounds hide it from the output; stages show it
    i  unreachable: no accumulator that meets it lies within what the channel can reach
    g  unreachable: those that lie within are no multiples of the weights' greatest common divisor
    e  unreachable: all sums were enumerated, and none meets it
    -  not found
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tflite_requant.golden.goals import Judge

LETTERS = {
    "R": "reached, and the output shows it",
    "r": "reached; the activation bounds hide it from the output, stages show it",
    "i": "unreachable: no accumulator that meets it is within what the channel can reach",
    "g": "unreachable: those within reach are no multiples of the weights' common divisor",
    "e": "unreachable: all sums were enumerated, none meets it",
    "-": "not found",
}
REACHED, HIDDEN, MISSING = "R", "r", "-"
PROVEN = "ige"
BLOCK = 1 << 16  # accumulators judged at a time


class Coverage:
    """Letters of every goal and channel; cases add to them."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.channels = judge.least.size
        self.letters = {g: np.full(self.channels, MISSING) for g in judge.goals}

    def add(self, accumulators: np.ndarray) -> None:
        """Count a case's accumulators (..., C)."""
        rows = np.asarray(accumulators).reshape(-1, self.channels)
        step = max(1, BLOCK // self.channels)
        for start in range(0, len(rows), step):
            wanted = [g for g in self.judge.goals if (self.letters[g] != REACHED).any()]
            if not wanted:
                return
            met = self.judge.met(rows[start : start + step].astype(np.int64), wanted)
            for goal, (reached, seen) in met.items():
                letters = self.letters[goal]
                hidden = reached.any(axis=0) & (letters != REACHED)
                letters[hidden] = HIDDEN
                letters[seen.any(axis=0)] = REACHED

    def open(self, goal: str) -> np.ndarray:
        """Channels where a goal may still be reached, or be seen for the first time."""
        return np.flatnonzero(np.isin(self.letters[goal], [MISSING, HIDDEN]))

    def prove(self, goal: str, channels: np.ndarray, letter: str) -> None:
        """Note why a goal is unreachable. Reached is reached: a proof to the contrary is a bug."""
        letters = self.letters[goal]
        wrong = np.isin(letters[channels], [REACHED, HIDDEN])
        if wrong.any():
            raise AssertionError(f"{goal}: channel {channels[wrong][0]} was reached and is proven")
        letters[channels] = letter

    def value(self) -> dict[str, Any]:
        """What the manifest says: totals, and a letter a channel."""
        goals = {}
        for goal, letters in self.letters.items():
            goals[goal] = {
                "reached": int(np.isin(letters, [REACHED, HIDDEN]).sum()),
                "unreachable": int(np.isin(letters, list(PROVEN)).sum()),
                "not_found": int((letters == MISSING).sum()),
                "channels": "".join(letters),
            }
        return {"channels": self.channels, "goals": goals}
