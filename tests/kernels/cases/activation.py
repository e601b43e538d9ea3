"""Functions of one operand: activations, tables, softmaxes. 8-bit ones on all their values."""

from __future__ import annotations

from functools import partial

import numpy as np

from tflite_requant.model import Model
from tflite_requant.testing import TensorSpec, one_operator_model

from .make import EIGHT_BIT, QUANTIZED, Case, Group, case, grid, limits, scale, shape


def _everything(rng, dtype: str) -> np.ndarray:
    """Every 8-bit value; of int16 the ends, what is around 0, and 2000 others."""
    low, high = limits(dtype)
    if dtype != "int16":
        return np.arange(low, high + 1).astype(dtype)
    near = np.arange(-600, 600)
    return np.concatenate([[low, high], near, rng.integers(low, high, 2000)]).astype(dtype)


def _function(opcode: str, rng, dtype: str, out: dict, data: dict, options=None) -> Case:
    fed = _everything(rng, dtype)[None]
    model: Model = one_operator_model(
        opcode,
        [TensorSpec(dtype, fed.shape, **data)],
        [TensorSpec(dtype, fed.shape, **out)],
        options,
    )
    return Case(model, [[fed]], f"{opcode} {options or {}} {data} -> {out}")


def _relu(opcode: str, rng, dtype: str) -> Case:
    data = grid(rng, dtype)
    return _function(opcode, rng, dtype, grid(rng, dtype, data["scale"], 0.5), data)


def leaky_relu(rng, dtype: str) -> Case:
    data = grid(rng, dtype)
    options = {"alpha": float(np.float32(rng.choice([0.1, 0.25, 1.5, -0.3, rng.uniform(0, 1)])))}
    return _function("LEAKY_RELU", rng, dtype, grid(rng, dtype, data["scale"]), data, options)


def hard_swish(rng, dtype: str) -> Case:
    data = grid(rng, dtype, 0.05, 2.0)
    return _function("HARD_SWISH", rng, dtype, grid(rng, dtype, data["scale"], 0.7), data)


def _output_of(dtype: str) -> dict[str, float | int]:
    """LOGISTIC's fixed output grid."""
    if dtype == "int16":
        return {"scale": 2.0**-15}
    return {"scale": 1 / 256, "zero_point": limits(dtype)[0]}


def logistic(rng, dtype: str) -> Case:
    return _function("LOGISTIC", rng, dtype, _output_of(dtype), _sigmoid_input(rng, dtype))


def tanh(rng, dtype: str) -> Case:
    out = grid(rng, dtype, 1 / 128, 0.5) if dtype != "int16" else {"scale": 2.0**-15}
    return _function("TANH", rng, dtype, out, _sigmoid_input(rng, dtype))


def _sigmoid_input(rng, dtype: str) -> dict:
    """int16 also at the power-of-two scales that have an arithmetic of their own."""
    if dtype == "int16" and rng.integers(0, 2):
        return {"scale": float(rng.choice([2.0**-11, 2.0**-12]))}
    return grid(rng, dtype, None, 2.0)


def _table(opcode: str, middle: float, rng, dtype: str) -> Case:
    data = grid(rng, dtype, 0.02 if dtype != "int16" else 0.0001)
    size = middle if dtype != "int16" else middle / 256
    options = {"approximate": bool(rng.integers(0, 2))} if opcode == "GELU" else None
    return _function(opcode, rng, dtype, grid(rng, dtype, size), data, options)


def absolute(rng, dtype: str) -> Case:
    data = grid(rng, dtype)
    out = data if rng.integers(0, 2) else grid(rng, dtype, data["scale"])
    return _function("ABS", rng, dtype, out, data)


def negative(rng, dtype: str) -> Case:
    data = grid(rng, dtype)
    return _function("NEG", rng, dtype, data, data)


def _root(opcode: str, rng, dtype: str) -> Case:
    """Nothing below the zero point, where LiteRT refuses."""
    data = grid(rng, dtype, 0.02 if dtype != "int16" else 0.0001)
    middle = 0.01 if dtype != "int16" else 0.00005
    found = _function(opcode, rng, dtype, grid(rng, dtype, middle * 3), data)
    found.runs[0][0] = np.maximum(found.runs[0][0], np.array(data["zero_point"], dtype))
    return found


def softmax(rng, dtype: str) -> Case:
    """Rows short enough that the sum of exponentials stays below 512, where LiteRT aborts."""
    size = (*shape(rng, 2, 1, 3), int(rng.integers(1, 300)))
    middle = 0.1 if dtype != "int16" else 0.0005
    data = TensorSpec(dtype, size, **grid(rng, dtype, middle, 2.5))
    low = limits(dtype)[0]
    fixed = {"scale": 2.0**-15} if dtype == "int16" else {"scale": 1 / 256, "zero_point": low}
    options = {"beta": float(rng.choice([1.0, 0.5, 3.0]))}
    return case(rng, "SOFTMAX", [data], [TensorSpec(dtype, size, **fixed)], options)


def log_softmax(rng, dtype: str) -> Case:
    size = (*shape(rng, 2, 1, 3), int(rng.integers(1, 60)))
    data = TensorSpec(dtype, size, **grid(rng, dtype, 0.1, 2.0))
    out = TensorSpec(dtype, size, 1 / 16, 255 if dtype == "uint8" else 127)
    return case(rng, "LOG_SOFTMAX", [data], [out])


def l2_normalization(rng, dtype: str) -> Case:
    size = (*shape(rng, 3, 1, 3), int(rng.integers(1, 40)))
    data = TensorSpec(dtype, size, scale(rng), int(rng.integers(*limits(dtype))))
    out = TensorSpec(dtype, size, 1 / 128, 128 if dtype == "uint8" else 0)
    return case(rng, "L2_NORMALIZATION", [data], [out])


GROUPS = (
    Group("RELU", QUANTIZED, partial(_relu, "RELU")),
    Group("RELU6", QUANTIZED, partial(_relu, "RELU6")),
    Group("RELU_N1_TO_1", EIGHT_BIT, partial(_relu, "RELU_N1_TO_1")),
    Group("RELU_0_TO_1", EIGHT_BIT, partial(_relu, "RELU_0_TO_1")),
    Group("LEAKY_RELU", QUANTIZED, leaky_relu, 12),
    Group("HARD_SWISH", EIGHT_BIT, hard_swish, 20),
    Group("LOGISTIC", QUANTIZED, logistic, 12),
    Group("TANH", QUANTIZED, tanh, 12),
    Group("EXP", ("int8", "int16"), partial(_table, "EXP", 0.05)),
    Group("LOG", ("int8", "int16"), partial(_table, "LOG", 0.03)),
    Group("GELU", EIGHT_BIT, partial(_table, "GELU", 0.03), 12),
    Group("ABS", ("int8", "int16"), absolute),
    Group("NEG", ("int8", "int16"), negative, 2),
    Group("SQRT", ("int8", "int16"), partial(_root, "SQRT")),
    Group("RSQRT", ("int8", "int16"), partial(_root, "RSQRT")),
    Group("SOFTMAX", QUANTIZED, softmax, 20),
    Group("LOG_SOFTMAX", EIGHT_BIT, log_softmax, 16),
    Group("L2_NORMALIZATION", EIGHT_BIT, l2_normalization, 12),
)
