"""A model as accuracy looks at it: cut where its values mean most, run on the source's samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from tflite_requant.accuracy.tally import BOXES, INTEGERS, LABELS, LOGITS, REALS, SCORES, Values
from tflite_requant.errors import UsageError
from tflite_requant.extract import DETECTOR, PASSES_THROUGH, cut_at, detector, last_softmax_input
from tflite_requant.feeds import moved
from tflite_requant.interpreter import Interpreter
from tflite_requant.memory import DEFAULT_ARITHMETIC, arithmetic_of
from tflite_requant.model import Model, QArray, Tensor
from tflite_requant.runtime import litert_run

INTERPRETER = "interpreter"
REAL = ("float32", "float16", "float64")
MAPS = ("SOFTMAX", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")  # what maps of scores end in


class Judged:
    """A model cut where it is looked at, and (runs) a way to run it on samples of the source.

    way: a resolver of LiteRT; "interpreter", in the arithmetic of the scheme that made the model;
    or "interpreter:" and the name of an arithmetic profile.
    """

    def __init__(self, source: Model, model: Model, way: str, runs: bool = True) -> None:
        softmax = last_softmax_input(model)
        self.classifier = softmax is not None
        self.beta = softmax.beta if softmax else 1.0
        self.model = cut_at(model, 0, (softmax.tensor,)) if softmax else _at_outputs(model)
        self.kinds = (LOGITS,) if softmax else tuple(_kinds(self.model))
        self.source_inputs = source.inputs
        self.way = way
        self.names = tuple(t.name for t in self.model.outputs)
        ours, _, arithmetic = way.partition(":")
        own = arithmetic_of(model) or DEFAULT_ARITHMETIC
        self._bytes = self.model.to_bytes() if runs and ours != INTERPRETER else b""
        self._interpreter = None
        if runs and ours == INTERPRETER:
            self._interpreter = Interpreter(self.model, arithmetic or own)

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
        return QArray(array, tensor.qparams).real() * self.beta


def _at_outputs(model: Model) -> Model:
    """The model itself, or a detector with what its post-processing reads before what it gives:
    the order of boxes jumps with the least change."""
    last = detector(model)
    return cut_at(model, 0, (*last.inputs[:2], *last.outputs[:4])) if last else model


def _kinds(model: Model) -> Iterator[str]:
    """What each output is."""
    producers = model.main.producers()
    for tensor in model.outputs:
        op = producers.get(tensor.index)
        while op is not None and op.opcode in PASSES_THROUGH:
            op = producers.get(op.input(0))
        name = op.name if op is not None else ""
        positions = math.prod(tensor.shape[:-1])
        if name == DETECTOR:
            yield BOXES
        elif tensor.qparams is None and tensor.dtype not in REAL:
            yield LABELS if name == "ARG_MAX" and math.prod(tensor.shape) > 1 else INTEGERS
        elif name in MAPS and len(tensor.shape) == 4 and tensor.shape[-1] > 1 < positions:
            yield SCORES
        else:
            yield REALS
