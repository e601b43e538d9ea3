"""Operators that put values into place, work on bits, divide, multiply along axes, or look up."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.testing import TensorSpec, one_operator_model

from .make import EIGHT_BIT, FUSED, QUANTIZED, Case, Group, case, grid, index, scale, shape, values

NUMBERS = (*QUANTIZED, "float32", "int32", "int64")


def _drawn(rng, dtype: str, size) -> np.ndarray:
    """As `values`, for the other types too."""
    if dtype == "float16":
        return rng.standard_normal(size).astype(np.float16)
    if dtype == "uint32":
        return rng.integers(0, 2**32, size, np.uint32)
    return values(rng, dtype, size)


def _constant(rng, dtype: str, size, **grid_) -> TensorSpec:
    return TensorSpec(dtype, data=_drawn(rng, dtype, size), **grid_)


def _fed(rng, opcode: str, inputs, outputs, options=None, version: int = 1) -> Case:
    """One operator, fed twice, on types that `case` cannot draw."""
    model = one_operator_model(opcode, inputs, outputs, options, version)
    runs = [[_drawn(rng, t.dtype, t.shape) for t in model.inputs] for _ in range(2)]
    return Case(model, runs, f"{opcode} {options or {}} {[str(t.dtype) for t in inputs]}")


def _pair(rng) -> tuple[tuple[int, ...], tuple[int, ...]]:
    size = shape(rng, 3, 1, 5)
    return size, size if rng.integers(0, 2) else (1, size[1], 1)


def division(rng, dtype: str) -> Case:
    """Quantized operands; the divisor never is its zero point, and grids are far apart."""
    size, other = _pair(rng)
    first, second = TensorSpec(dtype, size, **grid(rng, dtype)), grid(rng, dtype)
    out = TensorSpec(dtype, size, **grid(rng, dtype, 0.05 if dtype != "int16" else 0.001, 2.0))
    options = {"fused_activation_function": str(rng.choice(FUSED))}
    inputs = [first, TensorSpec(dtype, other, **second)]
    model = one_operator_model("DIV", inputs, [out], options)
    runs = []
    for _ in range(2):
        divisor = values(rng, dtype, other)
        zero = second["zero_point"]
        divisor[divisor == zero] = zero - 1 if zero > np.iinfo(dtype).min else zero + 1
        runs.append([values(rng, dtype, size), divisor])
    return Case(model, runs, f"DIV {dtype}{list(size)} by {list(other)}, {options}")


def plain_division(opcode: str, rng, dtype: str) -> Case:
    """Stored integers, scales not looked at."""
    size, other = _pair(rng)
    specs = [TensorSpec(dtype, size), TensorSpec(dtype, other)]
    model = one_operator_model(opcode, specs, [TensorSpec(dtype, size)])
    divisor = values(rng, dtype, other)
    divisor[divisor == 0] = 3
    return Case(model, [[values(rng, dtype, size), divisor]], f"{opcode} {dtype}{list(size)}")


def _pairwise(opcode: str, rng, dtype: str) -> Case:
    size, other = _pair(rng)
    out = [TensorSpec("bool" if opcode in COMPARED else dtype, size)]
    return _fed(rng, opcode, [TensorSpec(dtype, size), TensorSpec(dtype, other)], out)


def _alike(opcode: str, rng, dtype: str, outputs: str = "") -> Case:
    size = shape(rng, 3, 1, 6)
    specs = [TensorSpec(dtype, size) for _ in range(2)]
    return _fed(rng, opcode, specs, [TensorSpec(dtype, size)])


def _unary(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 3, 1, 6)
    return _fed(rng, opcode, [TensorSpec(dtype, size)], [TensorSpec(dtype, size)])


def _function(opcode: str, rng, dtype: str, positive: bool = False) -> Case:
    """A float function on its interesting range and beyond."""
    size = (4, 40)
    model = one_operator_model(opcode, [TensorSpec(dtype, size)], [TensorSpec(dtype, size)])
    drawn = (rng.standard_normal(size) * 10.0 ** rng.integers(-3, 3)).astype(np.float32)
    return Case(model, [[np.abs(drawn) if positive else drawn]], f"{opcode} {dtype}")


def power(rng, dtype: str) -> Case:
    size, other = _pair(rng)
    inputs = [TensorSpec(dtype, size), TensorSpec(dtype, other)]
    model = one_operator_model("POW", inputs, [TensorSpec(dtype, size)])
    if dtype == "int32":
        fed = [rng.integers(-9, 10, size).astype(np.int32), rng.integers(0, 8, other).astype("i4")]
    else:
        fed = [rng.uniform(0, 9, size).astype("f4"), rng.uniform(-3, 3, other).astype("f4")]
    return Case(model, [fed], f"POW {dtype}{list(size)} {list(other)}")


def product(rng, dtype: str) -> Case:
    size = shape(rng, 3, 1, 4)
    axes = sorted({int(a) for a in rng.integers(0, 3, rng.integers(1, 4))})
    keep = bool(rng.integers(0, 2))
    result = [1 if i in axes else n for i, n in enumerate(size)]
    result = result if keep else [n for i, n in enumerate(size) if i not in axes]
    own = grid(rng, dtype) if dtype in ("int8", "int16") else {}
    other = grid(rng, dtype, own["scale"], 0.5) if own else {}
    inputs = [TensorSpec(dtype, size, **own), index(*axes)]
    return _fed(
        rng, "REDUCE_PROD", inputs, [TensorSpec(dtype, result, **other)], {"keep_dims": keep}
    )


def bitcast(rng, dtype: str) -> Case:
    size = shape(rng, 3, 1, 4)
    wanted = str(rng.choice(["uint8", "int16", "int32", "float32", "int64"]))
    parts = np.dtype(dtype).itemsize / np.dtype(wanted).itemsize
    if parts < 1:
        size = (*size[:2], round(1 / parts))
        out = size[:2]
    else:
        out = (*size, int(parts)) if parts > 1 else size
    return _fed(rng, "BITCAST", [TensorSpec(dtype, size)], [TensorSpec(wanted, out)])


def scatter_nd(rng, dtype: str) -> Case:
    size = shape(rng, 3, 2, 5)
    depth, count = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    picked = np.stack([rng.integers(0, size[i], count) for i in range(depth)], -1)
    indices = TensorSpec("int32", data=picked.astype(np.int32))
    updates = TensorSpec(dtype, (count, *size[depth:]))
    return _fed(rng, "SCATTER_ND", [indices, updates, index(*size)], [TensorSpec(dtype, size)])


def sparse_to_dense(rng, dtype: str) -> Case:
    size, count = shape(rng, 2, 2, 6), int(rng.integers(1, 5))
    picked = np.stack([rng.integers(0, n, count) for n in size], -1).astype(np.int32)
    one = bool(rng.integers(0, 2))
    inputs = [TensorSpec("int32", data=picked), index(*size)]
    inputs += [_constant(rng, dtype, () if one else (count,)), _constant(rng, dtype, ())]
    model = one_operator_model(
        "SPARSE_TO_DENSE", inputs, [TensorSpec(dtype, size)], {"validate_indices": False}
    )
    return Case(model, [[]], f"SPARSE_TO_DENSE {dtype}{list(size)} {picked.tolist()}")


def dynamic_update_slice(rng, dtype: str) -> Case:
    size = shape(rng, 3, 2, 5)
    part = tuple(int(rng.integers(1, n + 1)) for n in size)
    starts = index(*(int(n) for n in rng.integers(-2, 6, 3)))
    inputs = [TensorSpec(dtype, size), TensorSpec(dtype, part), starts]
    return _fed(rng, "DYNAMIC_UPDATE_SLICE", inputs, [TensorSpec(dtype, size)])


def embedding_lookup(rng, dtype: str, output: str = "") -> Case:
    rows, columns = int(rng.integers(2, 6)), 2 * int(rng.integers(1, 5))
    per_axis = bool(output) and bool(rng.integers(0, 2))
    scales = [scale(rng) for _ in range(rows if per_axis else 1)]
    own = {"scale": scales, "zero_point": 0} if output else {}
    if dtype == "int4":
        table = TensorSpec(dtype, data=rng.integers(-8, 8, (rows, columns)).astype("i1"), **own)
    else:
        table = _constant(rng, dtype, (rows, columns), **own)
    picked = rng.integers(0, rows, int(rng.integers(1, 6))).astype(np.int32)
    inputs = [TensorSpec("int32", picked.shape), table]
    model = one_operator_model(
        "EMBEDDING_LOOKUP", inputs, [TensorSpec(output or dtype, (len(picked), columns))]
    )
    return Case(model, [[picked]], f"EMBEDDING_LOOKUP {dtype} -> {output or dtype}")


def segment(opcode: str, rng, dtype: str) -> Case:
    size, number = shape(rng, 3, 2, 5), int(rng.integers(2, 6))
    segments = index(*(int(s) for s in rng.integers(-1, number, size[0])))
    inputs = [TensorSpec(dtype, size), segments, TensorSpec("int32", data=np.int32(number))]
    return _fed(rng, opcode, inputs, [TensorSpec(dtype, (number, *size[1:]))])


def reverse_sequence(rng, dtype: str) -> Case:
    size = shape(rng, 3, 2, 5)
    axis, batch = (int(a) for a in rng.permutation(3)[:2])
    lengths = index(*(int(n) for n in rng.integers(1, size[axis] + 1, size[batch])))
    options = {"seq_dim": axis, "batch_dim": batch}
    inputs = [TensorSpec(dtype, size), lengths]
    return _fed(rng, "REVERSE_SEQUENCE", inputs, [TensorSpec(dtype, size)], options)


def matrix_diag(rng, dtype: str) -> Case:
    size = shape(rng, 2, 1, 5)
    out = TensorSpec(dtype, (*size, size[1]))
    return _fed(rng, "MATRIX_DIAG", [TensorSpec(dtype, size)], [out])


def matrix_set_diag(rng, dtype: str) -> Case:
    size = shape(rng, 3, 1, 5)
    inputs = [TensorSpec(dtype, size), TensorSpec(dtype, (size[0], min(size[1:])))]
    return _fed(rng, "MATRIX_SET_DIAG", inputs, [TensorSpec(dtype, size)])


def unique(rng, dtype: str) -> Case:
    count = int(rng.integers(2, 12))
    wanted = str(rng.choice(["int32", "int64"]))
    outputs = [TensorSpec(dtype, (count,)), TensorSpec(wanted, (count,))]
    options = {"idx_out_type": wanted.upper()}
    model = one_operator_model("UNIQUE", [TensorSpec(dtype, (count,))], outputs, options)
    return Case(model, [[rng.integers(0, 5, count).astype(dtype)]], f"UNIQUE {dtype}[{count}]")


def broadcast_args(rng, dtype: str) -> Case:
    sizes = [np.array(s, dtype) for s in _pair(rng)]
    sizes[1] = sizes[1][int(rng.integers(0, 3)) :]
    inputs = [TensorSpec(dtype, data=s) for s in sizes]
    model = one_operator_model("BROADCAST_ARGS", inputs, [TensorSpec(dtype, (3,))])
    return Case(model, [[]], f"BROADCAST_ARGS {sizes}")


def bucketize(rng, dtype: str) -> Case:
    size = shape(rng, 2, 1, 6)
    bounds = sorted(float(b) for b in rng.integers(-20, 20, 5))
    model = one_operator_model(
        "BUCKETIZE", [TensorSpec(dtype, size)], [TensorSpec("int32", size)], {"boundaries": bounds}
    )
    return Case(model, [[rng.integers(-25, 25, size).astype(dtype)]], f"BUCKETIZE {bounds}")


def add_n(rng, dtype: str) -> Case:
    size, count = shape(rng, 3), int(rng.integers(2, 5))
    specs = [TensorSpec(dtype, size) for _ in range(count)]
    return case(rng, "ADD_N", specs, [TensorSpec(dtype, size)])


def l2_pool(rng, dtype: str) -> Case:
    n, h, w, c = shape(rng, 4, 2, 6)
    kernel, stride = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    out = (n, *(-(-s // t) for s, t in zip((h, w), stride.tolist(), strict=True)), c)
    options = {
        "padding": "SAME",
        "stride_h": int(stride[0]),
        "stride_w": int(stride[1]),
        "filter_height": int(kernel[0]),
        "filter_width": int(kernel[1]),
        "fused_activation_function": str(rng.choice(FUSED)),
    }
    return case(
        rng, "L2_POOL_2D", [TensorSpec(dtype, (n, h, w, c))], [TensorSpec(dtype, out)], options
    )


def response_normalization(rng, dtype: str) -> Case:
    size = (1, 2, 2, int(rng.integers(1, 12)))
    options = {"radius": int(rng.integers(1, 4)), "bias": 1.0, "alpha": 0.3, "beta": 0.75}
    spec = TensorSpec(dtype, size)
    return case(rng, "LOCAL_RESPONSE_NORMALIZATION", [spec], [spec], options)


def fake_quant(rng, dtype: str) -> Case:
    size = shape(rng, 3)
    options = {
        "min": float(rng.uniform(-4, 1)),
        "max": float(rng.uniform(2, 5)),
        "num_bits": int(rng.choice([4, 8, 16])),
        "narrow_range": False,
    }
    spec = TensorSpec(dtype, size)
    return case(rng, "FAKE_QUANT", [spec], [spec], options)


def nearest(rng, dtype: str) -> Case:
    n, h, w, c = shape(rng, 4)
    out = [int(s) for s in rng.integers(1, 9, 2)]
    options = {"align_corners": bool(rng.integers(0, 2)), "half_pixel_centers": False}
    inputs = [TensorSpec(dtype, (n, h, w, c)), index(*out)]
    return _fed(rng, "RESIZE_NEAREST_NEIGHBOR", inputs, [TensorSpec(dtype, (n, *out, c))], options)


def where(rng, dtype: str) -> Case:
    size = shape(rng, 2, 2, 5)
    model = one_operator_model("WHERE", [TensorSpec(dtype, size)], [TensorSpec("int64", (1, 2))])
    drawn = rng.integers(0, 2, size).astype(dtype)
    drawn[-1, -1] = 1
    return Case(model, [[drawn]], f"WHERE {dtype}{list(size)}")


def arg(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 2, 2, 5)
    inputs = [TensorSpec(dtype, size), TensorSpec("int32", data=np.int32(1))]
    return case(rng, opcode, inputs, [TensorSpec("int32", size[:1])], {"output_type": "INT32"})


def reduced(opcode: str, rng, dtype: str) -> Case:
    size = shape(rng, 3)
    out = [TensorSpec(dtype, (size[0], size[2]))]
    return case(rng, opcode, [TensorSpec(dtype, size), index(1)], out, {"keep_dims": False})


def dequantize_nibbles(rng, dtype: str) -> Case:
    size = (int(rng.integers(2, 6)), int(rng.integers(2, 6)))
    per_axis = bool(rng.integers(0, 2))
    scales = [scale(rng) for _ in range(size[0] if per_axis else 1)]
    data = TensorSpec(dtype, None, scales, 0, 0, rng.integers(-8, 8, size).astype(np.int8))
    model = one_operator_model("DEQUANTIZE", [data], [TensorSpec("float32", size)])
    return Case(model, [[]], f"DEQUANTIZE {dtype}{list(size)}")


COMPARED = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")
BITS = (*QUANTIZED, "int32", "uint32", "uint16")
RARE = ("float64", "uint16", "uint64")
SEGMENTS = ("SUM", "PROD", "MAX", "MIN")

GROUPS = (
    Group("DIV", QUANTIZED, division, 16),
    *(Group(op, ("int8", "int16"), partial(plain_division, op), 4)
      for op in ("FLOOR_DIV", "FLOOR_MOD")),
    Group("FLOOR_MOD", ("int64",), partial(plain_division, "FLOOR_MOD"), 4),
    *(Group(op, ("float16",), partial(_pairwise, op), 3)
      for op in ("ADD", "MUL", "MAXIMUM", "MINIMUM", *COMPARED)),
    Group("MUL", ("uint32",), partial(_pairwise, "MUL"), 3),
    *(Group(f"{op}_PLAIN", ("int16",), partial(_pairwise, op), 4) for op in ("ADD", "MUL")),
    *(Group(f"{op}_PLAIN", ("int64",), partial(_pairwise, op), 3)
      for op in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", *COMPARED)),
    *(Group(op, ("int32",), partial(_pairwise, op), 3) for op in COMPARED),
    *(Group(op, BITS, partial(_pairwise, op), 3) for op in ("BITWISE_XOR", "RIGHT_SHIFT")),
    Group("BITCAST", (*BITS, "float32", "int64", "bool", "float16", "float64", "uint64"),
          bitcast, 4),
    *(Group(op, ("float32",), partial(_function, op), 4)
      for op in ("TANH", "LOGISTIC", "EXP", "SIN", "COS")),
    Group("LOG", ("float32",), partial(_function, "LOG", positive=True), 4),
    Group("POW", ("float32", "int32"), power, 4),
    Group("ATAN2", ("float32",), partial(_alike, "ATAN2"), 4),
    *(Group(op, ("float16",), partial(_unary, op), 3) for op in ("NEG", "FLOOR")),
    Group("SIGN", ("float32", "int32"), partial(_unary, "SIGN"), 3),
    Group("ZEROS_LIKE", ("float32", "int32", "int64"), partial(_unary, "ZEROS_LIKE"), 2),
    Group("ABS", ("int32",), partial(_unary, "ABS"), 3),
    Group("NEG", ("int32", "int64"), partial(_unary, "NEG"), 3),
    Group("REDUCE_PROD", (*NUMBERS, "bool"), product, 8),
    Group("SCATTER_ND", (*EIGHT_BIT, "float32", "int32", "int64", "bool"), scatter_nd, 4),
    Group("SPARSE_TO_DENSE", (*EIGHT_BIT, "float32", "int32", "int64"), sparse_to_dense, 4),
    Group("DYNAMIC_UPDATE_SLICE", (*NUMBERS, "bool", "float16", "uint32", *RARE),
          dynamic_update_slice, 4),
    Group("EMBEDDING_LOOKUP", (*NUMBERS, "bool", "float16", "uint32"), embedding_lookup, 2),
    Group("EMBEDDING_LOOKUP_REAL", (*EIGHT_BIT, "int4"),
          partial(embedding_lookup, output="float32"), 4),
    *(Group(f"UNSORTED_SEGMENT_{name}", ("float32", "int32"),
            partial(segment, f"UNSORTED_SEGMENT_{name}"), 4) for name in SEGMENTS),
    Group("REVERSE_SEQUENCE", ("uint8", "int16", "float32", "int32", "int64"),
          reverse_sequence, 4),
    Group("MATRIX_DIAG", (*NUMBERS, "uint32"), matrix_diag, 2),
    Group("MATRIX_SET_DIAG", (*NUMBERS, "uint32"), matrix_set_diag, 2),
    Group("UNIQUE", NUMBERS, unique, 2),
    Group("BROADCAST_ARGS", ("int32", "int64"), broadcast_args, 3),
    Group("BUCKETIZE", ("float32", "int32", "int64", "float64"), bucketize, 3),
    Group("ADD_N", ("float32", "int32"), add_n, 3),
    Group("L2_POOL_2D", ("float32",), l2_pool, 6),
    Group("LOCAL_RESPONSE_NORMALIZATION", ("float32",), response_normalization, 4),
    Group("FAKE_QUANT", ("float32",), fake_quant, 6),
    Group("RESIZE_NEAREST_NEIGHBOR", ("int32", "uint32", "float16", "bool"), nearest, 3),
    Group("WHERE", (*EIGHT_BIT, "float32", "int32", "int64", "uint32"), where, 2),
    *(Group(op, ("bool",), partial(arg, op), 2) for op in ("ARG_MAX", "ARG_MIN")),
    *(Group(op, ("bool",), partial(reduced, op), 2)
      for op in ("REDUCE_MAX", "REDUCE_MIN", "REDUCE_ANY", "REDUCE_ALL", "SUM")),
    *(Group(op, ("int32", "int64"), partial(reduced, op), 2)
      for op in ("REDUCE_MAX", "REDUCE_MIN", "MEAN", "SUM")),
    Group("DEQUANTIZE", ("int4",), dequantize_nibbles, 4),
)  # fmt: skip
