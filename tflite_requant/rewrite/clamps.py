"""Clamps that no fused activation makes: MAXIMUM and MINIMUM with the source's bounds."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from tflite_requant.catalog import spec_of, version_of
from tflite_requant.model import Operator, Record, new_operator
from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning import clamps
from tflite_requant.rewrite.desk import Desk

MIN_MAX_OPTIONS = Record("MaximumMinimumOptions", MappingProxyType({}))


def insert_clamp(
    desk: Desk, op: Operator, sides: Sequence[str], made: int, end: int | None
) -> int:
    """Clamp tensor `made`, which the operator writes, into `end` or a new tensor; that tensor.

    sides: MAXIMUM, MINIMUM, or both.
    """
    tensor, source = desk.edit.tensors[made], desk.source.tensors[op.outputs[0]]
    fused = op.option("fused_activation_function", "NONE")
    gain = desk.plan.gains.get(op.outputs[0], 1.0)
    low, high = (bound * gain for bound in clamps.interval(source.type, fused))
    least, greatest = RANGES[tensor.dtype]
    scale, zero = tensor.qparams.scale, tensor.qparams.zero_point
    bounds = dict(zip(clamps.OPERATORS, (low, high), strict=True))
    for i, opcode in enumerate(sides):
        bound = bounds[opcode]
        stored = np.clip(np.rint(bound / scale) + zero, least, greatest).astype(np.int64)
        name = f"{source.name}/{opcode.lower()}"
        limit = desk.edit.add_tensor(f"{name}/bound", (), tensor.type, integers=stored)
        last = i + 1 == len(sides) and end is not None
        to = end if last else desk.edit.add_tensor(name, tensor.shape, tensor.type)
        version = version_of(spec_of(new_operator(opcode, 1, (), ())), tensor.dtype)
        desk.edit.insert_after(
            op.index, new_operator(opcode, version, (made, limit), (to,), MIN_MAX_OPTIONS)
        )
        desk.done.inserted.append(
            f"{opcode} {bound:.6g} {source.name}: behind the source's op {op.index} "
            f"{op.name}, whose clamp it restores"
        )
        made = to
    return made
