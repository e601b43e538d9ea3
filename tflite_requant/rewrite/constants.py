"""Constants on new grids: in the tensor that holds them where nobody else reads it, else a twin."""

from __future__ import annotations

import numpy as np

from tflite_requant.catalog import spec_of
from tflite_requant.model import Operator, QArray, TensorType
from tflite_requant.rewrite.desk import Desk
from tflite_requant.rules import constants


class Constants:
    """Where the constants of a subgraph go."""

    def __init__(self, desk: Desk) -> None:
        self.plan, self.source, self.edit = desk.plan, desk.source, desk.edit
        self._placed: dict[tuple, int] = {}
        self._claimed: set[int] = self._read_by_others()

    def _read_by_others(self) -> set[int]:
        """Constants that must stay as they are: what reads them is not in the plan."""
        read = {*self.source.outputs}
        for op in self.source.operators:
            spec, domain = spec_of(op), self.plan.domains.get(op.index)
            for position, index in enumerate(op.inputs):
                operand = spec.input(position) if spec is not None else None
                planned = domain is not None and domain.kind != "pinned"
                if not planned or operand is None or operand.role == "plain":
                    read.add(index)
        return {t for t in read if t >= 0 and self.source.tensors[t].is_constant}

    def rewrite(self, op: Operator) -> None:
        """Constants on activation grids, each operator's on the grid that it needs."""
        for position, index in enumerate(op.inputs):
            if (
                index < 0
                or index not in self.plan.home
                or not self.source.tensors[index].is_constant
            ):
                continue
            source = self.source.tensors[index]
            new = self.plan.at(op.index, "in", position, index)
            if new == source.type:
                self.keep(op, position, index)
                continue
            gain = self.plan.gains.get(index, 1.0)
            integers = constants.rewrite(source.qarray(), new, gain)
            self.edit.replace_input(op.index, position, self.place(index, integers, new))

    def keep(self, op: Operator, position: int, index: int) -> None:
        """Let the operator read the source's constant, also where another one changed it."""
        source = self.source.tensors[index]
        if self.edit.tensors[index] is source:
            self._claimed.add(index)
        else:
            self.edit.replace_input(
                op.index, position, self.place(index, source.array(), source.type)
            )

    def place(self, index: int, integers: np.ndarray, new: TensorType) -> int:
        """A tensor that holds these constants: the old one if it is free, a twin otherwise."""
        key = (index, new, integers.astype(np.int64).tobytes())
        if key not in self._placed:
            if index in self._claimed:
                name = f"{self.source.tensors[index].name}/{new.dtype}"
                shape = tuple(int(n) for n in integers.shape)
                self._placed[key] = self.edit.add_tensor(name, shape, new, integers=integers)
            else:
                self._claimed.add(index)
                self.edit.set_constant(index, integers, new)
                self._placed[key] = index
        return self._placed[key]

    def put(self, op: Operator, position: int, index: int, new: QArray, dtype: str) -> None:
        """Let the operator read a new array; the source's tensor where nothing changed."""
        old, kind = self.source.tensors[index], TensorType(dtype, new.qparams)
        if old.type == kind and np.array_equal(old.array(), new.integers):
            self.keep(op, position, index)
            return
        placed = self.place(index, new.integers, kind)
        self.edit.replace_input(op.index, position, placed)
