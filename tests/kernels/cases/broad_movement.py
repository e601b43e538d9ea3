"""Broad cases of operators that move stored values."""

from __future__ import annotations

import numpy as np

from tflite_requant.testing import TensorSpec

from .broad import (
    Drawn,
    broad,
    broadcast_sizes,
    constant,
    flipped_axis,
    like,
    number,
    of_one,
    size,
    sizes,
    vector,
    whole,
)
from .make import EIGHT_BIT, grid, values


def _moved(rng, dtype: str, shape, operands=(), options=None, version: int = 1) -> Drawn:
    data, same = of_one(rng, dtype, shape)
    return Drawn([data, *operands], [like(dtype, same)], options or {}, version)


def reshape(rng, dtype: str) -> Drawn:
    shape = sizes(rng)
    count = int(np.prod(shape))
    choices = [[count], [-1] if count else [0], [1, count, 1], list(shape[::-1])]
    wanted = choices[int(rng.integers(0, 4))]
    operands = [vector(wanted)] if rng.integers(0, 2) else []
    return _moved(rng, dtype, shape, operands, {"new_shape": tuple(wanted)})


def squeeze(rng, dtype: str) -> Drawn:
    shape = tuple(1 if rng.integers(0, 2) else n for n in sizes(rng))
    ones = [i for i, n in enumerate(shape) if n == 1 and rng.integers(0, 2)]
    dims = tuple(flipped_axis(rng, i, len(shape)) for i in ones)
    return _moved(rng, dtype, shape, (), {"squeeze_dims": dims})


def expand_dims(rng, dtype: str) -> Drawn:
    shape = sizes(rng, 0, 4)
    axis = int(rng.integers(-len(shape) - 1, len(shape) + 1))
    return _moved(rng, dtype, shape, [number(axis, whole(rng))])


def transpose(rng, dtype: str) -> Drawn:
    shape = sizes(rng, 1)
    order = rng.permutation(len(shape))
    return _moved(
        rng, dtype, shape, [vector(order - (len(shape) if rng.integers(0, 4) == 0 else 0))]
    )


def slice_(rng, dtype: str) -> Drawn:
    shape, kind = sizes(rng), whole(rng)
    begin = [int(rng.integers(0, n + 1)) for n in shape]
    length = [
        -1 if rng.integers(0, 4) == 0 else int(rng.integers(0, n - b + 1))
        for n, b in zip(shape, begin, strict=True)
    ]
    return _moved(rng, dtype, shape, [vector(begin, kind), vector(length, kind)])


def strided_slice(rng, dtype: str) -> Drawn:
    shape = sizes(rng, 1)
    rank = len(shape)
    stride = [int(s) for s in rng.choice([-3, -2, -1, 1, 1, 2, 3], rank)]
    begin = [int(rng.integers(-n - 2, n + 3)) for n in shape]
    end = [int(rng.integers(-n - 2, n + 3)) for n in shape]
    masks = {name: int(rng.integers(0, 1 << rank)) for name in ("begin_mask", "end_mask")}
    kind, axis = int(rng.integers(0, 5)), int(rng.integers(0, rank))
    if kind == 0 and shape[axis]:
        begin[axis], stride[axis] = int(rng.integers(-shape[axis], shape[axis])), 1
        masks["begin_mask"] &= ~(1 << axis)
        masks["shrink_axis_mask"] = 1 << axis
    elif kind == 1:
        masks["ellipsis_mask"] = 1 << axis
    elif kind == 2 and rank < 5:
        masks["new_axis_mask"] = 1 << axis
    elif kind == 3:
        named = int(rng.integers(1, rank + 1))
        begin, end, stride = begin[:named], end[:named], stride[:named]
    elif kind == 4 and all(shape):
        begin = [int(rng.integers(0, n)) for n in shape]
        end = [int(rng.integers(0, n - b + 1)) for n, b in zip(shape, begin, strict=True)]
        masks, stride = {"offset": True}, [1] * rank
    return _moved(rng, dtype, shape, [vector(begin), vector(end), vector(stride)], masks)


def tile(rng, dtype: str) -> Drawn:
    shape = sizes(rng, 1)
    return _moved(rng, dtype, shape, [vector(rng.integers(1, 4, len(shape)), whole(rng))])


def pad(rng, dtype: str) -> Drawn:
    shape = sizes(rng)
    return _moved(rng, dtype, shape, [vector(rng.integers(0, 4, (len(shape), 2)), whole(rng))])


def padv2(rng, dtype: str) -> Drawn:
    drawn = pad(rng, dtype)
    data = drawn.inputs[0]
    fill = np.full((), data.zero_point, dtype) if data.scale else values(rng, dtype, ())
    filler = TensorSpec(dtype, None, data.scale, data.zero_point, data=fill)
    return Drawn([*drawn.inputs, filler], drawn.outputs)


def mirror_pad(rng, dtype: str) -> Drawn:
    shape, mode = sizes(rng, 1, none=0), str(rng.choice(["REFLECT", "SYMMETRIC"]))
    most = [n - (mode == "REFLECT") for n in shape]
    frame = [[int(rng.integers(0, m + 1)) for _ in range(2)] for m in most]
    return _moved(rng, dtype, shape, [vector(frame, whole(rng))], {"mode": mode})


def broadcast_to(rng, dtype: str) -> Drawn:
    shape = sizes(rng, 0, 4)
    ahead = [int(n) for n in rng.integers(1, 3, rng.integers(0, 3))]
    wanted = [*ahead, *(int(rng.integers(1, 5)) if n == 1 else n for n in shape)]
    return _moved(rng, dtype, shape, [vector(wanted, whole(rng))], version=2)


def reverse(rng, dtype: str) -> Drawn:
    shape = sizes(rng, 1, none=0)
    first = int(rng.integers(0, len(shape)))
    axes = list(range(first, int(rng.integers(first, len(shape))) + 1))
    return _moved(rng, dtype, shape, [vector(axes)])


def gather(rng, dtype: str) -> Drawn:
    shape = sizes(rng, 1, 4, none=0)
    axis = int(rng.integers(0, len(shape)))
    batch = int(rng.integers(0, axis + 1)) if rng.integers(0, 2) else 0
    picked = (*shape[:batch], *(int(n) for n in rng.integers(1, 4, rng.integers(0, 3))))
    indices = vector(rng.integers(0, shape[axis], picked), whole(rng))
    told = axis if batch else flipped_axis(rng, axis, len(shape))
    return _moved(rng, dtype, shape, [indices], {"axis": told, "batch_dims": batch})


def gather_nd(rng, dtype: str) -> Drawn:
    shape = sizes(rng, 1, 4, none=0)
    depth = int(rng.integers(1, len(shape) + 1))
    lead = [int(n) for n in rng.integers(1, 4, rng.integers(0, 3))]
    picked = np.stack([rng.integers(0, shape[i], lead) for i in range(depth)], -1)
    return _moved(rng, dtype, shape, [vector(picked, whole(rng))])


def _squares(rng) -> tuple[int, list[int]]:
    return int(rng.integers(1, 4)), [int(n) for n in rng.integers(1, 4, 4)]


def space_to_depth(rng, dtype: str) -> Drawn:
    block, (n, h, w, c) = _squares(rng)
    return _moved(rng, dtype, (n, h * block, w * block, c), (), {"block_size": block})


def depth_to_space(rng, dtype: str) -> Drawn:
    block, (n, h, w, c) = _squares(rng)
    return _moved(rng, dtype, (n, h, w, c * block * block), (), {"block_size": block})


def space_to_batch(rng, dtype: str) -> Drawn:
    """Images, or rows of them (rank 3)."""
    count = int(rng.choice([1, 2, 2]))
    blocks, spatial = rng.integers(1, 4, count), rng.integers(1, 6, count)
    before = rng.integers(0, 3, count)
    frame = np.stack([before, -(spatial + before) % blocks], -1)
    shape = (int(rng.integers(1, 3)), *(int(n) for n in spatial), int(rng.integers(1, 4)))
    return _moved(rng, dtype, shape, [vector(blocks), vector(frame)])


def batch_to_space(rng, dtype: str) -> Drawn:
    count = int(rng.choice([1, 2, 2]))
    blocks, spatial = rng.integers(1, 4, count), rng.integers(1, 5, count)
    crops = np.stack([np.minimum(rng.integers(0, 2, count), spatial * blocks - 1), 0 * blocks], -1)
    batch = int(rng.integers(1, 3) * np.prod(blocks))
    shape = (batch, *(int(n) for n in spatial), int(rng.integers(1, 4)))
    return _moved(rng, dtype, shape, [vector(blocks), vector(crops)])


def split(rng, dtype: str) -> Drawn:
    shape, count = list(sizes(rng, 1, none=0)), int(rng.integers(1, 5))
    axis = int(rng.integers(0, len(shape)))
    shape[axis] *= count
    data, same = of_one(rng, dtype, shape)
    outputs = [like(dtype, same) for _ in range(count)]
    place = number(flipped_axis(rng, axis, len(shape)))
    return Drawn([place, data], outputs, {"num_splits": count})


def split_v(rng, dtype: str) -> Drawn:
    shape, parts = list(sizes(rng, 1, none=0)), [size(rng, 4) for _ in range(rng.integers(1, 5))]
    axis = int(rng.integers(0, len(shape)))
    shape[axis] = sum(parts)
    data, same = of_one(rng, dtype, shape)
    outputs = [like(dtype, same) for _ in parts]
    asked = list(parts)
    if rng.integers(0, 2):
        asked[int(rng.integers(0, len(asked)))] = -1
    operands = [data, vector(asked, whole(rng)), number(flipped_axis(rng, axis, len(shape)))]
    return Drawn(operands, outputs, {"num_splits": len(parts)})


def pack(rng, dtype: str) -> Drawn:
    shape, count, same = sizes(rng, 0, 4), int(rng.integers(1, 5)), grid(rng, dtype)
    axis = int(rng.integers(-len(shape) - 1, len(shape) + 1))
    parts = [TensorSpec(dtype, shape, **same) for _ in range(count)]
    return Drawn(parts, [like(dtype, same)], {"axis": axis, "values_count": count})


def unpack(rng, dtype: str) -> Drawn:
    data, same = of_one(rng, dtype, sizes(rng, 1, none=0))
    axis = int(rng.integers(-len(data.shape), len(data.shape)))
    count = data.shape[axis]
    outputs = [like(dtype, same) for _ in range(count)]
    return Drawn([data], outputs, {"axis": axis, "num": count})


def concatenation(rng, dtype: str) -> Drawn:
    """uint8 operands may have grids of their own."""
    shape, same = list(sizes(rng, 1)), grid(rng, dtype)
    axis, parts = int(rng.integers(0, len(shape))), []
    for _ in range(int(rng.integers(1, 6))):
        shape[axis] = size(rng)
        own = grid(rng, dtype, same["scale"]) if dtype == "uint8" and rng.integers(0, 2) else same
        parts.append(constant(rng, TensorSpec(dtype, tuple(shape), **own)))
    if all(part.data is not None for part in parts):
        return concatenation(rng, dtype)
    options = {"axis": flipped_axis(rng, axis, len(shape))}
    return Drawn(parts, [like(dtype, same)], options)


def select(rng, dtype: str) -> Drawn:
    data, same = of_one(rng, dtype)
    rows = data.shape[:1] if data.shape and rng.integers(0, 2) else data.shape
    operands = [TensorSpec("bool", rows), data, TensorSpec(dtype, data.shape, **same)]
    return Drawn(operands, [like(dtype, same)])


def select_v2(rng, dtype: str) -> Drawn:
    first, second = broadcast_sizes(rng)
    same = grid(rng, dtype)
    condition = TensorSpec("bool", first if rng.integers(0, 2) else second)
    operands = [condition, TensorSpec(dtype, first, **same), TensorSpec(dtype, second, **same)]
    return Drawn(operands, [like(dtype, same)])


def top_k(rng, dtype: str) -> Drawn:
    data, same = of_one(rng, dtype, (*sizes(rng, 0, 3, none=0), int(rng.integers(1, 12))))
    count = number(int(rng.integers(0, data.shape[-1] + 1)))
    return Drawn([data, count], [like(dtype, same), TensorSpec("int32", ())])


def shape_of(rng, dtype: str) -> Drawn:
    kind = whole(rng)
    data, _ = of_one(rng, dtype, sizes(rng, 1))
    return Drawn([data], [TensorSpec(kind, ())], {"out_type": kind.upper()})


def rank_of(rng, dtype: str) -> Drawn:
    return Drawn([of_one(rng, dtype)[0]], [TensorSpec("int32", ())])


def fill(rng, dtype: str) -> Drawn:
    """`dtype` is the type of the shape; what is filled in is of any."""
    kind = str(rng.choice(["float32", "int32", "int64", "bool", "int8", "int16"]))
    value = TensorSpec(kind, (), **grid(rng, kind))
    return Drawn([vector(sizes(rng), dtype), value], [value])


def range_of(rng, dtype: str) -> Drawn:
    start, steps = int(rng.integers(-20, 20)), int(rng.integers(1, 20))
    delta = int(rng.choice([-3, -1, 1, 2, 7])) * (0.37 if dtype == "float32" else 1)
    numbers = [number(n, dtype) for n in (start, start + steps * delta, delta)]
    return Drawn(numbers, [TensorSpec(dtype, ())])


def where(rng, dtype: str) -> Drawn:
    return Drawn(
        [of_one(rng, dtype, (*sizes(rng, 0, 3, none=0), 40))[0]], [TensorSpec("int64", ())]
    )


def resize(rng, dtype: str) -> Drawn:
    shape = (size(rng, 3), *(int(n) for n in rng.integers(1, 10, 2)), int(rng.integers(1, 20)))
    data, same = of_one(rng, dtype, shape)
    kind = int(rng.integers(0, 3))
    options = {"align_corners": kind == 1, "half_pixel_centers": kind == 2}
    return Drawn([data, vector(rng.integers(1, 20, 2))], [like(dtype, same)], options)


GROUPS = (
    broad("RESHAPE", reshape),
    broad("SQUEEZE", squeeze),
    broad("EXPAND_DIMS", expand_dims),
    broad("TRANSPOSE", transpose),
    broad("SLICE", slice_),
    broad("STRIDED_SLICE", strided_slice),
    broad("TILE", tile),
    broad("PAD", pad),
    broad("PADV2", padv2),
    broad("MIRROR_PAD", mirror_pad),
    broad("BROADCAST_TO", broadcast_to),
    broad("REVERSE_V2", reverse),
    broad("GATHER", gather),
    broad("GATHER_ND", gather_nd),
    broad("SPACE_TO_DEPTH", space_to_depth),
    broad("DEPTH_TO_SPACE", depth_to_space),
    broad("SPACE_TO_BATCH_ND", space_to_batch),
    broad("BATCH_TO_SPACE_ND", batch_to_space),
    broad("SPLIT", split),
    broad("SPLIT_V", split_v),
    broad("PACK", pack),
    broad("UNPACK", unpack),
    broad("CONCATENATION", concatenation),
    broad("SELECT", select, (*EIGHT_BIT, "int16", "float32", "int32", "int64", "bool")),
    broad("SELECT_V2", select_v2, (*EIGHT_BIT, "int16", "float32", "int32", "int64", "bool")),
    broad("TOPK_V2", top_k),
    broad("SHAPE", shape_of),
    broad("RANK", rank_of),
    broad("FILL", fill),
    broad("RANGE", range_of),
    broad("WHERE", where),
    broad("RESIZE_BILINEAR", resize),
    broad("RESIZE_NEAREST_NEIGHBOR", resize),
)
