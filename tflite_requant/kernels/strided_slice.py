"""STRIDED_SLICE: begin, end and stride per axis, with bit masks.

begin_mask, end_mask: the bound is ignored; ellipsis_mask: all axes not otherwise named;
new_axis_mask: a size of one is put in; shrink_axis_mask: the axis is indexed and removed. With
option offset, ends are relative to begins.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage

MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0).integers
    begin, end, stride = (operands.input(i).integers.reshape(-1).tolist() for i in (1, 2, 3))
    if attributes.get("offset"):
        end = _from_offsets(data.shape, begin, end, attributes)
    index = [
        _entry(i, bounds, attributes)
        for i, bounds in enumerate(zip(begin, end, stride, strict=True))
    ]
    yield "output", data[tuple(index)]


def _from_offsets(shape: tuple[int, ...], begin: list[int], end: list[int], attributes):
    """Ends that were given relative to begins; LiteRT does not check that they are inside."""
    used = [name for name in MASKS if attributes.get(name)]
    if used:
        raise KernelError(f"option offset together with {used[0]}: LiteRT reads beyond the operand")
    ends = [b + e for b, e in zip(begin, end, strict=True)]
    if any(not 0 <= b <= e <= n for b, e, n in zip(begin, ends, shape, strict=False)):
        raise KernelError(
            f"begin {begin} and offsets {end} leave an operand of shape {list(shape)}: LiteRT "
            "reads beyond it"
        )
    return ends


def _entry(position: int, bounds: tuple[int, int, int], attributes: Attributes):
    def masked(name: str) -> bool:
        return bool(int(attributes.get(name, 0) or 0) >> position & 1)

    begin, end, stride = bounds
    if masked("ellipsis_mask"):
        return Ellipsis
    if masked("new_axis_mask"):
        return np.newaxis
    if masked("shrink_axis_mask"):
        return begin
    first = None if masked("begin_mask") else begin
    return slice(first, None if masked("end_mask") else end, stride)
