"""Explicit padding: a PADV2 that frames the input with the stored integer of real zero."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from tflite_requant.catalog import spec_of, version_of
from tflite_requant.model import Operator, Record, TensorType, new_operator
from tflite_requant.planning import padding
from tflite_requant.rewrite.desk import Desk

PADV2_OPTIONS = Record("PadV2Options", MappingProxyType({}))


class Frames:
    """Pads inputs; each once, whoever reads it."""

    def __init__(self, desk: Desk) -> None:
        self.plan, self.source, self.edit, self.done = desk.plan, desk.source, desk.edit, desk.done
        self._framed: dict[tuple, int] = {}

    def pad(self, op: Operator) -> None:
        """Frame the input with the stored integer of real zero; the operator then pads nothing."""
        frame = self.plan.padded.get(op.index)
        if frame is None:
            return
        start = self.edit.operator(op.index).inputs[0]
        if (start, frame) not in self._framed:
            self._framed[start, frame] = self._frame(op, start, frame)
        self.edit.replace_input(op.index, 0, self._framed[start, frame])
        self.edit.set_options(op.index, padding="VALID")

    def _frame(self, op: Operator, start: int, frame: padding.Frame) -> int:
        """A PADV2 and its output. Its constant is on the input's own grid: the kernel copies the
        stored integer."""
        data = self.edit.tensors[start]
        true_zero = self.plan.offsets.get(op.inputs[0], 0.0) / data.qparams.scale
        code = data.qparams.zero_point + round(true_zero)
        name = f"{data.name}/padded"
        amounts = np.array([(0, 0), *frame, (0, 0)])
        plain = TensorType("int32", None)
        paddings = self.edit.add_tensor(f"{name}/paddings", (4, 2), plain, integers=amounts)
        fill = self.edit.add_tensor(f"{name}/value", (), data.type, integers=np.array(code))
        more = (0, sum(frame[0]), sum(frame[1]), 0)
        made = self.edit.add_tensor(
            name, tuple(n + m for n, m in zip(data.shape, more, strict=True)), data.type,
            shape_signature=data.shape_signature
            and tuple(n + m for n, m in zip(data.shape_signature, more, strict=True)),
        )  # fmt: skip
        version = version_of(spec_of(new_operator("PADV2", 1, (), ())), data.dtype)
        self.edit.insert_before(
            op.index,
            new_operator("PADV2", version, (start, paddings, fill), (made,), PADV2_OPTIONS),
        )
        self.done.inserted.append(
            f"PADV2 {code} {self.source.tensors[op.outputs[0]].name}: before the source's op "
            f"{op.index} {op.name}, so that a zero point can be folded"
        )
        return made
