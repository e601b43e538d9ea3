"""How far a variant's outputs are from the source's, from exact integer sums.

With d = a p - b r per element (p, r integers less their zero points, a, b their true scales),
sum d^2 = a^2 sum p^2 - 2 a b sum p r + b^2 sum r^2: the sums are integers and the rest a few
float64 operations, so that what is decided by them is decided alike on every CPU. Logits are
compared less their mean, which SOFTMAX does not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflite_requant.errors import UsageError
from tflite_requant.extract import PASSES_THROUGH, detector, last_softmax_input
from tflite_requant.fixedpoint.matmul import exact_matmul
from tflite_requant.model import Model, QParams

CHOOSERS = ("ARG_MAX", "ARG_MIN")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a tensor's integers stand for: true real = (q - zero_point) * scale - offset."""

    scale: float
    zero_point: int
    offset: float = 0.0


def measured_tensors(model: Model) -> tuple[tuple[int, ...], bool]:
    """(tensors whose values say what the model answers, whether these are logits).

    Raises UsageError for a model without such tensors.
    """
    softmax = last_softmax_input(model)
    if softmax is not None:
        return (softmax.tensor,), True
    main, producers = model.main, model.main.producers()
    ends = list(main.outputs)
    last = detector(model)
    if last is not None:
        ends = list(last.inputs[:2])
    found = []
    for index in ends:
        op = producers.get(index)
        while op is not None and not _is_measurable(main.tensors[index]):
            if op.opcode not in (*PASSES_THROUGH, *CHOOSERS):
                break
            index = op.input(0)
            op = producers.get(index)
        if _is_measurable(main.tensors[index]) and index in producers and index not in found:
            found.append(index)
    if not found:
        raise UsageError("--search: no output of the model is a quantized tensor to compare by")
    return tuple(found), False


def _is_measurable(tensor) -> bool:
    return tensor.is_quantized_activation and not tensor.qparams.per_axis


class Reference:
    """The source's outputs on the samples."""

    def __init__(
        self, outputs: Sequence[dict[int, np.ndarray]], qparams: dict[int, QParams], logits: bool
    ) -> None:
        self.logits = logits
        self.meanings = {t: Meaning(q.scale, q.zero_point) for t, q in qparams.items()}
        self.outputs = [
            {t: _centred(o[t], self.meanings[t].zero_point) for t in self.meanings} for o in outputs
        ]
        self.power = {t: sum(self._power(o[t], t) for o in self.outputs) for t in self.meanings}

    def _power(self, r: np.ndarray, tensor: int) -> float:
        b, count = self.meanings[tensor].scale, len(r)
        total = float(_dot(r, r)) - (float(r.sum()) ** 2 / count if self.logits else 0.0)
        return b * b * total

    def noise(
        self, sample: int, outputs: dict[int, np.ndarray], meanings: dict[int, Meaning]
    ) -> float:
        """One sample's share of noise over signal, summed over the outputs."""
        total = 0.0
        for tensor, source in self.meanings.items():
            p = _centred(outputs[tensor], meanings[tensor].zero_point)
            noise = self._distance(p, self.outputs[sample][tensor], meanings[tensor], source)
            total += noise / self.power[tensor] if self.power[tensor] > 0 else noise
        return total

    def _distance(self, p: np.ndarray, r: np.ndarray, new: Meaning, source: Meaning) -> float:
        a, b, count = new.scale, source.scale, len(r)
        square = a * a * float(_dot(p, p)) - 2 * a * b * float(_dot(p, r))
        square += b * b * float(_dot(r, r))
        total = a * float(p.sum()) - b * float(r.sum())
        if self.logits:
            return max(square - total * total / count, 0.0)
        return max(square - 2 * new.offset * total + count * new.offset**2, 0.0)


def _centred(values: np.ndarray, zero_point: int) -> np.ndarray:
    return values.reshape(-1).astype(np.int64) - zero_point


def _dot(a: np.ndarray, b: np.ndarray) -> int:
    return int(exact_matmul(a[None], b[:, None])[0, 0])
