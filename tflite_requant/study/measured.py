"""`study`: a result run beside its source; `unmeasured`: where it cannot be run."""

from __future__ import annotations

from collections.abc import Iterable

from tflite_requant.compare.matching import PLAIN, match, origin_of
from tflite_requant.compare.models import compare_models
from tflite_requant.extract import detector, last_softmax_input
from tflite_requant.memory import DEFAULT_ARITHMETIC, arithmetic_of
from tflite_requant.model import Model
from tflite_requant.study.outcome import Study, TensorStudy
from tflite_requant.study.values import histograms
from tflite_requant.study.weights import weights_studies


def study(
    source: Model,
    result: Model,
    samples: Iterable,
    data: str,
    *,
    arithmetic: str | None = None,
    progress: bool = False,
) -> Study:
    """Run both models on samples of the source's inputs through our interpreter.

    samples, arithmetic: as `compare` takes them. data: one phrase that says what the samples are.
    Histograms count every computed tensor of 8 or 16 bits with one scale.

    Raises SampleError, UnsupportedOperatorError, UsageError as `compare`.
    """
    before, after = histograms(source.main.tensors), histograms(result.main.tensors)

    def count(found_a, found_b) -> None:
        for counters, found in ((before, found_a), (after, found_b)):
            for index, counter in counters.items():
                if index in found:
                    counter.add(found[index])

    comparison = compare_models(source, result, samples, arithmetic, progress, count)
    meanings = origin_of(result).meanings
    tensors = tuple(
        TensorStudy(
            t.name,
            t.index,
            t.operator,
            t.sqnr,
            t.elements,
            t.differing,
            dict(t.histogram),
            before[t.index].result() if t.index in before else None,
            after[t.index_b].result() if t.index_b in after else None,
            meanings.get(t.index_b, PLAIN).gain,
            meanings.get(t.index_b, PLAIN).offset,
        )
        for t in comparison.tensors
    )
    partners = {t.index: t.index_b for t in comparison.tensors}
    weighted = tuple(weights_studies(source, result, partners))
    ran = comparison.samples, data, comparison.arithmetic_b
    return Study(*ran, tensors, weighted, *_judged(source))


def unmeasured(source: Model, result: Model, data: str, why: str) -> Study:
    """The study of models that cannot be run: what is seen without. why: for people, one line."""
    partners = {p.a.index: p.b.index for p in match(source, result)}
    weighted = tuple(weights_studies(source, result, partners))
    profile = arithmetic_of(result) or DEFAULT_ARITHMETIC
    return Study(0, data, profile, (), weighted, *_judged(source), unmeasured=why)


def _judged(source: Model) -> tuple[tuple[int, ...], bool, bool]:
    """What a result is judged by, and whether it is logits or a detector's raw tensors."""
    logits, last = last_softmax_input(source), detector(source)
    ends = source.main.outputs if last is None else last.inputs[:2]
    found = (logits.tensor,) if logits else tuple(ends)
    return found, logits is not None, logits is None and last is not None
