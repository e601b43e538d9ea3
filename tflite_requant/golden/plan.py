"""Which cases an operator gets, in which order."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.golden.case import Case
from tflite_requant.golden.describe import windows_of
from tflite_requant.golden.request import Request
from tflite_requant.golden.simple import (
    Stimuli,
    border,
    constant_cases,
    one_hot,
    random_case,
)
from tflite_requant.golden.unit import Unit


def isolated_cases(unit: Unit, request: Request) -> Iterator[Case]:
    """Random cases, then directed ones, at most as many as asked."""
    stimuli = Stimuli(unit)
    for number in range(request.random):
        yield random_case(stimuli, request.seed, number)
    for number, case in enumerate(simple_cases(stimuli)):
        if number == request.directed:
            return
        yield case


def simple_cases(stimuli: Stimuli) -> Iterator[Case]:
    """one-hot and border where there are windows, then what needs none."""
    unit = stimuli.unit
    windows = windows_of(unit)
    planar = [p for p in stimuli.free if len(unit.tensor(p).shape) == 4]
    if windows and planar == stimuli.free:
        spacing = tuple((a.kernel - 1) * a.dilation + a.stride for a in windows)
        yield stimuli.case(
            "one_hot", "single elements, no two in one window", ("OneHot",),
            lambda tensor, _: one_hot(tensor, spacing),
        )  # fmt: skip
        if any(a.before or a.after for a in windows):
            yield stimuli.case("border", "extremes at the border, 0 inside", ("Border",), border)
    yield from constant_cases(stimuli)
