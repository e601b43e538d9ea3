"""Arrays given by callers as a model's inputs store them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tflite_requant.errors import SampleError
from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.model.dtypes import NUMPY
from tflite_requant.model.graph import Model, Tensor
from tflite_requant.model.qparams import QArray


def feeds_of(model: Model, inputs) -> dict[int, np.ndarray]:
    """Tensor index -> stored values of every graph input.

    inputs: arrays in graph order, or by tensor name. Raises SampleError where they do not fit.
    """
    expected = model.inputs
    names = ", ".join(t.name for t in expected)
    if isinstance(inputs, Mapping):
        unknown = sorted(set(inputs) - {t.name for t in expected})
        if unknown:
            raise SampleError(f"no input named {unknown[0]!r}; inputs are {names}")
        absent = [t.name for t in expected if t.name not in inputs]
        if absent:
            raise SampleError(f"input {absent[0]!r} is missing; inputs are {names}")
        given = [inputs[t.name] for t in expected]
    else:
        if not isinstance(inputs, (list, tuple)):
            raise SampleError("inputs must be a list of arrays, or a dict by input name")
        given = list(inputs)
        if len(given) != len(expected):
            raise SampleError(
                f"{len(given)} arrays given, the model has {len(expected)} inputs: {names}"
            )
    return {t.index: stored_values(t, a) for t, a in zip(expected, given, strict=True)}


def stored_values(tensor: Tensor, values) -> np.ndarray:
    """An input array as the tensor stores it; reals are put on its grid, ties away, clipped.

    Raises SampleError where shape or dtype do not fit.
    """
    array = np.asarray(values)
    signature = tensor.shape_signature or tensor.shape
    fits = array.ndim == len(tensor.shape) and all(
        n == s or d < 0 for n, s, d in zip(array.shape, tensor.shape, signature, strict=False)
    )
    if not fits:
        raise SampleError(
            f"{tensor.label()}: array of shape {list(array.shape)}, needs {list(tensor.shape)}"
        )
    wanted = np.dtype(NUMPY[tensor.dtype])
    if array.dtype == wanted:
        return array.copy()  # results may be views of it
    if array.dtype.kind == "f" and wanted.kind == "f":
        return array.astype(wanted)
    if array.dtype.kind == "f" and wanted.kind in "iu" and tensor.qparams is not None:
        if np.isnan(array).any():
            raise SampleError(f"{tensor.label()}: the array holds NaN, which no integer stands for")
        scales, zeros = tensor.qparams.along(array.ndim)
        low, high = limits(wanted)
        with np.errstate(over="ignore"):
            quotient = array.astype(np.float32) / scales.astype(np.float32)
        rounded = round_half_away(quotient).astype(np.float64) + zeros
        return np.clip(rounded, low, high).astype(wanted)
    allowed = f"{wanted} integers or float real values" if tensor.qparams else f"{wanted}"
    raise SampleError(f"{tensor.label()}: array of {array.dtype}, needs {allowed}")


def moved(array: np.ndarray, old: Tensor, new: Tensor) -> np.ndarray:
    """A source input as another model's input stores it: the same real value on the new grid."""
    stored = stored_values(old, array)
    if old.type == new.type or old.qparams is None:
        return stored_values(new, stored)
    return stored_values(new, QArray(stored, old.qparams).real())
