"""MIRROR_PAD: the frame mirrors the data, without its border (REFLECT) or with it (SYMMETRIC)."""

from __future__ import annotations

from collections.abc import Iterator

from tflite_requant.catalog.arithmetic import Arithmetic
from tflite_requant.kernels._pads import framed
from tflite_requant.kernels._types import Attributes, Operands, Stage


def stages(operands: Operands, attributes: Attributes, arithmetic: Arithmetic) -> Iterator[Stage]:
    mode = str(attributes.get("mode", "REFLECT")).lower()
    yield "output", framed(operands.input(0).integers, operands.input(1), mode=mode)
