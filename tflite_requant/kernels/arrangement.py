"""REVERSE_SEQUENCE, MATRIX_DIAG, MATRIX_SET_DIAG, UNIQUE, BROADCAST_ARGS, BUCKETIZE, ADD_N."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._activation import clamp_real
from tflite_requant.kernels._types import Attributes, KernelError, Operands, Stage


def reverse_sequence(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """The leading elements of every sequence, as many as its length says, turned round."""
    values, lengths = operands.input(0).integers, operands.input(1).integers.reshape(-1)
    axis = int(attributes.get("seq_dim", 0)) % values.ndim
    batch = int(attributes.get("batch_dim", 0)) % values.ndim
    moved = np.moveaxis(values, (batch, axis), (0, 1))
    out = moved.copy()
    for row, length in enumerate(lengths.tolist()):
        out[row, :length] = moved[row, :length][::-1]
    yield "output", np.ascontiguousarray(np.moveaxis(out, (0, 1), (batch, axis)))


def matrix_diag(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """The last axis on the diagonal of matrices of zeros."""
    values = operands.input(0).integers
    out = np.zeros((*values.shape, values.shape[-1]), values.dtype)
    places = np.arange(values.shape[-1])
    out[..., places, places] = values
    yield "output", out


def matrix_set_diag(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """Matrices with another diagonal, which may be shorter than the rows."""
    out = operands.input(0).integers.copy()
    places = np.arange(min(out.shape[-2:]))
    out[..., places, places] = operands.input(1).integers
    yield "output", out


def unique(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    """Distinct values as they first come, and which of them every element is."""
    values = operands.input(0).integers.reshape(-1)
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise KernelError("UNIQUE of NaN: LiteRT takes it for whatever it is compared with")
    distinct, first, places = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    yield "output", distinct[order]
    yield "output1", rank[places].astype(operands.outputs[1].numpy)


def broadcast_args(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    shapes = [tuple(operands.input(i).integers.reshape(-1).tolist()) for i in range(2)]
    yield "output", np.array(np.broadcast_shapes(*shapes), operands.output.numpy)


def bucketize(
    operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Iterator[Stage]:
    """How many of the sorted boundaries are not above each element."""
    bounds = np.asarray(attributes.get("boundaries", ()), np.float32)
    values = operands.input(0).integers.astype(np.float32)
    yield "output", np.searchsorted(bounds, values, side="right").astype(np.int32)


def add_n(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    """The sum of all operands from the first to the last; floats stay finite after each."""
    total = operands.inputs[0].integers
    for operand in operands.inputs[1:]:
        with np.errstate(over="ignore", invalid="ignore"):
            total = total + operand.integers
        if total.dtype.kind == "f":
            total = clamp_real(total, {})
    yield "output", total
