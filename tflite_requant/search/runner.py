"""Runs many variants of one model on the same samples; parts that did not change run once.

Programs are kept by what they compute. The values at one frontier, the *checkpoint*, are kept for
every sample: a variant that is the same up to there goes on from there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tflite_requant import engine
from tflite_requant.feeds import moved
from tflite_requant.interpreter import Interpreter, arithmetic_to_run
from tflite_requant.memory import DEFAULT_ARITHMETIC
from tflite_requant.model import Model
from tflite_requant.search.segments import Segment, segments

LITERT = "litert-xnnpack"  # what most sources and results are run by
SPARE = 8  # programs kept beside those of one model: variants come back

Values = dict[int, np.ndarray]
Compute = Callable[[Values], Values]


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A model in parts, ready to run by an arithmetic profile."""

    model: Model
    parts: list[Segment]
    profile: str = LITERT

    def common(self, other: Variant | None) -> int:
        """How many parts from the first on are the same."""
        keys = [p.key for p in other.parts] if other and other.profile == self.profile else []
        count = 0
        for part, key in zip(self.parts, keys, strict=False):
            if part.key != key:
                break
            count += 1
        return count


class Runner:
    """samples: arrays (or tuples of them) that the source's inputs take."""

    def __init__(self, source: Model, samples: Sequence, wanted: tuple[int, ...]) -> None:
        self.source, self.samples, self.wanted = source, list(samples), wanted
        self._programs: OrderedDict[tuple[bytes, str], Compute] = OrderedDict()
        self._variant: Variant | None = None  # the checkpoint lies in it, after _done parts
        self._done = 0
        self._values: list[Values] = []

    def __len__(self) -> int:
        return len(self.samples)

    def variant(self, model: Model, profile: str = LITERT) -> Variant:
        return Variant(model, segments(model, self.wanted), profile)

    def outputs(self, variant: Variant, sample: int) -> Values:
        """The wanted tensors' stored integers."""
        start = self._done if variant.common(self._variant) >= self._done else 0
        values = self._values[sample] if start else self._feeds(variant.model, sample)
        for part in variant.parts[start:]:
            values = self._run(part, values, variant)
        return values

    def keep(self, variant: Variant, upto: int) -> None:
        """Put the checkpoint after the variant's first `upto` parts."""
        upto = min(upto, len(variant.parts) - 1)
        start = self._done if variant.common(self._variant) >= self._done <= upto else 0
        kept = []
        for sample in range(len(self.samples)):
            values = self._values[sample] if start else self._feeds(variant.model, sample)
            for part in variant.parts[start:upto]:
                values = self._run(part, values, variant)
            kept.append(values)
        self._variant, self._done, self._values = variant, upto, kept

    def _feeds(self, model: Model, sample: int) -> Values:
        given = self.samples[sample]
        given = given if isinstance(given, (tuple, list)) else [given]
        pairs = zip(given, self.source.inputs, model.inputs, strict=True)
        return {new.index: moved(np.asarray(a), old, new) for a, old, new in pairs}

    def _run(self, part: Segment, values: Values, variant: Variant) -> Values:
        key = part.key, variant.profile
        compute = self._programs.pop(key, None) or computer(part.model, variant.profile)
        self._programs[key] = compute  # the one used last is last
        while len(self._programs) > 2 * len(variant.parts) + SPARE:
            self._programs.popitem(last=False)
        return compute({t: values[t] for t in part.inputs})


def source_profile(source: Model) -> str:
    """The arithmetic of a source: what LiteRT makes of it, or what it was made for otherwise."""
    own = arithmetic_to_run(source)
    return LITERT if own == DEFAULT_ARITHMETIC else own


def computer(model: Model, profile: str) -> Compute:
    """What computes a model's outputs from its inputs, by tensor index; by the reference kernels
    where nothing is known of the profile's."""
    program = engine.plan(model, profile)
    plain = Interpreter(model, profile, fast=False)
    if plain.unsupported:
        program, plain = engine.plan(model), Interpreter(model, fast=False)
    fed, outputs = model.main.inputs, model.main.outputs

    def compute(feeds: Values) -> Values:
        found = program.run(feeds) if program is not None else None
        if found is None:
            found = dict(zip(outputs, plain.run([feeds[t] for t in fed]), strict=True))
        return found

    return compute
