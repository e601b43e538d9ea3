"""Which cases an operator gets, in which order, and what they reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tflite_requant.golden.case import Case
from tflite_requant.golden.coverage import Coverage
from tflite_requant.golden.describe import windows_of
from tflite_requant.golden.domain import domain_of
from tflite_requant.golden.goals import Judge
from tflite_requant.golden.request import Request
from tflite_requant.golden.rounder import rounder_of
from tflite_requant.golden.search import Search
from tflite_requant.golden.simple import (
    Stimuli,
    border,
    constant_cases,
    one_hot,
    random_case,
)
from tflite_requant.golden.taps import Taps, taps_of
from tflite_requant.golden.unit import Unit

SWEEPS = 4  # cases that a whole domain may take


class Plan:
    """Cases of one operator. Whoever computes them says what became of each: later ones look for
    what earlier ones did not reach."""

    def __init__(self, unit: Unit, request: Request) -> None:
        self._stimuli = Stimuli(unit)
        self._unit, self._request = unit, request
        self._taps = taps_of(unit)
        self._coverage = _coverage(unit, self._taps)
        self._learnt = 0
        self._domain = domain_of(unit, self._stimuli.free)

    def learn(self, case: Case, stages: dict[str, np.ndarray]) -> None:
        """Take notice of a case and its stages."""
        self._learnt += 1
        if self._coverage is not None:
            self._coverage.add(stages["accumulator"])
        if self._domain is not None:
            self._domain.learn(case.stimuli, stages)

    def coverage(self) -> dict[str, Any] | None:
        """What was reached, as the manifest tells it; None where there are no goals."""
        if self._domain is not None:
            return self._domain.value()
        return None if self._coverage is None else self._coverage.value()

    def cases(self) -> Iterator[Case]:
        """Random cases, then directed ones, at most as many as asked."""
        for number in range(self._request.random):
            yield random_case(self._stimuli, self._request.seed, number)
        before = self._learnt
        for case in self._directed():
            if self._learnt - before >= self._request.directed:
                return
            yield case

    def _directed(self) -> Iterator[Case]:
        yield from self._swept()
        windowed = list(_window_cases(self._stimuli))
        constant = list(constant_cases(self._stimuli))
        most = self._request.directed
        kept = min(len(windowed) + len(constant), most // 2)
        yield from self._searched(most - kept)
        yield from windowed
        yield from constant

    def _swept(self) -> Iterator[Case]:
        """Corners of an elementwise operator, and its whole domain where few cases hold it."""
        domain = self._domain
        if domain is None:
            return
        found = domain.corners()
        if found is not None:
            yield self._fed("corners_0", "values that reach corners", tuple(found[1]), found[0])
        if domain.points <= SWEEPS * domain.size:
            for number, arrays in enumerate(domain.sweeps()):
                comment = f"{domain.points} values or pairs of values, all there are, in turn"
                yield self._fed(f"sweep_{number}", comment, ("Sweep",), arrays)

    def _fed(self, name: str, comment: str, flags: tuple[str, ...], arrays) -> Case:
        return self._stimuli.case(name, comment, flags, lambda _, place: arrays[place])

    def _searched(self, most: int) -> Iterator[Case]:
        if self._coverage is None or self._taps is None:
            return
        taps, search = self._taps, Search(self._taps, self._coverage)
        tensor = self._unit.tensor(taps.position)
        size = int(np.prod(tensor.shape, dtype=np.int64))
        for number, (image, flags) in enumerate(search.images(most, taps.zero, size)):
            stored = image.reshape(tensor.shape)
            yield self._stimuli.case(
                f"corners_{number}", "windows that reach corners, channel by channel",
                tuple(flags), lambda _, __, stored=stored: stored,
            )  # fmt: skip


def _coverage(unit: Unit, taps: Taps | None) -> Coverage | None:
    rounder = rounder_of(unit)
    if rounder is None or taps is None:
        return None
    return Coverage(Judge(rounder, *taps.extremes()))


def _window_cases(stimuli: Stimuli) -> Iterator[Case]:
    """one-hot, and border where windows read beyond it."""
    unit = stimuli.unit
    windows = windows_of(unit)
    planar = [p for p in stimuli.free if len(unit.tensor(p).shape) == 4]
    if not windows or planar != stimuli.free:
        return
    spacing = tuple((a.kernel - 1) * a.dilation + a.stride for a in windows)
    yield stimuli.case(
        "one_hot", "single elements, no two in one window", ("OneHot",),
        lambda tensor, _: one_hot(tensor, spacing),
    )  # fmt: skip
    if any(a.before or a.after for a in windows):
        yield stimuli.case("border", "extremes at the border, 0 inside", ("Border",), border)
