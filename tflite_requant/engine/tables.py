"""Functions of one or two 8-bit operands as tables, asked of the plain kernel once."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflite_requant import kernels
from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.engine.weighted import BYTES
from tflite_requant.kernels import KernelError, Operands
from tflite_requant.kernels._types import Attributes
from tflite_requant.model.qparams import QArray

ELEMENTWISE = frozenset(
    ("ELU", "EXP", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "QUANTIZE", "RELU",
     "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "RSQRT", "SQRT", "TANH")
)  # fmt: skip
PAIRWISE = frozenset(("ADD", "MUL", "SQUARED_DIFFERENCE", "SUB"))  # element by element
ENOUGH = 2048  # elements from which on a table of all pairs is worth being made
FEW = 7  # elements that fill no block, of whatever law


def table(
    operator: str, operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> bytes | None:
    """Output bytes by input byte, or None where the operator is no function of one 8-bit number."""
    if operator not in ELEMENTWISE or len(operands.inputs) != 1 or len(operands.outputs) != 1:
        return None
    data, output = operands.inputs[0], operands.output
    if str(data.dtype) not in BYTES or output.dtype not in BYTES:
        return None
    if any(q is None or q.per_axis for q in (data.qparams, output.qparams)):
        return None

    def asked(values: np.ndarray) -> np.ndarray:
        given = Operands((QArray(values, data.qparams),), operands.outputs)
        *_, (_, found) = kernels.load(operator)(given, attributes, arithmetic)
        return found

    every = np.arange(256, dtype=np.uint8).view(data.dtype)
    try:
        found = asked(every)
        if arithmetic.positional(output.dtype):
            alone = [asked(every[i : i + FEW]) for i in range(0, 256, FEW)]
            if not np.array_equal(found, np.concatenate(alone)):
                return None
    except KernelError:
        return None
    return found.tobytes() if found.dtype.itemsize == 1 and found.size == 256 else None


def reader(
    operator: str, operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Callable[[np.ndarray], np.ndarray] | None:
    """The operator as a function of its data, or None where it has no such table."""
    entries = table(operator, operands, attributes, arithmetic)
    return None if entries is None else lookup(entries, operands.output.numpy)


def reshaper(
    operator: str, operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> Callable[[np.ndarray], np.ndarray] | None:
    """RESHAPE to a constant shape as a function of its data, or None for other operators."""
    if operator != "RESHAPE":
        return None
    try:
        *_, (_, found) = kernels.load(operator)(operands, attributes, arithmetic)
    except KernelError:
        return None
    shape, size = found.shape, found.size

    def read(values: np.ndarray) -> np.ndarray:
        if values.size != size:
            raise KernelError("not as many elements as the file declares")
        return values.reshape(shape)

    return read


def pair_table(
    operator: str, operands: Operands, attributes: Attributes, arithmetic: Arithmetic
) -> np.ndarray | None:
    """Output bytes by bytes of both operands, uint8 (256, 256), or None for other operators."""
    output = operands.output
    if operator not in PAIRWISE or len(operands.inputs) != 2 or math.prod(output.shape) < ENOUGH:
        return None
    dtypes = {str(operand.dtype) for operand in operands.inputs} | {output.dtype}
    qparams = [operand.qparams for operand in (*operands.inputs, output)]
    if (
        len(dtypes) > 1
        or output.dtype not in BYTES
        or any(q is None or q.per_axis for q in qparams)
        or arithmetic.positional(output.dtype)
    ):
        return None
    every = np.arange(256, dtype=np.uint8).view(output.numpy)
    pairs = np.broadcast_arrays(every[:, None], every[None, :])
    asked = tuple(
        QArray(np.ascontiguousarray(p), q) for p, q in zip(pairs, qparams, strict=False)
    )  # fmt: skip
    try:
        *_, (_, found) = kernels.load(operator)(Operands(asked, (output,)), attributes, arithmetic)
    except KernelError:
        return None
    return found.view(np.uint8) if found.dtype.itemsize == 1 and found.size == 1 << 16 else None


def pair_lookup(
    entries: np.ndarray, dtype: np.dtype
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function of two 8-bit arrays, broadcast, by such a table; results have `dtype`."""
    flat = entries.reshape(-1)

    def read(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        index = np.left_shift(first.view(np.uint8), 8, dtype=np.uint16)
        return flat[np.bitwise_or(index, second.view(np.uint8))].view(dtype)

    return read


def lookup(entries: bytes, dtype: np.dtype) -> Callable[[np.ndarray], np.ndarray]:
    """A function of 8-bit arrays by such a table; results have `dtype`."""

    def read(values: np.ndarray) -> np.ndarray:
        # A third of what indexing takes: no index array is made.
        return np.frombuffer(values.tobytes().translate(entries), dtype).reshape(values.shape)

    return read
