"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR in their three modes."""

from __future__ import annotations

from functools import partial

from tflite_requant.testing import TensorSpec

from .make import QUANTIZED, Case, Group, case, grid, index, shape


def _resize(opcode: str, rng, dtype: str) -> Case:
    n, h, w, c = shape(rng, 4, 1, 9)
    height, width = (int(s) for s in rng.integers(1, 20, 2))
    mode = int(rng.integers(0, 3))
    options = {"align_corners": mode == 1, "half_pixel_centers": mode == 2}
    same = grid(rng, dtype)
    data = TensorSpec(dtype, (n, h, w, c), **same)
    out = TensorSpec(dtype, (n, height, width, c), **same)
    return case(rng, opcode, [data, index(height, width)], [out], options)


GROUPS = (
    Group("RESIZE_BILINEAR", (*QUANTIZED, "float32"), partial(_resize, "RESIZE_BILINEAR"), 30),
    Group("RESIZE_NEAREST_NEIGHBOR", QUANTIZED, partial(_resize, "RESIZE_NEAREST_NEIGHBOR"), 20),
)
