"""Float and plain integer islands of quantized models. Group names carry the operator first."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.testing import TensorSpec, one_operator_model

from .make import Case, Group, case, grid, index, shape, values


def _unary(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 3, 1, 6)
    model = one_operator_model(opcode, [TensorSpec(dtype, size)], [TensorSpec(dtype, size)])
    fed = values(rng, dtype, size)
    if opcode in ("SQRT", "RSQRT"):
        fed = np.abs(fed) + np.float32(1e-3)
    return Case(model, [[fed]], f"{opcode} {dtype}{list(size)}")


def _binary(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 3, 1, 6)
    other = size if rng.integers(0, 2) else (1, 1, size[2])
    inputs = [TensorSpec(dtype, size), TensorSpec(dtype, other)]
    model = one_operator_model(opcode, inputs, [TensorSpec(dtype, size)])
    divisor = values(rng, dtype, other)
    divisor[divisor == 0] = 3
    return Case(model, [[values(rng, dtype, size), divisor]], f"{opcode} {dtype}{list(size)}")


def shape_of(rng, dtype: str) -> Case:
    size = shape(rng, 4)
    out = TensorSpec("int32", (4,))
    return case(rng, "SHAPE", [TensorSpec(dtype, size)], [out], {"out_type": "INT32"})


def fill(rng, dtype: str) -> Case:
    size = shape(rng, 3)
    value = TensorSpec("float32", data=np.array(1.5, np.float32))
    return case(rng, "FILL", [index(*size), value], [TensorSpec("float32", size)])


def top_k(rng, dtype: str) -> Case:
    size, k = shape(rng, 3, 2, 6), 2
    out = (*size[:2], k)
    same = grid(rng, dtype)
    outputs = [TensorSpec(dtype, out, **same), TensorSpec("int32", out)]
    wanted = TensorSpec("int32", data=np.array(k, np.int32))
    return case(rng, "TOPK_V2", [TensorSpec(dtype, size, **same), wanted], outputs)


def one_hot(rng, dtype: str) -> Case:
    size, depth, axis = shape(rng, 2), 4, int(rng.integers(-1, 3))
    place = 2 if axis < 0 else axis
    drawn = rng.integers(-1, depth + 1, size).astype(dtype)
    scalars = [
        TensorSpec("int32", data=np.array(depth, np.int32)),
        TensorSpec("float32", data=np.array(2.5, np.float32)),
        TensorSpec("float32", data=np.array(-1, np.float32)),
    ]
    out = TensorSpec("float32", (*size[:place], depth, *size[place:]))
    model = one_operator_model(
        "ONE_HOT", [TensorSpec(dtype, size), *scalars], [out], {"axis": axis}
    )
    return Case(model, [[drawn]], f"ONE_HOT {dtype}{list(size)} axis {axis}")


def where(rng, dtype: str) -> Case:
    size = shape(rng, 3, 2, 4)
    return case(rng, "WHERE", [TensorSpec(dtype, size)], [TensorSpec("int64", (1, 3))])


def cumulative_sum(rng, dtype: str) -> Case:
    size = shape(rng, 3)
    options = {"exclusive": bool(rng.integers(0, 2)), "reverse": bool(rng.integers(0, 2))}
    inputs = [TensorSpec(dtype, size), TensorSpec("int32", data=np.array(1, np.int32))]
    return case(rng, "CUMSUM", inputs, [TensorSpec(dtype, size)], options)


GROUPS = (
    *(Group(op, ("float32",), partial(_unary, op), 4)
      for op in ("SQRT", "RSQRT", "SQUARE", "FLOOR")),
    *(Group(op, ("float32", "int32"), partial(_binary, op), 4)
      for op in ("DIV", "FLOOR_DIV", "FLOOR_MOD")),
    Group("SHAPE", ("float32",), shape_of, 2),
    Group("TOPK_V2", ("uint8", "int8", "int16", "float32"), top_k, 4),
    Group("ONE_HOT", ("int32", "int64"), one_hot, 4),
    Group("WHERE", ("bool",), where, 2),
    Group("CUMSUM", ("float32", "int32"), cumulative_sum, 6),
    Group("FILL", ("int32",), fill, 2),
)  # fmt: skip
