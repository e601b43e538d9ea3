"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, ARG_MAX, ARG_MIN."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.testing import TensorSpec

from .make import EIGHT_BIT, QUANTIZED, Case, Group, case, grid, index, shape


def _reduced(size, axes, keep: bool) -> tuple[int, ...]:
    if keep:
        return tuple(1 if i in axes else n for i, n in enumerate(size))
    return tuple(n for i, n in enumerate(size) if i not in axes)


def _reduction(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 4, 1, 7)
    count = int(rng.integers(1, 4))
    axes = sorted(int(a) for a in rng.choice(4, count, replace=False))
    if rng.integers(0, 2) and opcode in ("MEAN", "SUM"):
        axes = [1, 2]
    keep = bool(rng.integers(0, 2))
    data = TensorSpec(dtype, size, **grid(rng, dtype))
    n = int(np.prod([size[a] for a in axes]))
    if opcode == "MEAN":
        out = grid(rng, dtype, data.scale, 0.5)
    elif opcode == "SUM":
        out = grid(rng, dtype, data.scale * np.sqrt(n))
    else:
        out = {"scale": data.scale, "zero_point": data.zero_point}
    signed = [a - 4 if rng.integers(0, 2) else a for a in axes]
    result = TensorSpec(dtype, _reduced(size, axes, keep), **out)
    return case(rng, opcode, [data, index(*signed)], [result], {"keep_dims": keep})


def _arg(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 3, 1, 6)
    axis = int(rng.integers(0, 3))
    kind = str(rng.choice(["int32", "int64"]))
    data = TensorSpec(dtype, size, **grid(rng, dtype))
    out = TensorSpec(kind, _reduced(size, [axis], False))
    return case(rng, opcode, [data, index(axis)], [out], {"output_type": kind.upper()})


GROUPS = (
    Group("MEAN", QUANTIZED, partial(_reduction, "MEAN"), 20),
    Group("SUM", EIGHT_BIT, partial(_reduction, "SUM"), 12),
    Group("REDUCE_MAX", QUANTIZED, partial(_reduction, "REDUCE_MAX"), 4),
    Group("REDUCE_MIN", QUANTIZED, partial(_reduction, "REDUCE_MIN"), 4),
    Group("ARG_MAX", (*EIGHT_BIT, "float32"), partial(_arg, "ARG_MAX"), 6),
    Group("ARG_MIN", (*EIGHT_BIT, "float32"), partial(_arg, "ARG_MIN"), 6),
)
