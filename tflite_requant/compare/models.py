"""`compare`: two models, or one model here and in LiteRT, on the same inputs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike

import numpy as np

from tflite_requant import files
from tflite_requant.compare.litert import LiteRT, runtime_of
from tflite_requant.compare.matching import (
    Pair,
    class_scores,
    computed,
    match,
    match_inputs,
)
from tflite_requant.compare.outcome import Comparison
from tflite_requant.compare.tally import Tally
from tflite_requant.errors import SampleError
from tflite_requant.feeds import moved, stored_values
from tflite_requant.interpreter import Interpreter, Results
from tflite_requant.model import Model
from tflite_requant.samples import array_samples, load_samples

DEFAULT_ARITHMETIC = "litert-reference"
Inputs = str | np.ndarray | Mapping[str, np.ndarray] | Iterable
Source = Model | bytes | str | PathLike
Watch = Callable[[Results, Results], None]


def compare(
    a: Source,
    b: Source | None,
    inputs: Inputs,
    *,
    arithmetic: str = DEFAULT_ARITHMETIC,
    progress: bool = False,
) -> Comparison:
    """Run two models on the same inputs, or one in our interpreter and in LiteRT, and compare.

    a, b:   models, bytes or paths. b None: A against LiteRT, with the kernels that `arithmetic`
            is named after.
    inputs: samples of A's inputs: what `samples.load_samples` understands ("random:4", a path), an
            array with the samples on axis 0, a dict of those by input name, or an iterable of
            samples, each an array or a tuple in graph order. B gets the same stored integers, or
            where its input is quantized otherwise the same real values on its grid.

    One sample at a time is in memory. Tensors are matched by what a requantized model remembers of
    its source, then by name. Stored values are compared where type and quantization are equal,
    else real values, with the offsets of relabelled tensors undone.
    Raises UsageError for models that do not fit each other, an unknown profile, or without LiteRT;
    SampleError, UnsupportedOperatorError, RequantError as `Interpreter.run`; RuntimeFailure where
    LiteRT refuses the model.
    """
    first = files.load(a) if not isinstance(a, Model) else a
    samples = samples_of(inputs, first)
    if b is None:
        return _with_litert(first, samples, arithmetic, progress)
    second = files.load(b) if not isinstance(b, Model) else b
    return compare_models(first, second, samples, arithmetic, progress)


def samples_of(inputs: Inputs, model: Model) -> Iterable:
    """What `inputs` of `compare` may be, as an iterable of samples."""
    if isinstance(inputs, str):
        return load_samples(inputs, model)
    if isinstance(inputs, (np.ndarray, Mapping)):
        return array_samples(inputs, model)
    return inputs


def compare_models(
    a: Model,
    b: Model,
    samples: Iterable,
    arithmetic: str,
    progress: bool = False,
    watch: Watch | None = None,
) -> Comparison:
    """`compare` of two models on samples of A. watch: is given both results of every sample, by
    tensor index."""
    ours, theirs = Interpreter(a, arithmetic), Interpreter(b, arithmetic)
    wiring = match_inputs(a, b)
    can_a, can_b = _computable(ours), _computable(theirs)
    pairs = [p for p in match(a, b) if p.a.index in can_a and p.b.index in can_b]
    book = Book(a, pairs)
    with _bar(samples, progress) as watched:
        for sample in watched:
            feeds = feeds_of_sample(a, sample)
            other = [moved(feeds[p], old, new) for p, old, new in wiring]
            found_a = ours.run(feeds, keep=[p.a.index for p in pairs])
            found_b = theirs.run(other, keep=[p.b.index for p in pairs])
            book.add(found_a, found_b)
            if watch is not None:
                watch(found_a, found_b)
    matched = {p.b.index for p in pairs}
    only_b = tuple(t.name for t in computed(b) if t.index not in matched)
    return book.result(arithmetic, "model", only_b)


def _with_litert(model: Model, samples: Iterable, arithmetic: str, progress: bool):
    kernels = runtime_of(arithmetic)
    interpreter = Interpreter(model, arithmetic)
    outputs = set(model.main.outputs)
    can = _computable(interpreter)
    shown = [
        Pair(t, t, is_output=t.index in outputs)
        for t in computed(model)
        if t.index in can and (kernels.every_tensor or t.index in outputs)
    ]
    runtime = LiteRT(model, kernels)
    book = Book(model, shown)
    with _bar(samples, progress) as watched:
        feeds = (feeds_of_sample(model, s) for s in watched)
        for arrays, found in runtime.runs(feeds):
            kept = interpreter.run(arrays, keep=[p.a.index for p in shown])
            book.add(kept, found)
    return book.result(arithmetic, kernels.title, ())


class Book:
    """Tallies of all pairs, and of the first class."""

    def __init__(self, model: Model, pairs: Sequence[Pair]) -> None:
        self.model = model
        self.pairs = pairs
        self.tallies = [Tally(p) for p in pairs]
        scores = class_scores(model)
        self._scores = next((p for p in pairs if scores and p.a.index == scores.index), None)
        self._same = 0
        self.samples = 0
        self._seen: set[int] = set()

    def add(self, a, b) -> None:
        """Count one sample; a, b: results by tensor index, without what a side cannot show."""
        for pair, tally in zip(self.pairs, self.tallies, strict=True):
            if pair.a.index in a and pair.b.index in b:
                tally.add(self.samples, a[pair.a.index], b[pair.b.index])
                self._seen.add(pair.a.index)
        if self._scores is not None:
            one, other = a[self._scores.a.index], b[self._scores.b.index]
            self._same += int(one.argmax()) == int(other.argmax())
        self.samples += 1

    def result(self, arithmetic: str, against: str, only_b: tuple[str, ...]) -> Comparison:
        """The comparison. Raises SampleError where there was no sample."""
        if not self.samples:
            raise SampleError("no samples to compare on; need at least one")
        main = self.model.main
        labels = {t: main.label(op) for t, op in main.producers().items()}
        return Comparison(
            arithmetic,
            against,
            self.samples,
            tuple(
                tally.result(labels[p.a.index])
                for p, tally in zip(self.pairs, self.tallies, strict=True)
                if p.a.index in self._seen
            ),
            tuple(t.name for t in computed(self.model) if t.index not in self._seen),
            only_b,
            self._same if self._scores is not None else None,
        )


def feeds_of_sample(model: Model, sample) -> list[np.ndarray]:
    """A sample as the inputs store it, in graph order. Raises SampleError where it does not fit."""
    given = list(sample) if isinstance(sample, (tuple, list)) else [sample]
    if len(given) != len(model.inputs):
        names = ", ".join(t.name for t in model.inputs)
        raise SampleError(
            f"a sample of {len(given)} arrays, the model has {len(model.inputs)} inputs: {names}"
        )
    return [stored_values(t, a) for t, a in zip(model.inputs, given, strict=True)]


def _computable(interpreter: Interpreter) -> set[int]:
    """Computed tensors that may be asked for: all, or where operators have no kernel what the
    outputs need anyway."""
    model = interpreter.model
    everything = {t.index for t in computed(model)}
    if not interpreter.unsupported:
        return everything
    wanted = set(model.main.outputs)
    for op in reversed(model.main.operators):
        if wanted.intersection(op.outputs):
            wanted.update(op.inputs)
    return everything & wanted


@contextmanager
def _bar(samples: Iterable, progress: bool) -> Iterator[Iterable]:
    """The samples, with a bar where somebody watches."""
    if not (progress and sys.stderr.isatty()):
        yield samples
        return
    from tqdm import tqdm

    with tqdm(samples, desc="comparing", unit="sample", leave=False) as bar:
        yield bar
