"""Both sides of a comparison, ready to run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from tflite_requant.compare.litert import LiteRT, runtime_of
from tflite_requant.compare.logits import logits_of
from tflite_requant.compare.matching import Pair, computed, match, match_inputs
from tflite_requant.errors import SampleError, UnsupportedOperatorError, UsageError
from tflite_requant.feeds import moved, stored_values
from tflite_requant.interpreter import Interpreter
from tflite_requant.kernels._refusals import mixed_operator
from tflite_requant.memory import DEFAULT_ARITHMETIC, arithmetic_of
from tflite_requant.model import Model


class TwoModels:
    """Two models in our interpreter, each in its own arithmetic unless one is given.

    model, other: A and B. profiles: of A and of B. pairs: tensors that are compared; against: what
    B is; only_b: computed tensors of B without a partner.
    """

    against = "model"

    def __init__(self, a: Model, b: Model, arithmetic: str | None) -> None:
        self.model, self.other = a, b
        own = (arithmetic_of(m) or DEFAULT_ARITHMETIC for m in (a, b))
        self.profiles = tuple(own) if arithmetic is None else (arithmetic, arithmetic)
        self._ours, self._theirs = map(Interpreter, (a, b), self.profiles)
        self._wiring = match_inputs(a, b)
        can_a, can_b = _computable(self._ours), _computable(self._theirs)
        self.pairs = [p for p in match(a, b) if p.a.index in can_a and p.b.index in can_b]
        logits = logits_of(a, b)
        self._kept = (
            [*(p.a.index for p in self.pairs), *((logits.a.tensor,) if logits else ())],
            [*(p.b.index for p in self.pairs), *((logits.b.tensor,) if logits else ())],
        )
        matched = {p.b.index for p in self.pairs}
        self.only_b = tuple(t.name for t in computed(b) if t.index not in matched)

    def runs(self, samples: Iterable) -> Iterator[tuple]:
        """For each sample of A's inputs, the results of both, by tensor index."""
        for sample in samples:
            feeds = feeds_of_sample(self.model, sample)
            other = [moved(feeds[p], old, new) for p, old, new in self._wiring]
            yield (
                _run("A", self._ours, feeds, self._kept[0]),
                _run("B", self._theirs, other, self._kept[1]),
            )


class WithLiteRT:
    """A model in our interpreter and in LiteRT; attributes as those of TwoModels."""

    only_b: tuple[str, ...] = ()

    def __init__(self, model: Model, arithmetic: str) -> None:
        mixed = mixed_operator(model)
        if mixed is not None:
            raise UsageError(
                f"no TFLite kernel runs this model: {mixed.where} has {mixed.found}; compare it "
                "with its source, or take a scheme such as symmetric-unsigned-uint8"
            )
        kernels = runtime_of(arithmetic)
        self.model = self.other = model
        self.against, self.profiles = kernels.title, (arithmetic, arithmetic)
        self._interpreter = Interpreter(model, arithmetic)
        outputs, can = set(model.main.outputs), _computable(self._interpreter)
        self.pairs = [
            Pair(t, t, is_output=t.index in outputs)
            for t in computed(model)
            if t.index in can and (kernels.every_tensor or t.index in outputs)
        ]
        logits = logits_of(model, model)
        self._kept = [p.a.index for p in self.pairs]
        self._kept += [logits.a.tensor] if logits and kernels.every_tensor else []
        self._runtime = LiteRT(model, kernels, not self._interpreter.unsupported)

    def runs(self, samples: Iterable) -> Iterator[tuple]:
        """For each sample, the results of both; LiteRT does not show every tensor."""
        feeds = (feeds_of_sample(self.model, s) for s in samples)
        for arrays, found in self._runtime.runs(feeds):
            yield _run("A", self._interpreter, arrays, self._kept), found


def _run(side: str, interpreter: Interpreter, feeds: list[np.ndarray], keep: list[int]):
    """Kept tensors of a run, or a refusal that says which model it is about."""
    try:
        return interpreter.run(feeds, keep=keep)
    except UnsupportedOperatorError as error:
        raise error.about(side) from None


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
