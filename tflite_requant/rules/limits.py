"""What a scheme's hardware can hold, as bounds of weights scales and as laws of integers.

Bias, sums and multipliers of an operator are integers in steps of input scale times weights scale,
so a larger weights scale makes all of them smaller:

H1  the bias fits its width, times 2**k where it has a position of its own.
H2  sums of |weights| and the accumulator's extremes fit; the rounding of weights can lift them
    above what real weights promise, so this is judged afterwards and the scale raised.
H3  the shift of every multiplier lies in the range of the output stage.
A bias so large that the output saturates whatever is added to it may be cut down to where it just
does: dead channels need no room.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflite_requant.fixedpoint.accumulator import extremes, signed_bits
from tflite_requant.model.dtypes import RANGES
from tflite_requant.schemes import RATIO, BiasLaw, Scheme

# Headroom of the accumulator over the bias, in bits; int64 accumulators have 48 bits in kernels.
HEADROOM_BITS = 2
WIDE_ACCUMULATOR_BITS = 48
DEEPEST, HIGHEST = -31, 30  # shifts that any output stage is taken to have
NARROW = 32  # bits of a bias from which on it is only kept from wrapping
SLACK = 2.0**-5  # by which a scale is raised above what a limit asks for
MARGIN = 2  # output steps beyond the range at which an output is surely saturated


@dataclass(frozen=True, slots=True)
class Steps:
    """An operator's grids as bounds see them. unit: input scale; output: its scale; low, high: of
    stored inputs, zero point removed; room_below, room_above: output steps to saturation."""

    unit: float
    output: float
    low: int
    high: int
    room_below: int
    room_above: int


def steps_of(new_input, new_output) -> Steps:
    """Of two `TensorType`s."""
    low, high = (n - new_input.qparams.zero_point for n in RANGES[new_input.dtype])
    below, above = (n - new_output.qparams.zero_point for n in RANGES[new_output.dtype])
    return Steps(
        new_input.qparams.scale, new_output.qparams.scale, min(low, 0), max(high, 0),
        below - MARGIN, above + MARGIN,
    )  # fmt: skip


def is_narrow(law: BiasLaw) -> bool:
    """Whether the hardware's bias holds less than TFLite's."""
    return law.own_scale or law.bits < NARROW


def needed_reach(reach: np.ndarray, real: np.ndarray, steps: Steps, law: BiasLaw) -> np.ndarray:
    """The largest |bias| that changes an output, real units, float64 [O]."""
    if not is_narrow(law):
        return reach
    sums = np.abs(real).sum(axis=1) * max(-steps.low, steps.high) * steps.unit
    room = max(-steps.room_below, steps.room_above)
    return np.minimum(reach, sums + room * steps.output)


def floor_of(reach: np.ndarray, steps: Steps, scheme: Scheme) -> np.ndarray:
    """The least weights scale at which biases (H1) and shifts (H3) fit, float64 [O]."""
    law = scheme.bias
    if is_narrow(law):
        floor = reach * (1 + SLACK) / (steps.unit * law.limit)
    else:
        floor = reach / (steps.unit * 2.0 ** (min(law.bits, WIDE_ACCUMULATOR_BITS) - HEADROOM_BITS))
    low = scheme.rescale.shift[0]
    if low > DEEPEST or _only_powers(scheme):
        floor = np.maximum(floor, steps.output / steps.unit * 2.0 ** _exact(low, scheme))
    return floor


def ceiling_of(steps: Steps, scheme: Scheme, limit: float) -> float:
    """The largest weights scale that the runtime's limit of multipliers and shifts (H3) permit."""
    top = 2.0 ** scheme.rescale.shift[1]
    largest = limit * (1 - 2.0**-10)
    if scheme.rescale.shift[1] < HIGHEST:
        largest = min(largest, top if _only_powers(scheme) else top * (1 - 2.0**-10))
    return largest * steps.output / steps.unit


def _only_powers(scheme: Scheme) -> bool:
    return scheme.rescale.shifts_only or scheme.activations.scale == RATIO


def _exact(low: int, scheme: Scheme) -> int:
    """A shift s is a multiplier of 2**s alone, or of 2**(s-1) and more beside a mantissa."""
    return low if _only_powers(scheme) else low - 1


def cut(
    bias: np.ndarray, centred: np.ndarray, scale: np.ndarray, steps: Steps, scheme: Scheme
) -> np.ndarray:
    """Integer biases, float64 [O], none larger than what saturates the output for every input."""
    if not is_narrow(scheme.bias) and scheme.accumulator.bits >= NARROW:
        return bias
    least, greatest = extremes(centred, steps.low, steps.high)
    multiplier = steps.unit * scale / steps.output
    above = np.ceil(steps.room_above / multiplier) - least
    below = np.floor(steps.room_below / multiplier) - greatest
    return np.clip(bias, below, above)


def placed(bias: np.ndarray, law: BiasLaw) -> np.ndarray:
    """Integer biases, float64 [O], at the hardware's position: multiples of 2**k for the least k
    that holds the largest one, saturated where none does; half away from zero."""
    limit = float(law.limit)
    bias = np.clip(bias, -limit, limit)
    if not law.own_scale or not bias.size:
        return bias
    position = law.position(int(np.abs(bias).max()))
    unit = 2.0 ** (law.shift[1] if position is None else position)
    largest = float(law.largest)
    steps = np.clip(np.copysign(np.floor(np.abs(bias) / unit + 0.5), bias), -largest, largest)
    return steps * unit


def raised(
    floor: np.ndarray,
    scale: np.ndarray,
    centred: np.ndarray,
    bias: np.ndarray,
    clipped: np.ndarray,
    steps: Steps,
    scheme: Scheme,
) -> np.ndarray | None:
    """A floor of scales under which rows that break H1 or H2 will break them less; None where none
    does. clipped: bool [O], biases that had to be saturated."""
    factor = np.ones(len(scale))
    if is_narrow(scheme.bias):
        factor[clipped] = 1 + SLACK
    limit = scheme.weights.sum
    if limit is not None:
        factor = np.maximum(factor, np.abs(centred).sum(axis=1) / limit)
    law = scheme.accumulator
    if not law.saturates and law.bits < NARROW:
        least, greatest = extremes(centred, steps.low, steps.high, bias.astype(np.int64))
        for row, (low, high) in enumerate(zip(least, greatest, strict=True)):
            if signed_bits(low, high) > law.bits:
                most = max(-int(low), int(high)) / 2.0 ** (law.bits - 1)
                factor[row] = max(factor[row], most)
    if (factor <= 1).all():
        return None
    return np.where(factor > 1, np.maximum(floor, scale * factor * (1 + SLACK)), floor)
