"""ADD of two 8-bit tensors as one affine form, proven on all 65,536 pairs of integers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.engine.bare import clip
from tflite_requant.engine.buffers import Scratch
from tflite_requant.engine.forms import Call, Flat, Grid, copy
from tflite_requant.engine.law import byte_shift
from tflite_requant.engine.outputs import Output
from tflite_requant.engine.stages import TILE
from tflite_requant.engine.weighted import BYTES
from tflite_requant.kernels import KernelError, Operands
from tflite_requant.kernels import add as kernel
from tflite_requant.kernels._types import Attributes
from tflite_requant.model.qparams import QArray

JITTER = range(-6, 7)  # units in the last place by which factors are moved, nearest first
LARGE = 1e4  # no offset is larger: it takes the place of bounds that nothing sets
STEPS = sorted(
    ((i, j) for i in JITTER for j in JITTER), key=lambda steps: max(abs(s) for s in steps)
)

REMEMBERED = 256  # additions whose constants are kept: variants of a model share most of theirs
_KNOWN: dict[tuple, Affine2 | None] = {}


@dataclass(frozen=True, slots=True)
class Affine2:
    """rint((first * left + offset) + second * right), clipped; all steps in float32.

    low, high: in the byte domain less `zero`, the output's zero point, as results are.
    """

    left: np.float32
    right: np.float32
    offset: np.float32
    low: int
    high: int
    zero: int

    def outputs(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        value = (first * self.left + self.offset) + second * self.right
        return np.clip(np.rint(value), self.low, self.high)


def fit(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Affine2 | None:
    """Proven constants for centred operands and outputs, or None if none were found."""
    first, second, output = operands.input(0), operands.input(1), operands.output
    if not (str(first.dtype) in BYTES and first.dtype == second.dtype == output.numpy):
        return None
    if arithmetic.positional(output.dtype):
        return None
    key = (
        output.dtype, first.qparams, second.qparams, output.qparams,
        repr(sorted(attributes.items())), repr(arithmetic),
    )  # fmt: skip
    if key not in _KNOWN:
        if len(_KNOWN) >= REMEMBERED:
            _KNOWN.clear()
        _KNOWN[key] = _found(operands, attributes, arithmetic)
    return _KNOWN[key]


def _found(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Affine2 | None:
    first, second, output = operands.input(0), operands.input(1), operands.output
    wanted = _every_pair(operands, attributes, arithmetic)
    if wanted is None:
        return None
    shift = byte_shift(first.dtype)
    zero = int(output.qparams.zero_points[0]) + shift
    left = np.float32(first.scale / output.qparams.scale)
    right = np.float32(second.scale / output.qparams.scale)
    every = np.arange(256, dtype=np.float32) - shift
    x = (every - np.float32(first.zero_point))[:, None]
    y = (every - np.float32(second.zero_point))[None, :]
    for steps in STEPS:
        moved = [
            np.float32(factor + step * np.spacing(factor))
            for factor, step in zip((left, right), steps, strict=True)
        ]
        trial = _with_best_offset(*moved, x, y, wanted - np.float32(zero), zero)
        if np.array_equal(trial.outputs(x, y) + np.float32(zero), wanted):
            return trial
    return None


def _with_best_offset(left, right, x, y, wanted, zero: int) -> Affine2:
    """The offset halfway between the least and the largest that real arithmetic allows."""
    low, high = int(wanted.min()), int(wanted.max())
    missing = wanted - 0.5 - (x.astype(np.float64) * left + y.astype(np.float64) * right)
    least = np.max(missing, where=wanted > low, initial=-LARGE)
    below = np.min(missing + 1, where=wanted < high, initial=LARGE)
    return Affine2(left, right, np.float32((least + below) / 2), low, high, zero)


def _every_pair(operands, attributes, arithmetic) -> np.ndarray | None:
    """What the plain kernel makes of all pairs, in the byte domain; float32 (256, 256)."""
    first, second, output = operands.input(0), operands.input(1), operands.output
    shift = byte_shift(first.dtype)
    values = (np.arange(256) - shift).astype(first.dtype)
    pairs = np.broadcast_arrays(values[:, None], values[None, :])
    arrays = tuple(
        QArray(np.ascontiguousarray(p), operand.qparams)
        for p, operand in zip(pairs, (first, second), strict=True)
    )
    try:
        *_, (_, found) = kernel.stages(Operands(arrays, (output,)), attributes, arithmetic)
    except KernelError:
        return None
    return found.astype(np.float32) + np.float32(shift)


class Addition:
    """ADD of two tensors of one shape, tile by tile."""

    def __init__(self, law: Affine2, grid: Grid, scratch: Scratch, output: Output,
                 first: Flat, second: Flat) -> None:  # fmt: skip
        self.law, self.grid, self.scratch, self.output = law, grid, scratch, output
        self.first, self.second = first, second
        self.done = 0

    @property
    def tile_rows(self) -> int:
        return max(1, TILE // max(1, self.grid.row_size))

    def calls(self, first: int, last: int) -> list[Call]:
        law, width, output = self.law, self.grid.width, self.output
        at = slice(first * width, last * width)
        x, y = self.first.matrix[at], self.second.matrix[at]
        total = self.scratch.take("products", x.shape, np.float32)
        other = self.scratch.take("rows", x.shape, np.float32)
        calls = [
            partial(np.multiply, x, law.left, total),
            partial(np.add, total, law.offset, total),
            partial(np.multiply, y, law.right, other),
            partial(np.add, total, other, total),
            partial(np.rint, total, total),
        ]
        target = total
        if output.base(total.dtype) == law.zero:
            target = output.target(total, first, last)
        ends = np.float32(law.low), np.float32(law.high)
        calls.append(partial(clip, total.reshape(target.shape), *ends, target))
        if output.base(total.dtype) == law.zero:
            return calls + output.keep(target, law.zero, first, last)
        tile = self.scratch.take("outputs", x.shape, np.int16)
        calls += [copy(tile, total), partial(np.add, tile, np.int16(law.zero), tile)]
        return calls + output.calls(tile, first, last)
