"""Stimuli that need no thought about weights: constant, alternating, one-hot, border, random."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflite_requant.extract import single_operator
from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.golden.case import Case
from tflite_requant.golden.random import random_values
from tflite_requant.golden.unit import Unit
from tflite_requant.model import Tensor
from tflite_requant.model.dtypes import NUMPY
from tflite_requant.samples import random_inputs

FREE = ("uint8", "int8", "int16", "float32", "float16", "bool")


def zero_of(tensor: Tensor):
    """The stored value that stands for 0."""
    quantized = tensor.qparams is not None and tensor.dtype in ("uint8", "int8", "int16")
    return int(tensor.qparams.zero_points[0]) if quantized else 0


def extremes(tensor: Tensor) -> tuple:
    """Smallest and largest stored value; of floats those that the operator's own grid ends near."""
    dtype = np.dtype(NUMPY[tensor.dtype])
    if dtype.kind == "f":
        return -1.0, 1.0
    return (False, True) if dtype.kind == "b" else limits(dtype)


class Stimuli:
    """Makes arrays for everything that an operator is fed.

    Operands whose values decide sizes or addresses are not varied: they hold what the file states.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.fixed: dict[int, np.ndarray] = {}
        held = [p for p in unit.fed if unit.tensor(p).dtype not in FREE]
        if held:
            computed = [p for p in unit.fed if not unit.tensor(p).is_variable]
            alone = random_inputs(single_operator(unit.model, unit.op))
            stated = dict(zip(computed, alone, strict=True))
            self.fixed = {p: stated[p] for p in held}

    @property
    def free(self) -> list[int]:
        """Positions of the operands that vary."""
        return [p for p in self.unit.fed if p not in self.fixed]

    def case(
        self, name: str, comment: str, flags: tuple[str, ...],
        make: Callable[[Tensor, int], np.ndarray],
    ) -> Case:  # fmt: skip
        """A case of arrays that `make(tensor, how many free operands stand before it)` gives."""
        arrays = dict(self.fixed)
        for place, position in enumerate(self.free):
            tensor = self.unit.tensor(position)
            made = np.asarray(make(tensor, place), np.dtype(NUMPY[tensor.dtype]))
            arrays[position] = np.broadcast_to(made, tensor.shape).copy()
        return Case(name, comment, flags, arrays)


def constant_cases(stimuli: Stimuli) -> Iterator[Case]:
    """alternating, all-max, all-min, zero, ramps, and a single element in the midst of zeros."""
    yield stimuli.case(
        "alternating", "smallest and largest stored value in turn", ("Alternating",), chessboard
    )
    yield stimuli.case(
        "all_max", "largest stored value everywhere", ("AllMax",), lambda t, _: extremes(t)[1]
    )
    yield stimuli.case(
        "all_min", "smallest stored value everywhere", ("AllMin",), lambda t, _: extremes(t)[0]
    )
    yield stimuli.case("zero", "0 everywhere", ("Zero",), lambda t, _: zero_of(t))
    yield stimuli.case("ramp", "stored values in ascending order", ("Ramp",), ramp)
    yield stimuli.case(
        "ramp_down", "stored values in descending order", ("Ramp",),
        lambda t, place: ramp(t, place).reshape(-1)[::-1].reshape(t.shape),
    )  # fmt: skip
    yield stimuli.case("single", "one element at its largest, else 0", ("OneHot",), single)


def random_case(stimuli: Stimuli, seed: int, number: int) -> Case:
    """Every stored value equally likely."""

    def make(tensor: Tensor, place: int) -> np.ndarray:
        seeds = (seed, stimuli.unit.op.index, number, place)
        return random_values(tensor.shape, NUMPY[tensor.dtype], *seeds)

    return stimuli.case(f"random_{number}", f"random, seed {seed}", ("Random",), make)


def chessboard(tensor: Tensor, place: int) -> np.ndarray:
    """Extremes by the parity of the sum of all indices; every other operand the other way round."""
    low, high = extremes(tensor)
    parity = sum(np.ogrid[tuple(slice(n) for n in tensor.shape)], np.array(place)) % 2
    return np.where(parity == 0, low, high)


def ramp(tensor: Tensor, place: int) -> np.ndarray:
    """All stored values in turn, in element order; the steps of every other operand are of 3."""
    count = int(np.prod(tensor.shape, dtype=np.int64))
    steps = np.arange(count) * (3 if place % 2 else 1)
    low, high = extremes(tensor)
    if tensor.dtype.startswith("float"):
        return (steps % 256 / 128 - 1).reshape(tensor.shape)
    return (int(low) + steps % (int(high) - int(low) + 1)).reshape(tensor.shape)


def single(tensor: Tensor, place: int) -> np.ndarray:
    """0, but for one element in the middle of each operand."""
    count = int(np.prod(tensor.shape, dtype=np.int64))
    found = np.full(count, zero_of(tensor), np.float64)
    found[count // 2 :][:1] = extremes(tensor)[1]
    return found.reshape(tensor.shape)


def border(tensor: Tensor, place: int) -> np.ndarray:
    """NHWC: extremes in turn along the outermost rows and columns, 0 inside."""
    board = chessboard(tensor, place)
    inside = np.zeros(tensor.shape, bool)
    inside[:, 1:-1, 1:-1] = True
    return np.where(inside, zero_of(tensor), board)


def one_hot(tensor: Tensor, spacing: tuple[int, int]) -> np.ndarray:
    """NHWC: one element that is not 0 every `spacing` rows and columns.

    From one to the next its place in the window and its channel move on, its value alternates
    between the extremes.
    """
    low, high = extremes(tensor)
    found = np.full(tensor.shape, zero_of(tensor), np.int64)
    n, h, w, c = tensor.shape
    tall, wide = spacing
    number = 0
    for image in range(n):
        for top in range(0, max(h - tall, 0) + 1, tall):
            for left in range(0, max(w - wide, 0) + 1, wide):
                row = min(top + number // wide % tall, h - 1)
                column = min(left + number % wide, w - 1)
                at = image, row, column, number % c
                found[at] = high if number // c % 2 == 0 else low
                number += 1
    return found
