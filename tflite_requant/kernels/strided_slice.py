"""STRIDED_SLICE: begin, end and stride per axis, with bit masks.

begin_mask, end_mask: the bound is ignored; ellipsis_mask: all axes not otherwise named;
new_axis_mask: a size of one is put in; shrink_axis_mask: the axis is indexed and removed, by what
begin says or its mask. With
option offset, ends are relative to begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    yield "output", data[_placed(index, data.shape)]


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
    first = None if masked("begin_mask") else begin
    if masked("shrink_axis_mask"):
        return _Place(first, stride)
    return slice(first, None if masked("end_mask") else end, stride)


@dataclass(frozen=True, slots=True)
class _Place:
    """An index that removes its axis; None where a mask says from the first."""

    begin: int | None
    stride: int

    def within(self, size: int) -> int:
        """The index, no less than 0. Raises KernelError where LiteRT makes an empty slice."""
        begin = 0 if self.begin is None else self.begin
        place = max(begin + size if begin < 0 else begin, 0)
        if self.stride < 0 or place >= size:
            raise KernelError(
                f"index {begin} by stride {self.stride} of an axis of {size}: LiteRT writes nothing"
            )
        return place


def _placed(index: list, shape: tuple[int, ...]) -> tuple:
    """The index with numbers for places, each by the size of its axis."""
    named = sum(entry is not np.newaxis and entry is not Ellipsis for entry in index)
    axis, found = 0, []
    for entry in index:
        if isinstance(entry, _Place):
            entry = entry.within(shape[axis])
        found.append(entry)
        if entry is not np.newaxis:
            axis += max(len(shape) - named, 0) if entry is Ellipsis else 1
    return tuple(found)
