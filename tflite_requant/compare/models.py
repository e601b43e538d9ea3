"""`compare`: two models, or one model here and in LiteRT, on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from concurrent.futures import Executor
from functools import partial
from os import PathLike

import numpy as np

from tflite_requant import files
from tflite_requant.compare.bench import TwoModels, WithLiteRT
from tflite_requant.compare.book import Book
from tflite_requant.compare.outcome import Comparison
from tflite_requant.interpreter import Results
from tflite_requant.memory import DEFAULT_ARITHMETIC
from tflite_requant.model import Model
from tflite_requant.progress import bar
from tflite_requant.samples import array_samples, load_samples
from tflite_requant.spread import kept_by_thread, part_size, parts, spread

PART = 8  # samples that a worker runs before it answers
Inputs = str | np.ndarray | Mapping[str, np.ndarray] | Iterable
Source = Model | bytes | str | PathLike
Watch = Callable[[Results, Results], None]


def compare(
    a: Source,
    b: Source | None,
    inputs: Inputs,
    *,
    arithmetic: str | None = None,
    progress: bool = False,
    executor: Executor | None = None,
) -> Comparison:
    """Run two models on the same inputs, or one in our interpreter and in LiteRT, and compare.

    a, b:   models, bytes or paths. b None: A against LiteRT, with the kernels that `arithmetic`
            is named after.
    inputs: samples of A's inputs: what `samples.load_samples` understands ("random:4", a path), an
            array with the samples on axis 0, a dict of those by input name, or an iterable of
            samples, each an array or a tuple in graph order. B gets the same stored integers, or
            where its input is quantized otherwise the same real values on its grid.
    arithmetic: a profile for both models; None: for each the one that its metadata says it was
            made for, or litert-reference; against LiteRT litert-reference.
    executor: runs the samples in parts; what comes out is the same with any.

    One sample at a time is in memory. Tensors are matched by what a requantized model remembers of
    its source, then by name. Stored values are compared where type and quantization are equal,
    else real values, with the offsets of relabelled tensors undone.
    Raises UsageError for models that do not fit each other, an unknown profile, or without LiteRT;
    SampleError, UnsupportedOperatorError, RequantError as `Interpreter.run`; RuntimeFailure where
    LiteRT refuses the model.
    """
    first = files.load(a) if not isinstance(a, Model) else a
    second = files.load(b) if b is not None and not isinstance(b, Model) else b
    samples = samples_of(inputs, first)
    return compare_models(first, second, samples, arithmetic, progress, executor=executor)


def samples_of(inputs: Inputs, model: Model) -> Iterable:
    """What `inputs` of `compare` may be, as an iterable of samples."""
    if isinstance(inputs, str):
        return load_samples(inputs, model)
    if isinstance(inputs, (np.ndarray, Mapping)):
        return array_samples(inputs, model)
    return inputs


def compare_models(
    a: Model,
    b: Model | None,
    samples: Iterable,
    arithmetic: str | None,
    progress: bool = False,
    watch: Watch | None = None,
    executor: Executor | None = None,
) -> Comparison:
    """`compare` of models on samples of A. watch: is given both results of every sample, by tensor
    index; not with an executor."""
    bench = _bench(a, b, arithmetic)
    book = Book(a, bench.other, bench.pairs)
    total = len(samples) if isinstance(samples, Sized) else None
    with bar("comparing" if progress else "", "sample", total) as advance:
        if executor is None:
            for found in bench.runs(samples):
                book.add(*found)
                if watch is not None:
                    watch(*found)
                advance(1)
        else:
            models = (a.to_bytes(), None if b is None else b.to_bytes())
            work = partial(_worked, models, arithmetic)
            # LiteRT is started anew for every part.
            size = PART if b is None else part_size(samples, PART)
            for count, state in spread(executor, work, parts(samples, size)):
                book.merge(state)
                advance(count)
    return book.result(bench.profiles, bench.against, bench.only_b)


def _bench(a: Model, b: Model | None, arithmetic: str | None) -> TwoModels | WithLiteRT:
    if b is None:
        return WithLiteRT(a, DEFAULT_ARITHMETIC if arithmetic is None else arithmetic)
    return TwoModels(a, b, arithmetic)


def _worked(
    models: tuple[bytes, bytes | None], arithmetic: str | None, part: tuple[int, list]
) -> tuple[int, tuple]:
    """A worker's share: how many samples, and what a book says of them."""
    bench = _kept_bench(models, arithmetic)
    first, samples = part
    book = Book(bench.model, bench.other, bench.pairs, first)
    for found in bench.runs(samples):
        book.add(*found)
    return len(samples), book.state()


@kept_by_thread
def _kept_bench(
    models: tuple[bytes, bytes | None], arithmetic: str | None
) -> TwoModels | WithLiteRT:
    a, b = (None if data is None else files.load(data) for data in models)
    return _bench(a, b, arithmetic)
