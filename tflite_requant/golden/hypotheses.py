"""What hardware would have computed with one fault; a dump that equals it names the fault.

Each hypothesis is a sentence and the array that a stage would then be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.golden.describe import windows_of
from tflite_requant.golden.layout import BLOCKS, arrange
from tflite_requant.golden.rescale import WEIGHTED, Rescale
from tflite_requant.golden.rounder import Rounder, rounder_of
from tflite_requant.golden.taps import taps_of
from tflite_requant.golden.unit import Unit
from tflite_requant.kernels import Operands, OutputType
from tflite_requant.model import QArray, QParams

ROUNDINGS = {
    "double": "rounded twice, the last ties away from zero (double)",
    "double-up": "rounded twice, negative ties of the last step go up (double-up)",
    "single": "rounded once, ties go up (single)",
    "shift-half-up": "ties go up (shift-half-up)",
    "shift-half-even": "ties go to even (shift-half-even)",
    "shift-half-away": "ties go away from zero (shift-half-away)",
    "shift-truncate": "bits are dropped, towards minus infinity (shift-truncate)",
    "real": "multiplied by a float64, ties away from zero (real)",
    "float32-half-even": "multiplied by a float32, ties to even (float32-half-even)",
}
WIDTHS = (16, 18, 20, 22, 24, 26, 28)


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """kind: one word for programs; text: what is wrong; values: what the stage would then be."""

    kind: str
    text: str
    values: Callable[[], np.ndarray]


def of_storage(expected: np.ndarray) -> Iterator[Hypothesis]:
    """Right numbers, wrongly stored."""
    if expected.dtype.itemsize > 1:
        yield Hypothesis("byte-order", "byte order: the bytes of each element are reversed",
                         lambda: expected.byteswap())  # fmt: skip
    for size in (2, 4, 8, 16):
        if expected.size % size == 0 and expected.size > size:
            yield Hypothesis(
                "word-order", f"element order: the elements of each word of {size} are reversed",
                lambda n=size: expected.reshape(-1, n)[:, ::-1].reshape(expected.shape),
            )  # fmt: skip
    if expected.ndim == 4:
        for layout in ("nchw", *BLOCKS):
            flat = arrange(expected, layout)
            if flat.size == expected.size:
                yield Hypothesis("layout", f"layout: the elements are in {layout} order",
                                 lambda f=flat: f.reshape(expected.shape))  # fmt: skip
    if expected.dtype.itemsize == 1 and expected.dtype.kind in "iu":
        yield Hypothesis("sign-bit", "sign: every value is off by 128, uint8 for int8",
                         lambda: (expected.view(np.uint8) ^ 0x80).view(expected.dtype))  # fmt: skip


def of_stage(
    unit: Unit, stimuli: Mapping[int, np.ndarray], stages: Mapping[str, np.ndarray], stage: str
) -> Iterator[Hypothesis]:
    """Wrong arithmetic, in a stage of an operator that rescales an accumulator."""
    rounder = rounder_of(unit)
    if rounder is None or "accumulator" not in stages:
        return
    accumulator = stages["accumulator"].astype(np.int64)
    kind = stages[stage].dtype
    if stage == "accumulator":
        for fault in _accumulators(unit, stimuli, accumulator):
            yield replace(fault, values=lambda f=fault: _as(f.values(), kind))
        return
    finish = (lambda v: v) if stage == "rescaled" else rounder.shown
    for fault in _roundings(rounder, accumulator):
        yield replace(fault, values=lambda f=fault: _as(finish(f.values()), kind))
    if stage == "output":
        for fault in _endings(rounder, rounder.value(accumulator), kind):
            yield replace(fault, values=lambda f=fault: _as(f.values(), kind))
    for fault in _accumulators(unit, stimuli, accumulator):
        yield replace(fault, values=lambda f=fault: _as(finish(rounder.value(f.values())), kind))


def _as(values: np.ndarray, kind: np.dtype) -> np.ndarray:
    return np.asarray(values).astype(kind)


def _roundings(rounder: Rounder, a: np.ndarray) -> Iterator[Hypothesis]:
    """Other roundings, shifts and multipliers."""
    rescale = rounder.rescale
    if rescale is None:
        yield Hypothesis("rounding", "rounding: the division drops its remainder, downwards",
                         lambda: a // rounder.count)  # fmt: skip
        yield Hypothesis("rounding", "rounding: the division drops its remainder, towards zero",
                         lambda: np.sign(a) * (np.abs(a) // rounder.count))  # fmt: skip
        return
    for name, text in ROUNDINGS.items():
        if name == rescale.rounding or (name.startswith("shift") and not rescale.only_shifts):
            continue
        yield Hypothesis("rounding", f"rounding mode: {text}, not {rescale.rounding}",
                         lambda n=name: rescale.apply(a, n))  # fmt: skip
    yield Hypothesis("rounding", "rounding mode: bits are dropped, towards minus infinity",
                     lambda: rounder.floor(a))  # fmt: skip
    yield Hypothesis(
        "rounding", "rounding mode: bits are dropped, towards zero",
        lambda: np.where(a < 0, -rounder.floor(-a), rounder.floor(a)),
    )  # fmt: skip
    for step, side in ((1, "too little to the right"), (-1, "too far to the right")):
        yield Hypothesis("shift", f"shift: one bit {side}",
                         lambda n=step: _changed(rescale, shift=n).apply(a))  # fmt: skip
    if rescale.real.size > 1:
        first = np.zeros(rescale.real.size, np.int64)
        yield Hypothesis("multiplier", "multiplier: that of channel 0 is used for every channel",
                         lambda: _taken(rescale, first).apply(a))  # fmt: skip
        for step in (1, -1):
            order = np.roll(np.arange(rescale.real.size), step)
            yield Hypothesis(
                "multiplier", "multiplier: that of the neighbouring channel is used",
                lambda o=order: _taken(rescale, o).apply(a),
            )  # fmt: skip


def _changed(rescale: Rescale, shift: int) -> Rescale:
    return replace(rescale, real=rescale.real * 2.0**shift, shift=rescale.shift + shift)


def _taken(rescale: Rescale, order: np.ndarray) -> Rescale:
    return replace(
        rescale,
        real=rescale.real[order],
        multiplier=rescale.multiplier[order],
        shift=rescale.shift[order],
    )


def _endings(rounder: Rounder, value: np.ndarray, kind: np.dtype) -> Iterator[Hypothesis]:
    """Wrong zero points and bounds behind the rescale."""
    zero, low, high = rounder.zero_point, rounder.low, rounder.high
    least, most = limits(kind)
    if zero:
        yield Hypothesis("zero-point", f"zero point: that of the output ({zero}) is not added",
                         lambda: np.clip(value, low, high))  # fmt: skip
        yield Hypothesis("zero-point", f"zero point: that of the output ({zero}) is subtracted",
                         lambda: np.clip(value - zero, low, high))  # fmt: skip
        yield Hypothesis(
            "saturation", "saturation: the bounds are applied before the zero point is added",
            lambda: np.clip(np.clip(value, low, high) + zero, least, most),
        )  # fmt: skip
    if (low, high) != (least, most):
        yield Hypothesis(
            "saturation", f"saturation bound: the type's, {least}..{most}, not {low}..{high}",
            lambda: np.clip(value + zero, least, most),
        )  # fmt: skip
    yield Hypothesis("saturation", "saturation: values beyond the type wrap around",
                     lambda: (value + zero).astype(kind))  # fmt: skip
    for name, change in (
        ("lower", (-1, 0)),
        ("lower", (1, 0)),
        ("upper", (0, -1)),
        ("upper", (0, 1)),
    ):
        bounds = low + change[0], high + change[1]
        if bounds[0] >= least and bounds[1] <= most:
            told = bounds[0] if change[0] else bounds[1]
            right = low if change[0] else high
            yield Hypothesis(
                "saturation", f"saturation bound: the {name} one is {told}, not {right}",
                lambda b=bounds: np.clip(value + zero, *b),
            )  # fmt: skip
    for edge, name in ((high, "upper"), (low, "lower")):
        step = 1 if name == "upper" else -1
        yield Hypothesis(
            "saturation", f"saturation: a value one beyond the {name} bound is not caught",
            lambda e=edge, s=step: np.where(
                value + zero == e + s, (value + zero).astype(kind), np.clip(value + zero, low, high)
            ),
        )  # fmt: skip


def _accumulators(
    unit: Unit, stimuli: Mapping[int, np.ndarray], a: np.ndarray
) -> Iterator[Hypothesis]:
    """Wrong sums: zero points, padding, bias, width."""
    taps = taps_of(unit)
    if taps is not None and unit.op.name in WEIGHTED:
        data = unit.tensor(taps.position)
        zero = taps.zero
        if zero:
            yield Hypothesis(
                "zero-point", f"zero point: that of the input ({zero}) is not taken off",
                lambda: a + zero * taps.weights.sum(axis=1),
            )  # fmt: skip
            yield Hypothesis(
                "zero-point",
                f"zero point: that of the input ({zero}) is not taken off, padding is 0",
                lambda: _with_input(unit, stimuli, QParams.of(data.qparams.scale, 0)),
            )
        windows = windows_of(unit)
        if windows and any(w.before or w.after for w in windows):
            low, high = limits(data.dtype)
            for value in dict.fromkeys((0, low, high, -zero)):
                if value != zero and low <= value <= high:
                    yield Hypothesis(
                        "padding", f"padding: stored {value} is read beyond the border, not {zero}",
                        lambda v=value: _padded(unit, stimuli, v),
                    )  # fmt: skip
            yield Hypothesis("padding", "padding: the border is repeated beyond itself",
                             lambda: _padded(unit, stimuli, None))  # fmt: skip
        yield from _weights(unit, stimuli)
        if taps.bias.any():
            yield Hypothesis("bias", "bias: it is not added", lambda: a - taps.bias)
            yield Hypothesis("bias", "bias: that of the neighbouring channel is added",
                             lambda: a - taps.bias + np.roll(taps.bias, 1))  # fmt: skip
            narrow = taps.bias.astype(np.int16).astype(np.int64)
            if (narrow != taps.bias).any():
                yield Hypothesis("bias", "bias: only its lower 16 bits are added",
                                 lambda: a - taps.bias + narrow)  # fmt: skip
    for width in WIDTHS:
        half = 1 << (width - 1)
        yield Hypothesis("width", f"accumulator: it wraps around at {width} bits",
                         lambda h=half: (a + h) % (2 * h) - h)  # fmt: skip
        yield Hypothesis("width", f"accumulator: it saturates at {width} bits",
                         lambda h=half: np.clip(a, -h, h - 1))  # fmt: skip


def _weights(unit: Unit, stimuli) -> Iterator[Hypothesis]:
    position = WEIGHTED[unit.op.name][1]
    weights = unit.constants[position]
    if weights.dtype == np.uint8 and any(weights.qparams.zero_points):
        zero = weights.qparams.zero_points[0]
        bare = QArray(weights.integers, QParams.of(weights.qparams.scale, 0, weights.qparams.axis))
        yield Hypothesis(
            "zero-point", f"zero point: that of the weights ({zero}) is not taken off",
            lambda: _run(unit, unit.operands(stimuli), {position: bare}),
        )  # fmt: skip


def _run(unit: Unit, operands: Operands, changed: Mapping[int, QArray], attributes=None):
    inputs = tuple(changed.get(i, o) for i, o in enumerate(operands.inputs))
    found = unit.stages_of(Operands(inputs, operands.outputs), attributes)
    return found["accumulator"].astype(np.int64)


def _with_input(unit: Unit, stimuli, qparams: QParams) -> np.ndarray:
    operands = unit.operands(stimuli)
    data = operands.input(0)
    return _run(unit, operands, {0: QArray(data.integers, qparams)})


def _padded(unit: Unit, stimuli, value: int | None) -> np.ndarray:
    """The accumulator with another stored value beyond the border; None repeats the border's."""
    operands = unit.operands(stimuli)
    data = operands.input(0)
    y, x = windows_of(unit)
    amounts = ((0, 0), (y.before, y.after), (x.before, x.after), (0, 0))
    if value is None:
        wide = np.pad(data.integers, amounts, mode="edge")
    else:
        wide = np.pad(data.integers, amounts, constant_values=value)
    output = operands.outputs[0]
    shape = (wide.shape[0], y.out, x.out, output.shape[3])
    outputs = (OutputType(output.dtype, shape, output.qparams),)
    changed = Operands(operands.inputs, outputs)
    attributes = {**unit.attributes, "padding": "VALID"}
    found = _run(unit, changed, {0: QArray(wide, data.qparams)}, attributes)
    return found[:, : y.out, : x.out]
