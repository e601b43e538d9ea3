"""Broad cases of operators that compute: elementwise, pools, reductions, functions, comparisons."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.testing import TensorSpec

from .broad import (
    Drawn,
    broad,
    broadcast_sizes,
    constant,
    like,
    number,
    of_one,
    size,
    sizes,
    vector,
)
from .make import FUSED, QUANTIZED, grid, values

FIXED = {
    "SOFTMAX": {"uint8": (1 / 256, 0), "int8": (1 / 256, -128), "int16": (1 / 32768, 0)},
    "LOGISTIC": {"uint8": (1 / 256, 0), "int8": (1 / 256, -128), "int16": (1 / 32768, 0)},
    "TANH": {"uint8": (1 / 128, 128), "int8": (1 / 128, 0), "int16": (1 / 32768, 0)},
    "LOG_SOFTMAX": {"uint8": (1 / 16, 255), "int8": (1 / 16, 127)},
    "L2_NORMALIZATION": {"uint8": (1 / 128, 128), "int8": (1 / 128, 0)},
}
SAME_GRID = ("MAXIMUM", "MINIMUM", "REDUCE_MAX", "REDUCE_MIN", "NEG")
FUSES = ("ADD", "SUB", "MUL", "DIV")


def _output(rng, opcode: str, dtype: str, same: dict, middle: float) -> TensorSpec:
    """An output of the operand's type: on the grid that TFLite fixes, the operand's, or another."""
    if opcode in FIXED and dtype in FIXED[opcode]:
        scale, zero = FIXED[opcode][dtype]
        return TensorSpec(dtype, (), scale, zero)
    return like(dtype, same if opcode in SAME_GRID else grid(rng, dtype, middle))


def two(opcode: str, rng, dtype: str) -> Drawn:
    """Two operands, broadcast against each other; the second sometimes a constant."""
    shapes = broadcast_sizes(rng)
    grids = [grid(rng, dtype, spread=2.0) for _ in range(2)]
    if opcode in SAME_GRID:
        grids[1] = grids[0]
    first, second = (TensorSpec(dtype, s, **g) for s, g in zip(shapes, grids, strict=True))
    middle = 0.0
    if dtype in QUANTIZED:
        scales = [g["scale"] for g in grids]
        many = 10000.0 if dtype == "int16" else 60.0
        middle = {
            "MUL": scales[0] * scales[1] * many,
            "SQUARED_DIFFERENCE": max(scales) ** 2 * 60,
        }.get(opcode, max(scales))
    options = {}
    if opcode in FUSES:
        options["fused_activation_function"] = str(rng.choice(FUSED))
    if opcode in ("ADD", "SUB") and dtype == "int16":
        options["pot_scale_int16"] = False
    output = _output(rng, opcode, dtype, grids[0], middle)
    return Drawn([first, constant(rng, second)], [output], options)


def compared(rng, dtype: str) -> Drawn:
    """Scales below 1, as LiteRT needs them; four axes where it broadcasts."""
    first, second = broadcast_sizes(rng, 4)
    grids = [grid(rng, dtype, 0.2, 1.0) for _ in range(2)]
    operands = [TensorSpec(dtype, s, **g) for s, g in zip((first, second), grids, strict=True)]
    return Drawn(operands, [TensorSpec("bool", ())])


def one(opcode: str, rng, dtype: str, least_rank: int = 0, options=None) -> Drawn:
    data, same = of_one(rng, dtype, sizes(rng, least_rank))
    output = _output(rng, opcode, dtype, same, same.get("scale", 0.0))
    return Drawn([data], [output], options(rng) if options else {})


def softmax(rng, dtype: str) -> Drawn:
    shape = (*sizes(rng, 0, 3, none=0), int(rng.choice([1, 2, 5, 10, 100, 300])))
    data, same = of_one(rng, dtype, shape, 0.0005 if dtype == "int16" else 0.1)
    beta = float(np.float32(rng.choice([1.0, 1.0, 0.5, 2.0, 0.1, 10.0])))
    return Drawn([data], [_output(rng, "SOFTMAX", dtype, same, 0.0)], {"beta": beta})


def pool(rng, dtype: str) -> Drawn:
    """Windows larger than the image, strides larger than the window, even ones under SAME."""
    kernel, padding = rng.integers(1, 8, 2), str(rng.choice(["SAME", "VALID"]))
    image = rng.integers(1, 12, 2)
    if padding == "VALID":
        image = np.maximum(image, kernel)
    data, same = of_one(rng, dtype, (size(rng, 3), *map(int, image), int(rng.integers(1, 40))))
    options = {
        "padding": padding,
        "stride_h": int(rng.integers(1, 5)),
        "stride_w": int(rng.integers(1, 5)),
        "filter_height": int(kernel[0]),
        "filter_width": int(kernel[1]),
        "fused_activation_function": str(rng.choice(FUSED)),
    }
    return Drawn([data], [like(dtype, same)], options)


def reduction(opcode: str, rng, dtype: str) -> Drawn:
    """Any axes, negative ones and the same one twice, or none; one axis also as a scalar."""
    shape = sizes(rng)
    rank = len(shape)
    axes = [int(a) - (rank if rng.integers(0, 2) else 0) for a in rng.permutation(rank)]
    axes = axes[: int(rng.integers(0, rank + 1))]
    if axes and rng.integers(0, 8) == 0:
        axes.append(axes[0])
    data, same = of_one(rng, dtype, shape)
    wanted = number(axes[0]) if len(axes) == 1 and rng.integers(0, 2) else vector(axes)
    output = _output(rng, opcode, dtype, same, same.get("scale", 0.0) * 0.5)
    return Drawn([data, wanted], [output], {"keep_dims": bool(rng.integers(0, 2))})


def arg(rng, dtype: str) -> Drawn:
    data, _ = of_one(rng, dtype, sizes(rng, 1, none=0))
    kind = str(rng.choice(["int32", "int64"]))
    axis = number(int(rng.integers(-len(data.shape), len(data.shape))))
    return Drawn([data, axis], [TensorSpec(kind, ())], {"output_type": kind.upper()})


def prelu(rng, dtype: str) -> Drawn:
    shape = sizes(rng, 1, 4, none=0)
    thin = tuple(1 if rng.integers(0, 2) else n for n in shape)[int(rng.integers(0, 2)) :]
    kind = "int8" if dtype == "int16" else dtype
    slope = TensorSpec(kind, None, **grid(rng, kind, 0.01), data=values(rng, kind, thin or (1,)))
    data, same = of_one(rng, dtype, shape)
    return Drawn([data, slope], [like(dtype, grid(rng, dtype, same.get("scale")))])


def cast(rng, dtype: str) -> Drawn:
    kind = str(rng.choice([*QUANTIZED, "int32", "int64", "float32", "bool"]))
    options = {"in_data_type": dtype.upper(), "out_data_type": kind.upper()}
    return Drawn([of_one(rng, dtype)[0]], [like(kind, grid(rng, kind))], options)


def quantize(rng, dtype: str) -> Drawn:
    """To any integer type, also on the same scale."""
    kind = str(rng.choice(QUANTIZED))
    data, same = of_one(rng, dtype)
    scale = same.get("scale", 0.05)
    wanted = grid(rng, kind, scale)
    if rng.integers(0, 3) == 0:
        wanted["scale"] = scale
    if dtype == "int32":
        data = TensorSpec(dtype, data.shape, wanted["scale"] * 1.7, 0)
    return Drawn([data], [like(kind, wanted)])


def dequantize(rng, dtype: str) -> Drawn:
    return Drawn([of_one(rng, dtype)[0]], [TensorSpec("float32", ())])


def cumulative(rng, dtype: str) -> Drawn:
    data, same = of_one(rng, dtype, sizes(rng, 1, none=0))
    axis = number(int(rng.integers(-len(data.shape), len(data.shape))))
    options = {"exclusive": bool(rng.integers(0, 2)), "reverse": bool(rng.integers(0, 2))}
    return Drawn([data, axis], [like(dtype, same)], options)


def _slope(rng) -> dict:
    return {"alpha": float(np.float32(rng.choice([0.1, 0.3, -0.5, 1.0, 1.5, 0.0, 3.7])))}


PAIRED = ("ADD", "SUB", "MUL", "DIV", "FLOOR_DIV", "FLOOR_MOD", "SQUARED_DIFFERENCE", "MAXIMUM",
          "MINIMUM")  # fmt: skip
COMPARED = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")
SINGLE = ("LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "HARD_SWISH", "ABS",
          "NEG", "EXP", "LOG", "SQUARE", "FLOOR", "SIGN", "SIN", "COS", "ZEROS_LIKE",
          "LOGICAL_NOT", "SQRT", "RSQRT")  # fmt: skip

GROUPS = (
    *(broad(opcode, partial(two, opcode)) for opcode in PAIRED),
    *(broad(opcode, partial(two, opcode)) for opcode in ("LOGICAL_AND", "LOGICAL_OR", "POW")),
    *(broad(opcode, compared) for opcode in COMPARED),
    *(broad(opcode, partial(one, opcode)) for opcode in SINGLE),
    *(
        broad(opcode, partial(one, opcode, least_rank=1))
        for opcode in ("LOG_SOFTMAX", "L2_NORMALIZATION")
    ),
    broad("LEAKY_RELU", partial(one, "LEAKY_RELU", options=_slope)),
    broad("GELU", partial(one, "GELU", options=lambda r: {"approximate": bool(r.integers(0, 2))})),
    broad("SOFTMAX", softmax),
    broad("AVERAGE_POOL_2D", pool),
    broad("MAX_POOL_2D", pool),
    *(
        broad(opcode, partial(reduction, opcode))
        for opcode in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ANY", "REDUCE_ALL")
    ),
    broad("ARG_MAX", arg),
    broad("ARG_MIN", arg),
    broad("PRELU", prelu),
    broad("CAST", cast),
    broad("QUANTIZE", quantize),
    broad("DEQUANTIZE", dequantize),
    broad("CUMSUM", cumulative),
)
