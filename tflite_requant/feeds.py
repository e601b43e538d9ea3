"""Arrays given by callers as a model's inputs store them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tflite_requant.errors import SampleError, UsageError
from tflite_requant.fixedpoint.ranges import limits
from tflite_requant.fixedpoint.rounding import round_half_away
from tflite_requant.model.dtypes import NUMPY
from tflite_requant.model.graph import Model, Subgraph, Tensor
from tflite_requant.model.qparams import QArray


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a run enters a model: a subgraph, and the names and indices of what goes in and out."""

    subgraph: Subgraph
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]

    def tensors(self) -> list[tuple[str, Tensor]]:
        """The inputs as tensors."""
        return [(name, self.subgraph.tensors[i]) for name, i in self.inputs]


def entry_of(model: Model, signature: str | None = None) -> Entry:
    """The main subgraph, or a signature's with its own names.

    Raises UsageError for a signature that the model does not have.
    """
    if signature is None:
        main = model.main

        def named(indices):
            return tuple((main.tensors[i].name, i) for i in indices)

        return Entry(main, named(main.inputs), named(main.outputs))
    for found in model.signatures:
        if found.key == signature:
            return Entry(model.subgraphs[found.subgraph], found.inputs, found.outputs)
    known = ", ".join(repr(s.key) for s in model.signatures) or "none"
    raise UsageError(f"the model has no signature {signature!r}; it has {known}")


def resized(
    model: Model, shapes: Mapping[int | str, Sequence[int]]
) -> dict[tuple[int, int], tuple]:
    """(subgraph, tensor) -> shape, of inputs of the main subgraph by name or index.

    Raises UsageError for a name or index that is no input, or a shape of another rank.
    """
    known = {t.name: t for t in reversed(model.inputs)} | {t.index: t for t in model.inputs}
    found = {}
    for key, shape in shapes.items():
        if key not in known:
            names = ", ".join(t.name for t in model.inputs)
            raise UsageError(f"resize names {key!r}, which is no input; inputs are {names}")
        tensor, wanted = known[key], tuple(int(n) for n in shape)
        if len(wanted) != len(tensor.shape) or min(wanted, default=0) < 0:
            raise UsageError(
                f"{tensor.label()}: cannot be resized to {list(wanted)}, its shape is "
                f"{list(tensor.shape)}"
            )
        found[model.main.index, tensor.index] = wanted
    return found


def feeds_of(
    entry: Entry, inputs, shapes: Mapping[tuple[int, int], tuple[int, ...]] | None = None
) -> list[dict[int, np.ndarray]]:
    """Tensor index -> stored values of every input: one dict a sample.

    inputs: arrays in the entry's order, or by name. Where all of them hold the same number of
    samples on axis 0, several times as many as the model takes, there is a dict for each time.
    shapes: what inputs were resized to. Raises SampleError where they do not fit.
    """
    expected = entry.tensors()
    given = _given([name for name, _ in expected], inputs)
    for (_, tensor), array in zip(expected, given, strict=True):
        _need_array(tensor, array)
    shapes = {t.index: (shapes or {}).get((entry.subgraph.index, t.index)) for _, t in expected}
    times = {
        _times(t, np.asarray(a), shapes[t.index]) for (_, t), a in zip(expected, given, strict=True)
    }
    if len(times) != 1 or times <= {0, 1}:
        return [
            {
                t.index: stored_values(t, a, shapes[t.index])
                for (_, t), a in zip(expected, given, strict=True)
            }
        ]
    count = times.pop()
    parts = [np.split(np.asarray(a), count) for a in given]
    return [
        {t.index: stored_values(t, a) for (_, t), a in zip(expected, sample, strict=True)}
        for sample in zip(*parts, strict=True)
    ]


def _need_array(tensor: Tensor, given) -> None:
    """Raises SampleError for nested lists of unlike lengths."""
    try:
        np.asarray(given)
    except ValueError:
        raise SampleError(f"{tensor.label()}: given what is no array of one shape") from None


def _times(tensor: Tensor, array: np.ndarray, shape: tuple[int, ...] | None) -> int:
    """How many samples of a fixed shape an array holds; 0 if its shape fits otherwise, or not."""
    if fits(tensor, array.shape, shape) or shape is not None or not tensor.shape:
        return 0
    alike = array.ndim == len(tensor.shape) and array.shape[1:] == tensor.shape[1:]
    if not alike or not tensor.shape[0] or array.shape[0] % tensor.shape[0]:
        return 0
    return array.shape[0] // tensor.shape[0]


def joined(name: str, parts: Sequence[np.ndarray]) -> np.ndarray:
    """One tensor of several samples: on axis 0, scalars stacked.

    Raises SampleError where shapes vary.
    """
    if len(parts) == 1:
        return parts[0]
    if parts[0].ndim == 0:
        return np.stack(parts)
    try:
        return np.concatenate(parts)
    except ValueError:
        shapes = sorted({str(list(part.shape)) for part in parts})
        raise SampleError(
            f"{name}: shapes {' and '.join(shapes[:3])} in one batch; run one sample at a time"
        ) from None


def _given(names: list[str], inputs) -> list:
    """The arrays in order."""
    told = ", ".join(names)
    if isinstance(inputs, Mapping):
        unknown = sorted(str(n) for n in set(inputs) - set(names))
        if unknown:
            raise SampleError(f"no input named {unknown[0]!r}; inputs are {told}")
        absent = [name for name in names if name not in inputs]
        if absent:
            raise SampleError(f"input {absent[0]!r} is missing; inputs are {told}")
        return [inputs[name] for name in names]
    if not isinstance(inputs, (list, tuple)):
        raise SampleError("inputs must be a list of arrays, or a dict by input name")
    if len(inputs) != len(names):
        raise SampleError(f"{len(inputs)} arrays given, the model has {len(names)} inputs: {told}")
    return list(inputs)


def fits(tensor: Tensor, shape: tuple[int, ...], resized_to: tuple[int, ...] | None = None) -> bool:
    """Whether an input takes an array of a shape: the file's where that leaves nothing open."""
    if resized_to is not None:
        return shape == resized_to
    signature = tensor.shape_signature or tensor.shape
    return len(shape) == len(tensor.shape) and all(
        n == s or d < 0 for n, s, d in zip(shape, tensor.shape, signature, strict=False)
    )


def stored_values(tensor: Tensor, values, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """An input array as the tensor stores it; reals are put on its grid, ties away, clipped.

    shape: what the tensor was resized to. Raises SampleError where shape or dtype do not fit.
    """
    array = np.asarray(values)
    if not fits(tensor, array.shape, shape):
        needed = list(tensor.shape if shape is None else shape)
        raise SampleError(f"{tensor.label()}: array of shape {list(array.shape)}, needs {needed}")
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
