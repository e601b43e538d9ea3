"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

from functools import partial

from tflite_requant.testing import TensorSpec

from .make import FUSED, QUANTIZED, Case, Group, case, grid, shape


def _pool(opcode: str, rng, dtype: str) -> Case:
    n, h, w, c = shape(rng, 4, 2, 7)
    kernel = [int(rng.integers(1, size + 1)) for size in (h, w)]
    stride = [int(s) for s in rng.integers(1, 4, 2)]
    same = grid(rng, dtype)
    padding = str(rng.choice(["SAME", "VALID"]))
    out = [
        -(-size // s) if padding == "SAME" else (size + s - k) // s
        for size, s, k in zip((h, w), stride, kernel, strict=True)
    ]
    options = {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "filter_height": kernel[0],
        "filter_width": kernel[1],
        "fused_activation_function": str(rng.choice(FUSED)),
    }
    data = TensorSpec(dtype, (n, h, w, c), **same)
    return case(rng, opcode, [data], [TensorSpec(dtype, (n, *out, c), **same)], options)


GROUPS = (
    Group("AVERAGE_POOL_2D", QUANTIZED, partial(_pool, "AVERAGE_POOL_2D"), 16),
    Group("MAX_POOL_2D", QUANTIZED, partial(_pool, "MAX_POOL_2D")),
)
