"""Tensors by themselves: types, shapes, bytes of constants, scales and zero points."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tflite_requant.errors import Finding
from tflite_requant.flatbuffer._generated import layout
from tflite_requant.model.dtypes import NUMPY, RANGES
from tflite_requant.model.graph import Model, Subgraph, Tensor
from tflite_requant.validation.words import at_tensor, damaged

MAX_RANK = 8  # that of TFLite's kernels, and one to spare
MAX_ELEMENTS = 1 << 40
SMALLEST_NORMAL = 2.0**-126
TYPES = frozenset(name.lower() for name in layout.ENUMS["TensorType"])


def findings(model: Model) -> Iterator[Finding]:
    """Everything that is wrong with single tensors."""
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            where = at_tensor(subgraph, tensor)
            if tensor.dtype not in TYPES:
                yield damaged(where, "tensor-type", f"type {tensor.dtype}", "a type of the schema")
                continue
            wrong = list(_shape(where, tensor))
            yield from wrong
            if not wrong:
                yield from _bytes(where, tensor)
                yield from _quantization(where, subgraph, tensor)


def _shape(where: str, tensor: Tensor) -> Iterator[Finding]:
    shape, signature = tensor.shape, tensor.shape_signature
    if len(shape) > MAX_RANK:
        yield damaged(where, "shape", f"{len(shape)} dimensions", f"at most {MAX_RANK}")
    elif any(n < 0 for n in shape):
        yield damaged(where, "shape", f"shape {list(shape)}", "sizes of 0 or more")
    elif math.prod(shape) > MAX_ELEMENTS:
        yield damaged(where, "shape", f"shape {list(shape)}", f"at most {MAX_ELEMENTS:,} elements")
    elif signature and len(signature) != len(shape):
        found = f"shape {list(shape)}, shape signature {list(signature)}"
        yield damaged(where, "shape", found, "as many dimensions in both")
    elif signature and any(s not in (n, -1) for s, n in zip(signature, shape, strict=True)):
        found = f"shape {list(shape)}, shape signature {list(signature)}"
        yield damaged(where, "shape", found, "equal sizes, or -1 in the signature")


def _bytes(where: str, tensor: Tensor) -> Iterator[Finding]:
    sparse = tensor.rest.get("sparsity") is not None
    if tensor.is_variable and tensor.is_constant:
        yield damaged(where, "variable", "a variable with data in the file", "no buffer")
    if not tensor.is_constant or tensor.dtype not in NUMPY or sparse:
        return
    count = math.prod(tensor.shape)
    width = np.dtype(NUMPY[tensor.dtype]).itemsize
    need = (count + 1) // 2 if tensor.dtype == "int4" else count * width
    if len(tensor.data) != need:
        shape = f"shape {list(tensor.shape)} of {tensor.dtype}"
        found = f"its buffer has {len(tensor.data):,} bytes"
        yield damaged(where, "constant-size", found, f"{need:,} for {shape}")


def _quantization(where: str, subgraph: Subgraph, tensor: Tensor) -> Iterator[Finding]:
    record = tensor.rest.get("quantization")
    zeros = () if record is None else record["zero_point"] or ()
    qparams = tensor.qparams
    if qparams is None:
        return
    count = len(qparams.scales)
    # Beside scales that were given since, the record is what the tensor was read from.
    current = record is not None and len(record["scale"] or ()) == count
    if current and len(zeros) not in (0, 1, count):
        found = f"{count} scales, {len(zeros)} zero points"
        yield damaged(where, "zero-point", found, "as many of both, or one zero point")
    yield from _scales(where, tensor)
    if count > 1:
        axis, shape = qparams.axis, tensor.shape
        only = shape == (count,)  # of a vector, converters may name any dimension
        if not only and (not 0 <= axis < len(shape) or shape[axis] != count):
            found = f"{count} scales along dimension {axis} of shape {list(shape)}"
            yield damaged(where, "scale-count", found, "one scale, or one an index of a dimension")
    if tensor.dtype in RANGES:
        low, high = RANGES[tensor.dtype]
        beyond = next((z for z in qparams.zero_points if not low <= z <= high), None)
        if beyond is not None:
            found, need = f"zero point {beyond}", f"{low} to {high}, as {tensor.dtype} has"
            yield damaged(where, "zero-point", found, need)


def _scales(where: str, tensor: Tensor) -> Iterator[Finding]:
    """NaN and what is not positive; of constants, a channel that is not used may have scale 0."""
    least = 0.0 if tensor.is_constant else SMALLEST_NORMAL
    for scale in tensor.qparams.scales:
        if not (math.isfinite(scale) and scale >= least):
            need = "positive finite numbers, none below 2^-126"
            yield damaged(where, "scale-positive", f"scale {scale:g}", need)
            return
