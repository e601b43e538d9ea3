"""SQUEEZE: sizes of one removed; all of them where the option names none."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    data = operands.input(0).integers
    axes = tuple(int(a) % data.ndim for a in attributes.get("squeeze_dims") or ())
    if not axes:
        axes = tuple(i for i, n in enumerate(data.shape) if n == 1)
    yield "output", data.reshape([n for i, n in enumerate(data.shape) if i not in axes])
