"""What operators of the source can write at all: a clamp that nothing meets cannot be lost.

A mean of what a RELU wrote is not negative, whatever its own grid could hold.
"""

from __future__ import annotations

from collections.abc import Iterable

from tflite_requant.catalog import OpSpec
from tflite_requant.model import Operator, Tensor
from tflite_requant.planning.clamps import BOUNDS, UNBOUNDED, Interval, interval


class Reach:
    """Intervals of real numbers, of tensors in graph order."""

    def __init__(self) -> None:
        self._known: dict[int, Interval] = {}

    def of(self, tensor: Tensor) -> Interval:
        """What a quantized tensor can hold."""
        return self._known.get(tensor.index) or interval(tensor.type, "NONE")

    def within(self, op: Operator, spec: OpSpec, read: Iterable[Tensor]) -> Interval:
        """What an operator would write if no grid ended, as far as its kind tells. read: its
        activations."""
        ends = [self.of(tensor) for tensor in read]
        if spec.between and ends:
            return min(low for low, _ in ends), max(high for _, high in ends)
        return BOUNDS.get(op.name, UNBOUNDED)

    def note(self, tensor: Tensor, within: Interval, activation: str) -> None:
        """An operator writes a tensor under a fused activation."""
        low, high = interval(tensor.type, activation)
        self._known[tensor.index] = max(low, within[0]), min(high, within[1])
