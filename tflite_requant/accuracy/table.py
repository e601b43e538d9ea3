"""How far results are from their source, on samples: logits, top-1, boxes, masks, outputs.

For a classifier, the real-valued input z of the last SOFTMAX is looked at, in both models (times
the SOFTMAX's beta, so that a logit gain that beta undoes counts for nothing):

    SQNR = 10 log10( sum |z - mean z|^2 / sum |(z' - mean z') - (z - mean z)|^2 )   over all samples
    KL   = mean over samples of KL( softmax(z) || softmax(z') )

For a detector, the box and class tensors that its post-processing reads, and the agreement of what
it detects; for any other model its outputs: SQNR of each; of maps of class scores and of labels
also the share of positions with the same class and the mean intersection over union.

The ceiling is the same comparison of the source with itself under other kernels: what no change at
all costs. Everything is summed sample by sample, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial

import numpy as np

from tflite_requant.accuracy.judged import Judged
from tflite_requant.accuracy.outcome import (
    Accuracy,
    AccuracyTable,
    BoxAccuracy,
    OutputAccuracy,
)
from tflite_requant.accuracy.tally import BOXES, Tally, paired_interval
from tflite_requant.errors import SampleError, UsageError
from tflite_requant.flatbuffer import read
from tflite_requant.model import Model
from tflite_requant.progress import bar
from tflite_requant.runtime import litert_available
from tflite_requant.spread import kept_by_thread, part_size, parts, spread
from tflite_requant.wording import plural

CEILING = {"default": "optimized", "optimized": "default", "reference": "default"}
CHUNK_BYTES = 1 << 26  # inputs and outputs that are held at once
PART = 8  # samples that a worker runs before it answers


def measure(
    source: Model,
    results: Mapping[str, Model],
    samples: Sequence,
    labels: Sequence[int] | np.ndarray | None = None,
    *,
    through: str = "litert",
    resolver: str = "default",
    arithmetic: str | None = None,
    seed: int = 0,
    ceiling: bool = True,
    progress: bool = False,
    executor: Executor | None = None,
) -> AccuracyTable:
    """Run source and results on samples of the source's inputs and compare.

    samples: sized and iterable: an array of the source's stored integers or real values with the
    batch dimension, or a tuple of them in graph order. labels: index of the right logit of each.
    through: "litert" with a resolver of `runtime.RESOLVERS`, or "interpreter" (ours, bit-exact);
    arithmetic: a profile for the results there, None: that of each one's scheme.
    seed: of the bootstrap. ceiling: also run the source under other kernels. executor: runs the
    samples in parts; the table is the same with any.

    Raises RuntimeFailure, SampleError, UsageError.
    """
    if through not in ("litert", "interpreter"):
        raise UsageError(f"unknown way to run {through!r}; known: litert, interpreter")
    if labels is not None and len(labels) != len(samples):
        raise SampleError(
            f"{plural(len(labels), 'label')} for {plural(len(samples), 'sample')}; need one each"
        )
    if not len(samples):
        raise SampleError("no samples to measure on; need at least one")
    way = resolver if through == "litert" else through
    reference = Judged(source, source, way, runs=False)
    other = CEILING.get(way, "default" if litert_available() else None) if ceiling else None
    theirs = f"{way}:{arithmetic}" if arithmetic and through == "interpreter" else way
    plans = [(source, way), *((model, theirs) for model in results.values())]
    plans += [(source, other)] if other else []
    for model, _ in plans:
        reference.check_comparable(Judged(source, model, way, runs=False))
    if executor is None:
        bench = Bench(source, plans)
        work = bench.tallies
    else:
        work = partial(_worked, [(model.to_bytes(), kernels) for model, kernels in plans])
    totals = [Tally(reference.kinds) for _ in plans]
    most = CHUNK_BYTES
    if executor is not None:
        most = part_size(samples, PART)
    elif through == "interpreter":
        most = 1
    size = max(1, min(CHUNK_BYTES // reference.bytes_each, most))
    with bar("measuring" if progress else "", "sample", len(samples)) as advance:
        for found in spread(executor, work, (p for _, p in parts(samples, size))):
            for total, part in zip(totals, found, strict=True):
                total.merge(part)
            advance(found[0].count)
    right, *tallies = totals
    names = [*results, *([f"source, {other} kernels"] if other else [])]
    rows = [
        _row(name, tally, right, reference, labels, seed)
        for name, tally in zip(names, tallies, strict=True)
    ]
    return AccuracyTable(
        len(samples),
        f"LiteRT, {resolver} resolver" if through == "litert" else "our interpreter",
        reference.classifier,
        float(right.hits(labels).mean()) if reference.classifier and labels is not None else None,
        rows.pop() if other else None,
        tuple(rows),
    )


def _row(name: str, tally: Tally, right: Tally, reference: Judged, labels, seed: int) -> Accuracy:
    if not reference.classifier:
        return Accuracy(name, outputs=tuple(_outputs(tally, reference)), boxes=_boxes(tally))
    base = (name, tally.sqnr(0), tally.divergence, tally.same / tally.count)
    if labels is None:
        return Accuracy(*base)
    new, old = tally.hits(labels), right.hits(labels)
    change = float(new.mean() - old.mean())
    return Accuracy(*base, float(new.mean()), change, paired_interval(new, old, seed))


def _outputs(tally: Tally, reference: Judged) -> Iterator[OutputAccuracy]:
    for k, (name, kind) in enumerate(zip(reference.names, reference.kinds, strict=True)):
        if kind != BOXES:
            yield OutputAccuracy(name, **tally.output(k))


def _boxes(tally: Tally) -> BoxAccuracy | None:
    if BOXES not in tally.kinds:
        return None
    agreement, iou = tally.boxes.result()
    return BoxAccuracy(agreement, iou, tally.boxes.source, tally.boxes.found)


class Bench:
    """The models that are measured, each ready to run; the first is what the others are held
    against."""

    def __init__(self, source: Model, plans: Sequence[tuple[Model, str]]) -> None:
        self.judged = [Judged(source, model, kernels) for model, kernels in plans]

    def tallies(self, samples: list) -> list[Tally]:
        """What each model says on these samples, against the first."""
        first, *others = self.judged
        base = first.run(samples)
        found = [base, *(model.run(samples) for model in others)]
        tallies = [Tally(first.kinds) for _ in self.judged]
        for tally, values in zip(tallies, found, strict=True):
            tally.add(base, values)
        return tallies


def _worked(plans: list[tuple[bytes, str]], samples: list) -> list[Tally]:
    """A worker's share."""
    return _bench(tuple(plans)).tallies(samples)


@kept_by_thread
def _bench(plans: tuple[tuple[bytes, str], ...]) -> Bench:
    models = [(read(data), kernels) for data, kernels in plans]
    return Bench(models[0][0], models)
