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
from tflite_requant.model.dtypes import NUMPY, RANGES
from tflite_requant.samples.images import (
    MODES,
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
from tflite_requant.spelling import or_meant

Sample = np.ndarray | tuple[np.ndarray, ...]

OUTSIDE = 0.1  # share of real values more than a step outside the input's range that is an error
UNUSED = 1 / 64  # share of the input's range below which real values were scaled for another one
RANDOM = "random:N"
WIDE = 1.5  # greatest real value above which an input is made neither for 0..1 nor for -1..1
CHUNK = 1 << 24  # elements that are looked at at once
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
    notes = tuple(n for triple in triples for n in _notes(*triple, origin))
    return Samples(tuple(range(counts[0])), fetch, origin, notes=notes)


def _notes(given: np.ndarray, column: np.ndarray, tensor: Tensor, origin: str) -> Iterator[str]:
    """What may be meant and mostly is not."""
    batched = tensor.shape[:1] == (1,)
    sample = tensor.shape[1:] if batched else tensor.shape
    if given.ndim == len(sample):
        need = ", ".join(map(str, ("N", *sample)))
        yield (
            f"{origin}: array of shape {list(given.shape)} has no axis of samples and is taken as "
            f"one sample; several are [{need}]"
        )
    if tensor.dtype in RANGES and column.dtype.kind in "iu" and column.dtype.itemsize <= 2:
        some = column.reshape(-1)[:CHUNK]
        low, high = np.iinfo(column.dtype).min, np.iinfo(column.dtype).max
        least, most = int(some.min(initial=high)), int(some.max(initial=low))
        if least < most and most - least < UNUSED * (high - low) and tensor.qparams is not None:
            yield (
                f"{origin}: stored integers from {least} to {most} use almost nothing of "
                f"{tensor.dtype}; real values are given as floats"
            )
    if column.dtype.kind == "f":
        yield from _range_notes(float(column.min()), float(column.max()), tensor, origin)


def _range_notes(
    low: float, high: float, tensor: Tensor, origin: str, cure: str = ""
) -> Iterator[str]:
    limits = real_range(tensor)
    if limits and limits[1] > WIDE and _are_pictures(low, high, tensor):
        yield f"{origin}: {_pictures(limits, tensor, cure)}"


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
    _check_dtype(column, tensor, origin)
    if column.dtype.kind == "f" and len(column):
        _check_values(column, tensor, origin)
    return column


def _fits(shape: tuple, wanted: tuple, signature: tuple) -> bool:
    return all(n == w or s < 0 for n, w, s in zip(shape, wanted, signature, strict=True))


def _check_dtype(array: np.ndarray, tensor: Tensor, origin: str) -> None:
    wanted = np.dtype(NUMPY[tensor.dtype])
    if array.dtype == wanted or (
        array.dtype.kind == "f" and (tensor.qparams or wanted.kind == "f")
    ):
        return
    if array.dtype == np.uint8 and fills_range(tensor):
        return
    reals = " (stored) or floats (real values)" if tensor.qparams else ""
    raise SampleError(
        f"{origin}: array of {array.dtype} does not fit {tensor.label()}; need {wanted}{reals}"
    )


def _check_values(array: np.ndarray, tensor: Tensor, origin: str) -> None:
    """Refuse floats that are no numbers, or that were plainly scaled for another input range."""
    flat, low, high, outside = array.reshape(-1), np.inf, -np.inf, 0
    limits = real_range(tensor)
    for start in range(0, flat.size, CHUNK):
        part = flat[start : start + CHUNK]
        if not np.isfinite(part).all():
            raise SampleError(f"{origin}: holds NaN or infinity, which no input value stands for")
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        outside += _outside(part, tensor) if limits else 0
    if limits:
        _check_range(low, high, outside / flat.size, tensor, origin)


def _outside(reals: np.ndarray, tensor: Tensor) -> int:
    """How many values are more than a step outside a quantized input's range."""
    low, high = real_range(tensor)
    step = tensor.qparams.scales[0]
    return int(np.count_nonzero((reals < low - step) | (reals > high + step)))


def _check_range(
    low: float, high: float, outside: float, tensor: Tensor, origin: str, cure: str = ""
) -> None:
    """Refuse real values in [low, high], a share of them outside, where the input's range is
    plainly another one. cure: what to do, where that is not to scale an array otherwise."""
    limits = real_range(tensor)
    problem = _misfit(low, high, outside, limits, tensor)
    if problem and _are_pictures(low, high, tensor):
        raise SampleError(f"{origin}: {_pictures(limits, tensor, cure)}")
    if problem:
        raise SampleError(
            f"{origin}: real values in [{low:.4g}, {high:.4g}] {problem} [{limits[0]:.4g}, "
            f"{limits[1]:.4g}] of {tensor.label()}; "
            f"{cure or 'scale them as the model was trained'}"
        )


def real_range(tensor: Tensor) -> tuple[float, float] | None:
    """Least and greatest real value that a quantized input can store, or None."""
    if tensor.qparams is None or tensor.qparams.per_axis or tensor.dtype not in RANGES:
        return None
    low, high = RANGES[tensor.dtype]
    zero = tensor.qparams.zero_point
    return tensor.qparams.scale * (low - zero), tensor.qparams.scale * (high - zero)


def _misfit(low: float, high: float, outside: float, limits, tensor: Tensor) -> str:
    """What is wrong with values in [low, high], as words before the input's range; or ""."""
    if outside > OUTSIDE:
        return f"leave ({outside:.0%} of them) the range"
    if low == high:
        return ""
    if high - low < UNUSED * (limits[1] - limits[0]):
        return "use almost nothing of the range"
    # Where the zero point is 0 by rule, half a range may well be idle; where it was chosen, not.
    chosen = tensor.dtype == "uint8" or (tensor.dtype == "int8" and tensor.qparams.zero_point != 0)
    if chosen and low >= 0 and limits[0] <= -0.75 * limits[1]:
        return "use only the upper half of the range"
    return ""


def _are_pictures(low: float, high: float, tensor: Tensor) -> bool:
    """Whether real values in [low, high] look like pixels over 255."""
    shape = tensor.shape
    is_image = len(shape) == 4 and min(shape[1:3]) > 1 and shape[3] in MODES
    return is_image and 0 <= low < 0.5 < high <= 1


def _pictures(limits: tuple[float, float], tensor: Tensor, cure: str) -> str:
    pixels = ", or give the pixels as uint8" if fills_range(tensor) else ""
    scale = f"scale them to that range, as the model was trained{pixels}"
    return (
        f"real values look like pictures scaled to [0, 1], but those of {tensor.label()} are "
        f"[{limits[0]:.4g}, {limits[1]:.4g}]; {cure or scale}"
    )


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
    outside = _outside(real_values(few, how), tensor) / few.size
    ends = real_values(np.array([[0], [255]]), how)
    std = 255 / (limits[1] - limits[0])
    cure = f"pixels 0 to 255 fill that with --mean {0.0 - limits[0] * std:.5g} --std {std:.5g}"
    if fills_range(tensor):
        cure += ", or without the two flags"
    judged = float(ends.min()), float(ends.max())
    origin = f"{folder}, {how.told()}"
    _check_range(*judged, outside, tensor, origin, cure)
    yield from _range_notes(*judged, tensor, origin, cure)


def random_samples(model: Model, count: int, seed: int = 0) -> Samples:
    """`count` samples of `random_inputs.random_inputs`."""
    if count < 1:
        raise SampleError(f"random:{count} asks for no samples; need at least 1")

    def fetch(index: int) -> Sample:
        made = random_inputs(model, seed, index)
        return made[0] if len(made) == 1 else made

    return Samples(tuple(range(count)), fetch, f"random numbers, seed {seed}")
