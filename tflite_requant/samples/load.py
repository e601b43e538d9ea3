"""Samples: files, folders of images and seeded random numbers, as a model's inputs store them.

    FILE.npy          samples on axis 0 (or one sample), for a model with one input
    FILE.npz          the same where the file holds one array, or one array per input, by input name
    FILE.npz:ARRAY    one array of several
    FOLDER            images, sorted by path; see `images.Preprocessing`
    random:N          N samples, every stored integer equally likely

Integers of the input's dtype are stored integers. Floats are real values and are put on the input's
grid. uint8 arrays given to an int8 input whose range pixels fill are stored as value - 128.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tflite_requant.errors import SampleError
from tflite_requant.feeds import stored_values
from tflite_requant.model import Model, Tensor
from tflite_requant.samples.images import (
    Preprocessing,
    check_image_input,
    deep_images,
    fills_range,
    image_files,
    read_image,
    read_pixels,
    real_values,
    shifted,
)
from tflite_requant.samples.numpy_files import load_arrays
from tflite_requant.samples.random_inputs import random_inputs
from tflite_requant.samples.values import (
    check_dtype,
    check_range,
    check_values,
    notes_on,
    outside_of,
    range_notes,
    real_range,
)
from tflite_requant.spelling import or_meant

Sample = np.ndarray | tuple[np.ndarray, ...]

RANDOM = "random:N"
LOOKED_AT = 8  # images of a folder that are judged before any is used
FLAT = 16  # pixels between the ends of 12 bits in a file of 16


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples that are made when asked for; sized, indexable, iterable any number of times.

    A sample is one array of stored values in the input's shape, or for several inputs a tuple of
    them in graph order. names: of the files, where each sample has one. origin: one phrase for
    reports; prepared: another, of how they came to be what they are, where that is a choice. notes:
    what looks odd about the data and may be meant, a line each.
    """

    indices: tuple[int, ...]
    fetch: Callable[[int], Sample]
    origin: str
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    prepared: str = ""

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Sample]:
        return (self.fetch(i) for i in self.indices)

    def __getitem__(self, position: int) -> Sample:
        return self.fetch(self.indices[position])

    def select(self, positions: Sequence[int]) -> Samples:
        """Only the samples at these positions, in this order."""
        return replace(
            self,
            indices=tuple(self.indices[p] for p in positions),
            names=tuple(self.names[p] for p in positions) if self.names else (),
        )

    def limited(self, limit: int | None) -> Samples:
        """At most `limit` samples, evenly spaced over all of them."""
        if limit is not None and limit < 1:
            raise SampleError(f"a limit of {limit} samples leaves none; need at least 1")
        if limit is None or limit >= len(self):
            return self
        return self.select([i * len(self) // limit for i in range(limit)])

    def drawn(self, count: int | None, seed: int) -> Samples:
        """At most `count` samples, drawn without repetition, in their order."""
        if count is None or count >= len(self):
            return self
        chosen = np.random.default_rng(seed).choice(len(self), max(count, 1), replace=False)
        return self.select(sorted(chosen.tolist()))


def load_samples(
    spec: str,
    model: Model,
    *,
    limit: int | None = None,
    seed: int = 0,
    preprocessing: Preprocessing | None = None,
    words: tuple[str, ...] = (),
) -> Samples:
    """Samples for a model's inputs; the module says what `spec` may be.

    limit: at most so many, evenly spaced. seed: of random:N. preprocessing: of images. words: what
    else the caller takes, for messages.
    Raises SampleError, one line, for whatever does not fit; for a broken image when it is reached.
    """
    if not spec:
        raise SampleError(f"samples are named by an empty word; need {_needed(words)}")
    random = re.fullmatch(r"random:(\d+)", spec)
    if random:
        return random_samples(model, int(random[1]), seed).limited(limit)
    named = re.fullmatch(r"(.+\.npz):(.+)", spec)
    path = Path(named[1] if named else spec)
    if path.is_dir():
        return _image_samples(path, model, preprocessing or Preprocessing()).limited(limit)
    if path.suffix not in (".npy", ".npz") and not path.exists():
        near = or_meant(spec, (*words, RANDOM))
        raise SampleError(f"{path}: no such file or folder{near}; need {_needed(words)}")
    if path.suffix not in (".npy", ".npz"):
        raise SampleError(f"{spec}: need {_needed(words)}")
    arrays = load_arrays(path)
    if named:
        arrays = {named[2]: _member(path, arrays, named[2])}
    return array_samples(arrays, model, str(path)).limited(limit)


def _needed(words: tuple[str, ...]) -> str:
    return ", ".join(("a .npy or .npz file", "a folder of images", *words)) + f" or {RANDOM}"


def _member(path: Path, arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in arrays:
        raise SampleError(
            f"{path}: no array {name!r} in it; there are {', '.join(arrays) or 'none'}"
        )
    return arrays[name]


def array_samples(
    arrays: np.ndarray | Mapping[str, np.ndarray], model: Model, origin: str = "array"
) -> Samples:
    """Samples from arrays with the samples on axis 0: one array, or one per input by its name."""
    if isinstance(arrays, np.ndarray):
        arrays = {"": arrays}
    inputs = model.inputs
    if len(inputs) == 1:
        arrays = {inputs[0].name: _only(arrays, inputs[0], origin)}
    names = ", ".join(t.name for t in inputs)
    absent = [t.name for t in inputs if t.name not in arrays]
    if absent:
        raise SampleError(
            f"{origin}: no array for input {absent[0]!r}; need one for each of {names}"
        )
    columns = [_column(arrays[t.name], t, origin) for t in inputs]
    counts = [len(c) for c in columns]
    if len(set(counts)) > 1:
        raise SampleError(f"{origin}: inputs {names} have {counts} samples; need as many of each")
    if not counts[0]:
        raise SampleError(f"{origin}: no samples in it; need at least one")

    def fetch(index: int) -> Sample:
        made = tuple(_stored(c[index], t) for c, t in zip(columns, inputs, strict=True))
        return made[0] if len(made) == 1 else made

    triples = zip((arrays[t.name] for t in inputs), columns, inputs, strict=True)
    notes = tuple(n for triple in triples for n in notes_on(*triple, origin))
    return Samples(tuple(range(counts[0])), fetch, origin, notes=notes)


def _only(arrays: Mapping[str, np.ndarray], tensor: Tensor, origin: str) -> np.ndarray:
    if tensor.name in arrays:
        return arrays[tensor.name]
    if len(arrays) != 1:
        names = ", ".join(arrays) or "none"
        raise SampleError(f"{origin}: which array? there are {names}; say FILE.npz:ARRAY")
    return next(iter(arrays.values()))


def _column(array: np.ndarray, tensor: Tensor, origin: str) -> np.ndarray:
    """An array as [samples, *input shape]. Raises SampleError where shape, dtype, range are off."""
    signature = tensor.shape_signature or tensor.shape
    batched = bool(tensor.shape) and tensor.shape[0] == 1
    rank = len(tensor.shape)
    shape = array.shape
    if array.ndim == rank + 1:
        column = array
    elif array.ndim == rank and batched:
        column = array[:, None]
    elif array.ndim == rank or (array.ndim == rank - 1 and batched):
        column = array.reshape(1, *((1,) if array.ndim < rank else ()), *shape)
    else:
        column = None
    if column is None or not _fits(column.shape[1:], tensor.shape, signature):
        need = ["N", *tensor.shape[1:]] if batched else ["N", *tensor.shape]
        raise SampleError(
            f"{origin}: array of shape {list(shape)} does not fit {tensor.label()}; "
            f"need [{', '.join(map(str, need))}]"
        )
    check_dtype(column, tensor, origin)
    if column.dtype.kind == "f" and len(column):
        check_values(column, tensor, origin)
    return column


def _fits(shape: tuple, wanted: tuple, signature: tuple) -> bool:
    return all(n == w or s < 0 for n, w, s in zip(shape, wanted, signature, strict=True))


def _stored(array: np.ndarray, tensor: Tensor) -> np.ndarray:
    if array.dtype == np.uint8 and tensor.dtype == "int8":
        return shifted(np.ascontiguousarray(array), "int8")
    return stored_values(tensor, array)


def _image_samples(folder: Path, model: Model, how: Preprocessing) -> Samples:
    if len(model.inputs) != 1:
        raise SampleError(
            f"{folder}: images are for models with one input, this one has {len(model.inputs)}; "
            "give samples as .npz, one array per input"
        )
    tensor = model.inputs[0]
    check_image_input(tensor, how)
    files = image_files(folder)
    names = tuple(f.relative_to(folder).as_posix() for f in files)
    return Samples(
        tuple(range(len(files))),
        lambda i: read_image(files[i], tensor, how),
        f"images of {folder}, {how.told()}",
        names,
        tuple(_image_notes(folder, files, tensor, how)),
        prepared=f"images, {how.told()}",
    )


def _image_notes(
    folder: Path, files: Sequence[Path], tensor: Tensor, how: Preprocessing
) -> Iterator[str]:
    """What mean and std make of pixels is judged as an array is: SampleError, or a note.

    Any pixel may come; how many leave the input's range is counted in a few of the images.
    """
    chosen = sorted({i * len(files) // LOOKED_AT for i in range(LOOKED_AT)})
    deep = deep_images(files[i] for i in chosen)
    deep = [read_pixels(path, tensor.shape[1:], how.crop) for path in deep]
    if deep:
        low, high = min(p.min() for p in deep), max(p.max() for p in deep)
        if high - low <= FLAT:
            yield (
                f"{folder}: images of more than 8 bits become pixels from {low} to {high} of 0 to "
                "255, by the depth that their files declare; stretch them to that depth, or give "
                "them as .npy"
            )
    limits = real_range(tensor)
    if how.mean is None or limits is None:
        return
    few = np.stack([read_pixels(files[i], tensor.shape[1:], how.crop) for i in chosen])
    outside = outside_of(real_values(few, how), tensor) / few.size
    ends = real_values(np.array([[0], [255]]), how)
    std = 255 / (limits[1] - limits[0])
    cure = f"pixels 0 to 255 fill that with --mean {0.0 - limits[0] * std:.5g} --std {std:.5g}"
    if fills_range(tensor):
        cure += ", or without the two flags"
    judged = float(ends.min()), float(ends.max())
    origin = f"{folder}, {how.told()}"
    check_range(*judged, outside, tensor, origin, cure)
    yield from range_notes(*judged, tensor, origin, cure)


def random_samples(model: Model, count: int, seed: int = 0) -> Samples:
    """`count` samples of `random_inputs.random_inputs`."""
    if count < 1:
        raise SampleError(f"random:{count} asks for no samples; need at least 1")

    def fetch(index: int) -> Sample:
        made = random_inputs(model, seed, index)
        return made[0] if len(made) == 1 else made

    return Samples(tuple(range(count)), fetch, f"random numbers, seed {seed}")
