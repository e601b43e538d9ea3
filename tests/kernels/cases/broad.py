"""Drawing without a table of shapes: any rank, sizes of one and none, negative axes.

A draw says what a model is; output shapes are those that the interpreter finds, and what it refuses
(for LiteRT leaves it undefined) is drawn again. LiteRT must compute whatever remains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tflite_requant.errors import RequantError
from tflite_requant.interpreter import Interpreter
from tflite_requant.kernels import KERNELS
from tflite_requant.testing import TensorSpec, one_operator_model

from .make import Case, Group, case, grid, values

TRIES = 200
COUNT = 1


@dataclass
class Drawn:
    """One operator before its output shapes are known."""

    inputs: Sequence[TensorSpec | None]
    outputs: Sequence[TensorSpec]
    options: dict = field(default_factory=dict)
    version: int = 1


Draw = Callable[[np.random.Generator, str], Drawn]


def broad(opcode: str, draw: Draw, dtypes: Sequence[str] = ()) -> Group:
    """A group of drawn cases; on every type that the operator has a kernel for, or the given."""

    def make(rng: np.random.Generator, dtype: str) -> Case:
        for _ in range(TRIES):
            drawn = draw(rng, dtype)
            found = _computable(opcode, drawn, rng)
            if found is not None:
                break
        else:
            raise AssertionError(f"{opcode} on {dtype}: nothing that can be computed was drawn")
        fed, shapes = found
        outputs = [replace(t, shape=s) for t, s in zip(drawn.outputs, shapes, strict=True)]
        version = drawn.version
        return case(rng, opcode, drawn.inputs, outputs, drawn.options, fed=fed, version=version)

    every = [d for d in KERNELS[opcode].dtypes if d != "int4"]  # such are constants only
    return Group(f"{opcode}_BROAD", tuple(dtypes or every), make, COUNT)


def _computable(opcode: str, drawn: Drawn, rng):
    """Inputs of two runs, and the outputs' shapes; None where the interpreter refuses."""
    outputs = [replace(t, shape=()) for t in drawn.outputs]
    model = one_operator_model(opcode, drawn.inputs, outputs, drawn.options, version=drawn.version)
    interpreter = Interpreter(model, fast=False)
    fed = [[values(rng, t.dtype, t.shape) for t in model.inputs] for _ in range(2)]
    try:
        found = [interpreter.run(run) for run in fed]
    except RequantError:
        return None
    return fed, [out.shape for out in found[0]]


def size(rng: np.random.Generator, most: int = 5, none: float = 0.02) -> int:
    """1 to `most`; rarely 0."""
    return 0 if rng.random() < none else int(rng.integers(1, most + 1))


def sizes(rng, least_rank: int = 0, most_rank: int = 5, none: float = 0.02) -> tuple[int, ...]:
    """A shape of any rank between, now and then with a long last axis."""
    rank = int(rng.integers(least_rank, most_rank + 1))
    drawn = [size(rng, none=none) for _ in range(rank)]
    if rank and rng.integers(0, 4) == 0:
        drawn[-1] = int(rng.integers(8, 40))
    return tuple(drawn)


def broadcast_sizes(rng, rank: int | None = None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that can be broadcast: axes of one, axes left out, or equal."""
    full = sizes(rng) if rank is None else tuple(size(rng) for _ in range(rank))

    def part() -> tuple[int, ...]:
        thin = [1 if rng.integers(0, 4) == 0 else n for n in full]
        dropped = int(rng.integers(0, len(thin) + 1)) if rng.integers(0, 4) == 0 else 0
        return tuple(thin[dropped:] if rank is None else thin)

    kind = int(rng.integers(0, 4))
    first = part() if kind in (2, 3) else full
    second = part() if kind in (1, 3) else full
    return first, second


def flipped_axis(rng, axis: int, rank: int) -> int:
    """The same axis, in a third of the cases counted from the end."""
    return axis - rank if rank and rng.integers(0, 3) == 0 else axis


def number(value: int, dtype: str = "int32") -> TensorSpec:
    """A constant scalar."""
    return TensorSpec(dtype, data=np.array(value, dtype))


def vector(entries, dtype: str = "int32") -> TensorSpec:
    """A constant array of integers."""
    return TensorSpec(dtype, data=np.array(entries, dtype))


def whole(rng) -> str:
    """int32 or int64, as indices and shapes may be."""
    return str(rng.choice(["int32", "int64"]))


def constant(rng, spec: TensorSpec) -> TensorSpec:
    """The tensor, in a third of the cases as a constant."""
    if rng.integers(0, 3):
        return spec
    return replace(spec, shape=None, data=values(rng, spec.dtype, spec.shape))


def like(dtype: str, same: dict) -> TensorSpec:
    """An output on a given grid."""
    return TensorSpec(dtype, (), **same)


def of_one(rng, dtype: str, shape=None, middle: float | None = None) -> tuple[TensorSpec, dict]:
    """An operand of any shape, and its grid."""
    same = grid(rng, dtype, middle)
    return TensorSpec(dtype, sizes(rng) if shape is None else shape, **same), same
