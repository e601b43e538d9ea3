"""SCATTER_ND, SPARSE_TO_DENSE, DYNAMIC_UPDATE_SLICE: values put into a larger array."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage


def scatter_nd(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """Updates added to zeros, one after the other, at the positions in the last axis."""
    indices, updates, sizes = (operands.input(i).integers for i in range(3))
    out = np.zeros(tuple(sizes.reshape(-1).tolist()), updates.dtype)
    depth = indices.shape[-1]
    places = indices.reshape(-1, depth)
    _need_inside(places, out.shape[:depth])
    rows = updates.reshape(-1, *out.shape[depth:])
    if out.dtype == np.bool_:
        for place, row in zip(places.tolist(), rows, strict=True):
            out[tuple(place)] |= row
    else:
        np.add.at(out, tuple(places.T), rows)
    yield "output", out


def sparse_to_dense(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """A default everywhere but at the given positions; the last of equal positions wins."""
    indices, sizes, values, default = (operands.input(i).integers for i in range(4))
    shape = tuple(sizes.reshape(-1).tolist())
    out = np.full(shape, default.reshape(-1)[0], default.dtype)
    places = indices.reshape(-1, indices.shape[1] if indices.ndim > 1 else 1)
    _need_inside(places, shape)
    given = np.broadcast_to(values.reshape(-1), len(places))
    for place, value in zip(places.tolist(), given, strict=True):
        out[tuple(place)] = value
    yield "output", out


def dynamic_update_slice(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """A part of the first operand replaced; the start is moved so that the part lies inside."""
    values, update, starts = (operands.input(i).integers for i in range(3))
    room = np.subtract(values.shape, update.shape)
    if values.ndim != update.ndim or (room < 0).any():
        raise KernelError(f"an update of {list(update.shape)} does not fit {list(values.shape)}")
    begin = np.clip(starts.reshape(-1).astype(np.int64), 0, room)
    out = values.copy()
    out[tuple(slice(b, b + n) for b, n in zip(begin.tolist(), update.shape, strict=True))] = update
    yield "output", out


def _need_inside(places: np.ndarray, sizes: tuple[int, ...]) -> None:
    if places.size and ((places < 0) | (places >= np.array(sizes))).any():
        raise KernelError(f"an index leaves the sizes {list(sizes)}")
