"""Inputs for published models: noise, ends of every type, zero points, and photos where they fit.

Photos come from `$TFLITE_REQUANT_PHOTOS`, or lie beside the models in imagenet_sample/images.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tflite_requant.errors import SampleError
from tflite_requant.feeds import stored_values
from tflite_requant.model import Model, Tensor
from tflite_requant.samples import load_samples

WIDTHS = (1.0, 0.3)
PHOTOS = 2


def noise(tensor: Tensor, rng, width: float) -> np.ndarray:
    """Noise around the middle of the type's range; width 1 fills it."""
    if tensor.dtype == "float32":
        return (rng.standard_normal(tensor.shape) * width).astype(np.float32)
    if tensor.dtype == "bool":
        return rng.integers(0, 2, tensor.shape).astype(bool)
    info = np.iinfo(tensor.dtype)
    half = (int(info.max) - int(info.min)) * width / 2
    middle = (int(info.max) + int(info.min)) / 2
    return np.rint(middle + rng.uniform(-half, half, tensor.shape)).astype(tensor.dtype)


def constants(tensor: Tensor) -> Iterator[np.ndarray]:
    """The smallest value everywhere, the largest, and the one that stands for zero."""
    if tensor.dtype == "float32":
        ends, zero = (-3.0, 3.0), 0.0
    elif tensor.dtype == "bool":
        ends, zero = (False, True), False
    else:
        info = np.iinfo(tensor.dtype)
        ends = int(info.min), int(info.max)
        zero = tensor.qparams.zero_points[0] if tensor.qparams else 0
    for value in (*ends, zero):
        yield np.full(tensor.shape, value, tensor.dtype)


def photos(model: Model, models: Path, count: int) -> list[list[np.ndarray]]:
    """Photos as the model's only input stores them; none where it takes no image, or none lie."""
    beside = models.parent / "imagenet_sample" / "images"
    folder = Path(os.environ.get("TFLITE_REQUANT_PHOTOS") or beside)
    if len(model.inputs) != 1 or not folder.is_dir():
        return []
    try:
        samples = load_samples(str(folder), model, limit=count)
    except SampleError:
        return []
    return [[stored_values(model.inputs[0], samples[i])] for i in range(len(samples))]


def legal_shapes(model: Model) -> dict[int, np.ndarray]:
    """Graph inputs that say what shape an output has: the shape that the file states for it."""
    wanted = {"TRANSPOSE_CONV": 0, "RESHAPE": 1, "BROADCAST_TO": 1}
    found = {}
    for op in model.main.operators:
        index = op.input(wanted[op.name]) if op.name in wanted else -1
        if index in model.main.inputs:
            tensor, output = model.main.tensors[index], model.main.tensors[op.outputs[0]]
            found[index] = np.array(output.shape, tensor.dtype)
    return found


def runs(model: Model, models: Path, count: int = PHOTOS) -> list[list[np.ndarray]]:
    """Every run's inputs in graph order: five made up, then photos."""
    rng = np.random.default_rng(0)
    made = [[noise(t, rng, width) for t in model.inputs] for width in WIDTHS]
    flat = zip(*(constants(t) for t in model.inputs), strict=True)
    every = [*made, *(list(arrays) for arrays in flat)]
    for index, shape in legal_shapes(model).items():
        place = model.main.inputs.index(index)
        every = [[*arrays[:place], shape, *arrays[place + 1 :]] for arrays in every]
    return [*every, *photos(model, models, count)]
