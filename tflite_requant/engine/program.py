"""A prepared program: one flat list of bound calls for a model whose shapes are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tflite_requant.engine.forms import Call
from tflite_requant.kernels import KernelError


class ShapeMismatch(Exception):
    """A value turned out to have another shape or type than the file declares."""


class Program:
    """Computes a model's outputs; not for use from several threads at once.

    calls:   what a run does, in order.
    values:  tensor index -> current value in the tensor's own dtype, for tensors that have one.
    fixed:   tensors whose value is always the same array.
    inputs, outputs: tensor indices; shapes: of the inputs.
    """

    def __init__(
        self,
        calls: list[Call],
        values: dict[int, np.ndarray],
        inputs: Mapping[int, tuple[tuple[int, ...], np.dtype]],
        outputs: tuple[int, ...],
        copied: Callable[[np.ndarray], np.ndarray] = np.array,
    ) -> None:
        self.calls = calls
        self._values = values
        self._fixed = dict(values)
        self._inputs = inputs
        self._outputs = outputs
        self._copied = copied

    def run(self, feeds: Mapping[int, np.ndarray]) -> dict[int, np.ndarray] | None:
        """Outputs by tensor index, or None where the prepared shapes or an operator do not fit.

        feeds: stored integers of every graph input by tensor index.
        """
        for index, (shape, dtype) in self._inputs.items():
            if feeds[index].shape != shape or feeds[index].dtype != dtype:
                return None
        values = self._values
        values.update(feeds)
        try:
            for call in self.calls:
                call()
            return {index: self._copied(values[index]) for index in self._outputs}
        except (ShapeMismatch, KernelError):
            return None  # the plain kernels say what is wrong, and with which operator
        finally:
            values.clear()
            values.update(self._fixed)
