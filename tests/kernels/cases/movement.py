"""Operators that move stored values without looking at them, and CONCATENATION."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.testing import TensorSpec

from .make import QUANTIZED, Case, Group, case, grid, index, shape

MOVED = (*QUANTIZED, "float32", "int32")


def _copy(rng, dtype: str, opcode: str, size, result, operands=(), options=None, version=1) -> Case:
    same = grid(rng, dtype)
    data, out = TensorSpec(dtype, size, **same), TensorSpec(dtype, result, **same)
    return case(rng, opcode, [data, *operands], [out], options, version=version)


def reshape(rng, dtype: str) -> Case:
    size = shape(rng, 4)
    result = (size[0] * size[1], size[2] * size[3])
    operands = [index(-1, result[1])] if rng.integers(0, 2) else []
    return _copy(rng, dtype, "RESHAPE", size, result, operands, {"new_shape": result})


def squeeze(rng, dtype: str) -> Case:
    a, b = shape(rng, 2, 2)
    named = bool(rng.integers(0, 2))
    result = (a, b, 1) if named else (a, b)
    dims = (0,) if named else ()
    return _copy(rng, dtype, "SQUEEZE", (1, a, b, 1), result, (), {"squeeze_dims": dims})


def expand_dims(rng, dtype: str) -> Case:
    size = shape(rng, 3)
    axis = int(rng.integers(-4, 4))
    place = axis + 4 if axis < 0 else axis
    result = (*size[:place], 1, *size[place:])
    return _copy(rng, dtype, "EXPAND_DIMS", size, result, [index(axis)])


def transpose(rng, dtype: str) -> Case:
    rank = int(rng.integers(2, 6))
    size, order = shape(rng, rank, 1, 4), rng.permutation(rank)
    result = [size[a] for a in order]
    return _copy(rng, dtype, "TRANSPOSE", size, result, [index(*order)])


def slice_(rng, dtype: str) -> Case:
    size = shape(rng, 4, 2, 5)
    begin = [int(rng.integers(0, n)) for n in size]
    length = [int(rng.integers(1, n - b + 1)) for n, b in zip(size, begin, strict=True)]
    asked = [-1 if rng.integers(0, 3) == 0 else n for n in length]
    result = [n - b if a < 0 else a for n, b, a in zip(size, begin, asked, strict=True)]
    return _copy(rng, dtype, "SLICE", size, result, [index(*begin), index(*asked)])


def strided_slice(rng, dtype: str) -> Case:
    size = shape(rng, 3, 2, 6)
    stride = [int(s) for s in rng.choice([-2, -1, 1, 2, 3], 3)]
    begin = [int(rng.integers(-n, n)) for n in size]
    end = [int(rng.integers(-n, n + 1)) for n in size]
    masks = {"begin_mask": int(rng.integers(0, 8)), "end_mask": int(rng.integers(0, 8))}
    extra = int(rng.integers(0, 4))
    if extra == 0:
        masks["shrink_axis_mask"] = axis_bit = 1 << int(rng.integers(0, 3))
        stride = [1 if axis_bit >> i & 1 else s for i, s in enumerate(stride)]
        masks["begin_mask"] &= ~axis_bit
        masks["end_mask"] &= ~axis_bit
    elif extra == 1:
        masks["ellipsis_mask"] = 1
        masks["begin_mask"] &= ~1
        masks["end_mask"] &= ~1
    elif extra == 2:
        masks["new_axis_mask"] = 1
        masks["begin_mask"] &= ~1
        masks["end_mask"] &= ~1
        begin, end, stride = [0, *begin[:2]], [1, *end[:2]], [1, *stride[:2]]
    result = np.zeros(size)[_numpy_index(begin, end, stride, masks)].shape
    if 0 in result:
        return strided_slice(rng, dtype)
    operands = [index(*begin), index(*end), index(*stride)]
    return _copy(rng, dtype, "STRIDED_SLICE", size, result, operands, masks)


def _numpy_index(begin, end, stride, masks: dict):
    entries = []
    for i, (b, e, s) in enumerate(zip(begin, end, stride, strict=True)):

        def bit(name: str, i: int = i) -> int:
            return masks.get(name, 0) >> i & 1

        if bit("ellipsis_mask"):
            entries.append(Ellipsis)
        elif bit("new_axis_mask"):
            entries.append(None)
        elif bit("shrink_axis_mask"):
            entries.append(b)
        else:
            entries.append(
                slice(None if bit("begin_mask") else b, None if bit("end_mask") else e, s)
            )
    return tuple(entries)


def tile(rng, dtype: str) -> Case:
    size, times = shape(rng, 3, 1, 4), shape(rng, 3, 1, 3)
    result = [a * b for a, b in zip(size, times, strict=True)]
    return _copy(rng, dtype, "TILE", size, result, [index(*times)])


def gather(rng, dtype: str) -> Case:
    size = shape(rng, 3, 2, 5)
    batch = int(rng.integers(0, 2))
    axis = int(rng.integers(batch, 3))
    count = int(rng.integers(1, 5))
    inner = (size[0], count) if batch else (count,)
    picked = rng.integers(0, size[axis], inner).astype(np.int32)
    indices = TensorSpec("int32", data=picked)
    result = (*size[:axis], *inner[batch:], *size[axis + 1 :])
    options = {"axis": axis, "batch_dims": batch}
    return _copy(rng, dtype, "GATHER", size, result, [indices], options)


def gather_nd(rng, dtype: str) -> Case:
    size = shape(rng, 3, 2, 5)
    depth, count = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    picked = np.stack([rng.integers(0, size[i], count) for i in range(depth)], -1)
    indices = TensorSpec("int32", data=picked.astype(np.int32))
    return _copy(rng, dtype, "GATHER_ND", size, (count, *size[depth:]), [indices])


def pad(rng, dtype: str) -> Case:
    size = shape(rng, 4, 1, 4)
    frame = rng.integers(0, 3, (4, 2)).astype(np.int32)
    result = [int(n + a + b) for n, (a, b) in zip(size, frame, strict=True)]
    return _copy(rng, dtype, "PAD", size, result, [TensorSpec("int32", data=frame)])


def padv2(rng, dtype: str) -> Case:
    size = shape(rng, 4, 1, 4)
    frame = rng.integers(0, 3, (4, 2)).astype(np.int32)
    result = [int(n + a + b) for n, (a, b) in zip(size, frame, strict=True)]
    same = grid(rng, dtype)
    value = TensorSpec(dtype, data=np.array([rng.integers(0, 100)]).astype(dtype), **same)
    data, out = TensorSpec(dtype, size, **same), TensorSpec(dtype, result, **same)
    return case(rng, "PADV2", [data, TensorSpec("int32", data=frame), value], [out])


def mirror_pad(rng, dtype: str) -> Case:
    size = shape(rng, 3, 3, 5)
    frame = rng.integers(0, 3, (3, 2)).astype(np.int32)
    result = [int(n + a + b) for n, (a, b) in zip(size, frame, strict=True)]
    options = {"mode": str(rng.choice(["REFLECT", "SYMMETRIC"]))}
    operands = [TensorSpec("int32", data=frame)]
    return _copy(rng, dtype, "MIRROR_PAD", size, result, operands, options)


def space_to_depth(rng, dtype: str) -> Case:
    n, h, w, c = shape(rng, 4, 1, 3)
    b = int(rng.integers(2, 4))
    result = (n, h, w, c * b * b)
    return _copy(rng, dtype, "SPACE_TO_DEPTH", (n, h * b, w * b, c), result, (), {"block_size": b})


def depth_to_space(rng, dtype: str) -> Case:
    n, h, w, c = shape(rng, 4, 1, 3)
    b = int(rng.integers(2, 4))
    size = (n, h, w, c * b * b)
    return _copy(rng, dtype, "DEPTH_TO_SPACE", size, (n, h * b, w * b, c), (), {"block_size": b})


def space_to_batch(rng, dtype: str) -> Case:
    n, h, w, c = shape(rng, 4, 2, 5)
    block = [int(b) for b in rng.integers(1, 4, 2)]
    frame = []
    for size, b in zip((h, w), block, strict=True):
        before = int(rng.integers(0, 3))
        frame.append([before, -(size + before) % b])
    sizes = [(s + sum(f)) // b for s, f, b in zip((h, w), frame, block, strict=True)]
    operands = [index(*block), TensorSpec("int32", data=np.array(frame, np.int32))]
    result = (n * block[0] * block[1], *sizes, c)
    return _copy(rng, dtype, "SPACE_TO_BATCH_ND", (n, h, w, c), result, operands)


def batch_to_space(rng, dtype: str) -> Case:
    n, h, w, c = shape(rng, 4, 2, 4)
    block = [int(b) for b in rng.integers(1, 4, 2)]
    crops = rng.integers(0, 2, (2, 2)).astype(np.int32)
    sizes = [int(s * b - f.sum()) for s, f, b in zip((h, w), crops, block, strict=True)]
    if min(sizes) < 1:
        return batch_to_space(rng, dtype)
    operands = [index(*block), TensorSpec("int32", data=crops)]
    size = (n * block[0] * block[1], h, w, c)
    return _copy(rng, dtype, "BATCH_TO_SPACE_ND", size, (n, *sizes, c), operands)


def reverse(rng, dtype: str) -> Case:
    size = shape(rng, 3)
    return _copy(rng, dtype, "REVERSE_V2", size, size, [index(int(rng.integers(0, 3)))])


def broadcast_to(rng, dtype: str) -> Case:
    size = shape(rng, 3)
    result = tuple(int(rng.integers(1, 4)) if n == 1 else n for n in size)
    return _copy(rng, dtype, "BROADCAST_TO", size, result, [index(*result)], version=2)


def split(rng, dtype: str) -> Case:
    size = list(shape(rng, 3, 1, 3))
    axis, parts = int(rng.integers(0, 3)), int(rng.integers(1, 4))
    result = tuple(size)
    size[axis] *= parts
    same = grid(rng, dtype)
    outs = [TensorSpec(dtype, result, **same) for _ in range(parts)]
    data = TensorSpec(dtype, size, **same)
    axis_spec = TensorSpec("int32", data=np.array(axis, np.int32))
    return case(rng, "SPLIT", [axis_spec, data], outs, {"num_splits": parts})


def split_v(rng, dtype: str) -> Case:
    sizes = [int(n) for n in rng.integers(1, 4, rng.integers(1, 4))]
    rest = list(shape(rng, 3, 1, 3))
    axis = int(rng.integers(0, 3))
    same = grid(rng, dtype)
    outs = [TensorSpec(dtype, [*rest[:axis], n, *rest[axis + 1 :]], **same) for n in sizes]
    data = TensorSpec(dtype, [*rest[:axis], sum(sizes), *rest[axis + 1 :]], **same)
    asked = list(sizes)
    if rng.integers(0, 2):
        asked[int(rng.integers(0, len(asked)))] = -1
    operands = [data, index(*asked), TensorSpec("int32", data=np.array(axis, np.int32))]
    return case(rng, "SPLIT_V", operands, outs, {"num_splits": len(sizes)})


def pack(rng, dtype: str) -> Case:
    size, count = shape(rng, 3, 1, 4), int(rng.integers(1, 4))
    axis = int(rng.integers(0, 4))
    same = grid(rng, dtype)
    parts = [TensorSpec(dtype, size, **same) for _ in range(count)]
    out = TensorSpec(dtype, (*size[:axis], count, *size[axis:]), **same)
    return case(rng, "PACK", parts, [out], {"axis": axis, "values_count": count})


def unpack(rng, dtype: str) -> Case:
    size = shape(rng, 3, 1, 4)
    axis = int(rng.integers(0, 3))
    same = grid(rng, dtype)
    rest = (*size[:axis], *size[axis + 1 :])
    outs = [TensorSpec(dtype, rest, **same) for _ in range(size[axis])]
    options = {"axis": axis, "num": size[axis]}
    return case(rng, "UNPACK", [TensorSpec(dtype, size, **same)], outs, options)


def concatenation(rng, dtype: str) -> Case:
    """uint8 operands may have scales of their own."""
    size, count = shape(rng, 4, 1, 4), int(rng.integers(1, 4))
    axis = int(rng.integers(0, 4))
    same = grid(rng, dtype)
    parts, total = [], 0
    for _ in range(count):
        part = list(size)
        part[axis] = int(rng.integers(1, 4))
        total += part[axis]
        own = grid(rng, dtype, same["scale"]) if dtype == "uint8" and rng.integers(0, 2) else same
        parts.append(TensorSpec(dtype, part, **own))
    out = TensorSpec(dtype, (*size[:axis], total, *size[axis + 1 :]), **same)
    return case(rng, "CONCATENATION", parts, [out], {"axis": axis})


GROUPS = (
    Group("RESHAPE", MOVED, reshape, 3),
    Group("SQUEEZE", MOVED, squeeze, 3),
    Group("EXPAND_DIMS", MOVED, expand_dims, 4),
    Group("TRANSPOSE", MOVED, transpose, 6),
    Group("SLICE", MOVED, slice_, 6),
    Group("STRIDED_SLICE", (*QUANTIZED, "float32", "int32"), strided_slice, 16),
    Group("TILE", ("uint8", "float32", "int32"), tile, 4),
    Group("GATHER", (*QUANTIZED, "float32"), gather, 6),
    Group("GATHER_ND", (*QUANTIZED, "float32"), gather_nd, 4),
    Group("PAD", MOVED, pad, 6),
    Group("PADV2", (*QUANTIZED, "float32"), padv2, 4),
    Group("MIRROR_PAD", ("uint8", "int8", "float32"), mirror_pad, 4),
    Group("SPACE_TO_DEPTH", ("uint8", "int8", "float32"), space_to_depth, 3),
    Group("DEPTH_TO_SPACE", ("uint8", "int8", "float32"), depth_to_space, 3),
    Group("SPACE_TO_BATCH_ND", (*QUANTIZED, "float32"), space_to_batch, 6),
    Group("BATCH_TO_SPACE_ND", (*QUANTIZED, "float32"), batch_to_space, 6),
    Group("REVERSE_V2", ("uint8", "int16", "float32"), reverse, 3),
    Group("BROADCAST_TO", ("uint8", "int8", "float32"), broadcast_to, 4),
    Group("SPLIT", MOVED, split, 4),
    Group("SPLIT_V", MOVED, split_v, 4),
    Group("PACK", MOVED, partial(pack), 4),
    Group("UNPACK", MOVED, partial(unpack), 4),
    Group("CONCATENATION", QUANTIZED, concatenation, 10),
)
