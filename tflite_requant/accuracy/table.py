"""How far results are from their source, on samples: logits, top-1, outputs.

For a classifier, the real-valued input z of the last SOFTMAX is looked at, in both models (times
the SOFTMAX's beta, so that a logit gain that beta undoes counts for nothing):

    SQNR = 10 log10( sum |z - mean z|^2 / sum |(z' - mean z') - (z - mean z)|^2 )   over all samples
    KL   = mean over samples of KL( softmax(z) || softmax(z') )

For a detector, the box and class tensors that its post-processing reads; for any other model its
outputs: SQNR of each, and of integers without a scale (labels) the share that is equal.

The ceiling is the same comparison of the source with itself under other kernels: what no change at
all costs. Everything is summed sample by sample, so memory does not grow with their number.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tflite_requant.accuracy.tally import Tally, Values, paired_interval
from tflite_requant.errors import SampleError, UsageError
from tflite_requant.extract import cut_at, last_softmax_input
from tflite_requant.feeds import stored_values
from tflite_requant.interpreter import Interpreter
from tflite_requant.model import Model, QArray, Tensor
from tflite_requant.runtime import litert_available, litert_run

DETECTOR = "TFLite_Detection_PostProcess"
CEILING = {"default": "optimized", "optimized": "default", "reference": "default"}
CHUNK_BYTES = 1 << 26  # inputs and outputs that are held at once


@dataclass(frozen=True, slots=True)
class OutputAccuracy:
    """One tensor against the source's: sqnr in dB (inf where equal), or the share that is equal."""

    name: str
    sqnr: float | None = None
    equal: float | None = None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One model against its source; shares are in [0, 1], None where they do not apply.

    sqnr: dB, inf where nothing differs; kl: nats; same_top1: share of samples whose greatest logit
    is the source's. top1_change: top-1 minus the source's; interval: its 95 % interval by paired
    bootstrap. outputs: of models that are no classifiers.
    """

    name: str
    sqnr: float | None = None
    kl: float | None = None
    same_top1: float | None = None
    top1: float | None = None
    top1_change: float | None = None
    interval: tuple[float, float] | None = None
    outputs: tuple[OutputAccuracy, ...] = ()


@dataclass(frozen=True, slots=True)
class AccuracyTable:
    """What was measured on how many samples, by what; ceiling is None without a second kernel."""

    samples: int
    kernels: str
    classifier: bool
    source_top1: float | None
    ceiling: Accuracy | None
    rows: tuple[Accuracy, ...]


def measure(
    source: Model,
    results: Mapping[str, Model],
    samples: Sequence,
    labels: Sequence[int] | np.ndarray | None = None,
    *,
    through: str = "litert",
    resolver: str = "default",
    seed: int = 0,
    ceiling: bool = True,
    progress: bool = False,
) -> AccuracyTable:
    """Run source and results on samples of the source's inputs and compare.

    samples: sized and iterable: an array of the source's stored integers or real values with the
    batch dimension, or a tuple of them in graph order. labels: index of the right logit of each.
    through: "litert" with a resolver of `runtime.RESOLVERS`, or "interpreter" (ours, bit-exact).
    seed: of the bootstrap. ceiling: also run the source under other kernels.

    Raises RuntimeFailure, SampleError, UsageError.
    """
    if through not in ("litert", "interpreter"):
        raise UsageError(f"unknown way to run {through!r}; known: litert, interpreter")
    if labels is not None and len(labels) != len(samples):
        raise SampleError(f"{len(labels)} labels for {len(samples)} samples; need one each")
    if not len(samples):
        raise SampleError("no samples to measure on; need at least one")
    way = resolver if through == "litert" else through
    reference = Judged(source, source, way)
    other = CEILING.get(way, "default" if litert_available() else None) if ceiling else None
    judged = {name: Judged(source, model, way) for name, model in results.items()}
    noise = Judged(source, source, other) if other else None
    every = [*judged.values(), *([noise] if noise else [])]
    for model in every:
        reference.check_comparable(model)
    tallies = [Tally(reference.classifier, len(reference.names)) for _ in every]
    right = Tally(reference.classifier, len(reference.names))
    for chunk in _chunks(samples, reference.bytes_each, progress):
        base = reference.run(chunk)
        right.add(base, base)
        for model, tally in zip(every, tallies, strict=True):
            tally.add(base, model.run(chunk))
    names = [*judged, *([f"source, {other} kernels"] if noise else [])]
    rows = [
        _row(name, tally, right, reference, labels, seed)
        for name, tally in zip(names, tallies, strict=True)
    ]
    return AccuracyTable(
        len(samples),
        f"LiteRT, {resolver} resolver" if through == "litert" else "our interpreter",
        reference.classifier,
        float(right.hits(labels).mean()) if reference.classifier and labels is not None else None,
        rows.pop() if noise else None,
        tuple(rows),
    )


class Judged:
    """A model cut where it is looked at, and a way to run it on samples of the source."""

    def __init__(self, source: Model, model: Model, way: str) -> None:
        softmax = last_softmax_input(model)
        self.classifier = softmax is not None
        self.beta = softmax.beta if softmax else 1.0
        self.model = cut_at(model, 0, (softmax.tensor,)) if softmax else _at_outputs(model)
        self.source_inputs = source.inputs
        self.way = way
        self.names = tuple(t.name for t in self.model.outputs)
        self._bytes = self.model.to_bytes() if way != "interpreter" else b""
        self._interpreter = Interpreter(self.model) if way == "interpreter" else None

    @property
    def bytes_each(self) -> int:
        """About how many bytes one sample's inputs and float64 outputs take, in two models."""
        inputs, outputs = (
            sum(math.prod(t.shape) for t in tensors)
            for tensors in (self.model.inputs, self.model.outputs)
        )
        return max(2 * inputs + 16 * outputs, 1)

    def check_comparable(self, other: Judged) -> None:
        """Raise UsageError where the other model does not say the same kind of thing."""
        ours, theirs = ([math.prod(t.shape) for t in m.model.outputs] for m in (self, other))
        if self.classifier != other.classifier or ours != theirs:
            raise UsageError(
                f"the models have different outputs ({theirs} elements, the source {ours}); "
                "compare a model with what it was made from"
            )

    def run(self, chunk: Sequence) -> list[Values]:
        """Per sample: the real values looked at, float64 (integers without a scale as they are)."""
        feeds = [self._feeds(sample) for sample in chunk]
        if self._interpreter is not None:
            found = [self._interpreter.run(f) for f in feeds]
        else:
            found = [run.outputs for run in litert_run(self._bytes, feeds, self.way)]
        return [
            [self._real(t, a) for t, a in zip(self.model.outputs, arrays, strict=True)]
            for arrays in found
        ]

    def _feeds(self, sample) -> list[np.ndarray]:
        given = list(sample) if isinstance(sample, (tuple, list)) else [sample]
        return [
            moved(np.asarray(a), old, new)
            for a, old, new in zip(given, self.source_inputs, self.model.inputs, strict=True)
        ]

    def _real(self, tensor: Tensor, array: np.ndarray) -> np.ndarray:
        if tensor.qparams is None and array.dtype.kind in "iub":
            return array
        return QArray(array, tensor.qparams).real().reshape(-1) * self.beta


def moved(array: np.ndarray, old: Tensor, new: Tensor) -> np.ndarray:
    """A source input as another model's input stores it: the same real value on the new grid."""
    stored = stored_values(old, array)
    if old.type == new.type or old.qparams is None:
        return stored_values(new, stored)
    return stored_values(new, QArray(stored, old.qparams).real())


def _at_outputs(model: Model) -> Model:
    """The model itself, or a detector cut before its post-processing: its order of boxes jumps."""
    last = [op for op in model.main.operators if op.name == DETECTOR]
    return cut_at(model, 0, last[-1].inputs[:2]) if last else model


def _row(name: str, tally: Tally, right: Tally, reference: Judged, labels, seed: int) -> Accuracy:
    if not tally.classifier:
        return Accuracy(name, outputs=tuple(_outputs(tally, reference)))
    base = (name, tally.sqnr(0), tally.divergence / tally.count, tally.same / tally.count)
    if labels is None:
        return Accuracy(*base)
    new, old = tally.hits(labels), right.hits(labels)
    change = float(new.mean() - old.mean())
    return Accuracy(*base, float(new.mean()), change, paired_interval(new, old, seed))


def _outputs(tally: Tally, reference: Judged) -> Iterator[OutputAccuracy]:
    for k, tensor in enumerate(reference.model.outputs):
        if tensor.qparams is None and tensor.dtype not in ("float32", "float16", "float64"):
            yield OutputAccuracy(tensor.name, equal=float(tally.equal[k] / tally.count))
        else:
            yield OutputAccuracy(tensor.name, sqnr=tally.sqnr(k))


def _chunks(samples: Sequence, bytes_each: int, progress: bool) -> Iterator[list]:
    size = max(1, CHUNK_BYTES // bytes_each)
    bar = None
    if progress and sys.stderr.isatty():
        from tqdm import tqdm

        bar = tqdm(total=len(samples), desc="measuring", unit="sample", leave=False)
    chunk: list = []
    for sample in samples:
        chunk.append(sample)
        if len(chunk) == size:
            yield chunk
            if bar is not None:
                bar.update(len(chunk))
            chunk = []
    if chunk:
        yield chunk
    if bar is not None:
        bar.close()
