"""What directed stimuli are after: properties of single accumulators, channel by channel."""

from __future__ import annotations

import numpy as np

from tflite_requant.golden.rounder import Rounder

BOUNDS = {
    "below_min": ("SaturationLow", 0, -1),
    "at_min": ("SaturationLow", 0, 0),
    "above_min": ("SaturationLow", 0, 1),
    "below_max": ("SaturationHigh", 1, -1),
    "at_max": ("SaturationHigh", 1, 0),
    "above_max": ("SaturationHigh", 1, 1),
}
TIES = ("last_tie", "first_tie")
SIGNS = ("positive", "negative")
GOALS: dict[str, str] = {
    "accumulator_max": "AccumulatorMax",
    "accumulator_min": "AccumulatorMin",
    **{name: flag for name, (flag, _, _) in BOUNDS.items()},
    **{f"{tie}_{sign}": f"Tie{sign.title()}" for tie in TIES for sign in SIGNS},
    "double_rounding": "DoubleRounding",
    "truncation": "Truncation",
}


def goals_of(rounder: Rounder) -> list[str]:
    """The goals that mean something under a rounding."""
    left_out = set()
    if not rounder.twice:
        left_out |= {"first_tie_positive", "first_tie_negative"}
    if not rounder.comparable:
        left_out.add("double_rounding")
    return [g for g in GOALS if g not in left_out]


class Judge:
    """Which goals accumulators meet.

    least, greatest: int64 (C,), the extremes that each channel's accumulator can reach.
    """

    def __init__(self, rounder: Rounder, least: np.ndarray, greatest: np.ndarray) -> None:
        self.rounder, self.least, self.greatest = rounder, least, greatest
        self.goals = goals_of(rounder)

    def of(self, channels: slice) -> Judge:
        """The judge of some channels."""
        cut = self.rounder.of(channels)
        return Judge(cut, self.least[channels], self.greatest[channels])

    def met(self, a: np.ndarray, wanted: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Goal -> (met, seen), bool arrays of a's shape (..., C).

        seen: whether the output shows it; a tie beyond the bounds is met, but they hide it.
        """
        rounder = self.rounder
        found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        value = rounder.value(a)
        before = value + rounder.zero_point
        edges = rounder.low, rounder.high
        for goal in wanted:
            if goal == "accumulator_max":
                found[goal] = (a == self.greatest,) * 2
            elif goal == "accumulator_min":
                found[goal] = (a == self.least,) * 2
            elif goal in BOUNDS:
                _, edge, step = BOUNDS[goal]
                found[goal] = (before == edges[edge] + step,) * 2
            elif goal == "truncation":
                found[goal] = (rounder.shown(rounder.floor(a)) != rounder.shown(value),) * 2
            elif goal == "double_rounding":
                once, twice = rounder.once_and_twice(a)
                found[goal] = (rounder.shown(once) != rounder.shown(twice),) * 2
        if any("_tie_" in goal for goal in wanted):
            found.update(self._ties(a, wanted))
        return {goal: found[goal] for goal in wanted}

    def _ties(self, a, wanted):
        rounder = self.rounder
        down = rounder.floor(a)
        seen = rounder.shown(down) != rounder.shown(down + 1)
        ties = rounder.ties(a)
        signs = {"positive": a > 0, "negative": a < 0}
        for goal in wanted:
            if "_tie_" in goal:
                name, sign = goal.rsplit("_", 1)
                met = ties[name] & signs[sign]
                # What the first step rounds is seen only where the second turns on it.
                yield goal, (met, met & seen if name == "last_tie" else met)
