"""Seeded random numbers that a model's inputs may legally hold."""

from __future__ import annotations

import numpy as np

from tflite_requant.errors import SampleError
from tflite_requant.model import Model, Tensor
from tflite_requant.model.dtypes import NUMPY, RANGES

SHAPE_OPERAND = {"TRANSPOSE_CONV": 0, "RESHAPE": 1}  # the operand that says the output's shape


def random_inputs(model: Model, seed: int = 0, index: int = 0) -> tuple[np.ndarray, ...]:
    """One sample, in graph order; it depends on the seed, the index and the inputs' types alone.

    Every stored integer of 4 to 16 bits is equally likely, floats are uniform in [-1, 1). Inputs
    that say the shape of what an operator makes hold the shape that the file states; other wide
    integers and booleans are 0. Raises SampleError for an input that has no array form.
    """
    rng = np.random.default_rng([seed, index])
    shapes = _stated_shapes(model)
    return tuple(_random(t, rng, shapes.get(t.index)) for t in model.inputs)


def _random(tensor: Tensor, rng: np.random.Generator, stated: tuple[int, ...] | None) -> np.ndarray:
    if tensor.dtype not in NUMPY:
        raise SampleError(f"{tensor.label()}: random numbers cannot stand for {tensor.dtype}")
    kind = np.dtype(NUMPY[tensor.dtype])
    if stated is not None and np.shape(stated) == tensor.shape:
        return np.array(stated, kind)
    if kind.kind == "f":
        return rng.uniform(-1, 1, tensor.shape).astype(kind)
    if tensor.dtype in ("int4", "int8", "uint8", "int16"):
        low, high = RANGES[tensor.dtype]
        return rng.integers(low, high, tensor.shape, kind, endpoint=True)
    return np.zeros(tensor.shape, kind)


def _stated_shapes(model: Model) -> dict[int, tuple[int, ...]]:
    main = model.main
    return {
        op.input(SHAPE_OPERAND[op.opcode]): main.tensors[op.outputs[0]].shape
        for op in main.operators
        if op.opcode in SHAPE_OPERAND
    }
