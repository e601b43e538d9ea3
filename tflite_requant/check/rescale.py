"""What the output stage multiplies by: powers of two where the hardware only shifts, and shifts
within its range."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.errors import Finding
from tflite_requant.fixedpoint.multiplier import quantize_multiplier
from tflite_requant.model import Operator, Tensor
from tflite_requant.schemes import RATIO, Scheme

# Of a ratio of float32 scales, as far as these can hold it.
FLOAT32_NOISE = 2.0**-22
ADDING = ("ADD", "SUB")


def needs_powers(scheme: Scheme) -> bool:
    """Whether multipliers must be powers of two."""
    return scheme.rescale.shifts_only or scheme.activations.scale == RATIO


def shifts_of(real: np.ndarray, scheme: Scheme) -> np.ndarray:
    """The shift of each multiplier, int64; positive to the left."""
    if needs_powers(scheme):
        return np.rint(np.log2(real)).astype(np.int64)
    return np.asarray(quantize_multiplier(real)[1], np.int64)


def multipliers(
    where: str, real: np.ndarray, what: str, scheme: Scheme, limits: tuple[int, int]
) -> Iterator[Finding]:
    """Findings about positive multipliers float64 [n]; `what` says what each of them is of, limits
    which shifts there may be."""
    told = _each(what, len(real))
    if needs_powers(scheme):
        off = np.abs(real / np.exp2(np.rint(np.log2(real))) - 1) > FLOAT32_NOISE
        if off.any():
            found = f"{told(off)} multiplies by {real[off.argmax()]:.9g}"
            need = "a power of two, since the output stage only shifts"
            hint = "weights scale = output scale x 2**k / input scale"
            yield Finding("error", where, "rescale-multiplier", found, need, hint)
            return
    low, high = limits
    shift = shifts_of(real, scheme)
    # A multiplier of less than 2**-32 is stored as 0.
    nothing = (quantize_multiplier(real)[0] == 0) & (not needs_powers(scheme))
    for outside, side in (((shift < low) & ~nothing, "coarser"), (shift > high, "finer")):
        if outside.any():
            worst = int(np.flatnonzero(outside)[0])
            found = f"{told(outside)} shifts by {shift[worst]}"
            hint = f"{side} weights, or {'finer' if side == 'coarser' else 'coarser'} outputs"
            yield Finding("error", where, "rescale-shift", found, f"{low} to {high}", hint)


def _each(what: str, count: int):
    def told(chosen: np.ndarray) -> str:
        first, others = int(chosen.argmax()), int(chosen.sum()) - 1
        name = f"{what} {first}" if count > 1 else what
        return f"{name} (and {others} more)" if others else name

    return told


def ratios(op: Operator, where: str, tensors: list[Tensor], scheme: Scheme) -> Iterator[Finding]:
    """ADD and SUB bring their operands to the output's scale."""
    if op.opcode not in ADDING or len(tensors) != 3 or not needs_powers(scheme):
        return
    *inputs, output = tensors
    real = np.array([t.qparams.scale / output.qparams.scale for t in inputs])
    yield from multipliers(where, real, "operand", scheme, scheme.rescale.add_shift)
