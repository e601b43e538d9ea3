"""What a kernel is given. No graph, no opcode: arrays, their quantization, and option fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.model.dtypes import NUMPY
from tflite_requant.model.qparams import QArray, QParams

Attributes = Mapping[str, Any]
Stage = tuple[str, np.ndarray]


class KernelError(ValueError):
    """These operands cannot be computed: types, shapes or parameters that TFLite refuses."""


@dataclass(frozen=True, slots=True)
class OutputType:
    """What an output has to be: TFLite's dtype name, the shape stored in the file, quantization."""

    dtype: str
    shape: tuple[int, ...]
    qparams: QParams | None

    @property
    def numpy(self) -> np.dtype:
        return np.dtype(NUMPY[self.dtype])


@dataclass(frozen=True, slots=True, eq=False)
class Operands:
    """Inputs in operand order, None where an optional one is absent, and the outputs' types.

    intermediates: types of an operator's inner tensors, where the file names such (LSTM).
    """

    inputs: tuple[QArray | None, ...]
    outputs: tuple[OutputType, ...]
    intermediates: tuple[OutputType, ...] = ()

    def input(self, position: int) -> QArray | None:
        """The operand, or None where it is absent."""
        return self.inputs[position] if position < len(self.inputs) else None

    @property
    def output(self) -> OutputType:
        return self.outputs[0]


Kernel = Callable[[Operands, Attributes, Arithmetic], Iterator[Stage]]


def output_name(position: int) -> str:
    """The stage name of an output."""
    return "output" if position == 0 else f"output{position}"
