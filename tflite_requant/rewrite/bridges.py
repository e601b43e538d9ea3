"""QUANTIZE operators where the grid of a tensor is not the one that an operator needs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tflite_requant.model import Operator, Record, TensorType, new_operator
from tflite_requant.planning.grid import shifted
from tflite_requant.rewrite.clamps import insert_clamp
from tflite_requant.rewrite.desk import Desk

QUANTIZE_OPTIONS = Record("QuantizeOptions", MappingProxyType({}))
# 8-bit types become each other by a shift, and only int8 and int16 convert into one another.
CHAINS = {("int16", "uint8"): "int8", ("uint8", "int16"): "int8"}
# Why an operator has a grid of its own, by the kind of its domain.
READS = {
    "scheme": "reads another grid",
    "fence": "has no kernel for the scheme's type",
    "pinned": "is kept as it is",
}
WRITES = {**READS, "scheme": "writes another grid"}
BORDER = "at the graph's output, which keeps its type"


class Bridges:
    """Puts QUANTIZE around operators and at the graph's borders.

    clamped: operators whose lost clamp is restored -> MAXIMUM, MINIMUM, or both.
    """

    def __init__(self, desk: Desk, clamped: Mapping[int, tuple[str, ...]]) -> None:
        self.desk, self.clamped = desk, clamped
        self.plan, self.source, self.edit, self.done = desk.plan, desk.source, desk.edit, desk.done
        self._converted: dict[tuple[int, TensorType], int] = {}

    def inputs(self, op: Operator) -> None:
        """Let the operator read its inputs on the grids that the plan gives it."""
        for position, index in enumerate(op.inputs):
            want = self.plan.ports.get((op.index, "in", position))
            if want is None or self.source.tensors[index].is_constant:
                continue
            why = f"before {self._place(op)}, which {READS[self.plan.domains[op.index].kind]}"
            tensor = self._convert(index, self.edit.tensors[index].type, want, op.index, why)
            self.edit.replace_input(op.index, position, tensor)

    @staticmethod
    def _place(op: Operator) -> str:
        return f"the source's op {op.index} {op.name}"

    def _convert(
        self, tensor: int, have: TensorType, want: TensorType, before: int, why: str
    ) -> int:
        """A tensor with the value of `tensor` on another grid, made once by QUANTIZE."""
        key = (tensor, want)
        if key not in self._converted:
            middle = self._middle(have, want)
            start = tensor if middle is None else self._convert(tensor, have, middle, before, why)
            old = self.edit.tensors[tensor]
            made = self.edit.add_tensor(
                f"{old.name}/{want.dtype}", old.shape, want, shape_signature=old.shape_signature
            )
            self.edit.insert_before(before, self._quantize(start, made, why))
            self._converted[key] = made
        return self._converted[key]

    @staticmethod
    def _middle(have: TensorType, want: TensorType) -> TensorType | None:
        dtype = CHAINS.get((have.dtype, want.dtype))
        if dtype is None:
            return None
        return shifted(have, dtype) or shifted(want, dtype)

    def _quantize(self, start: int, end: int, why: str) -> Operator:
        a, b = self.edit.tensors[start], self.edit.tensors[end]
        version = 2 if "int16" in (a.dtype, b.dtype) else 1
        self.done.inserted.append(f"QUANTIZE {a.dtype} -> {b.dtype} {b.name}: {why}")
        return new_operator("QUANTIZE", version, (start,), (end,), QUANTIZE_OPTIONS)

    def outputs(self, op: Operator) -> None:
        """Let the operator write a tensor of its own; QUANTIZE carries it to the home grid."""
        for position, index in enumerate(op.outputs):
            want = self.plan.ports.get((op.index, "out", position))
            sides = self.clamped.get(op.index, ())
            if want is None and not sides:
                continue
            home = self.edit.tensors[index]
            kind = want or home.type
            made = self.edit.add_tensor(
                f"{home.name}/{kind.dtype if want else 'unclamped'}", home.shape, kind,
                shape_signature=home.shape_signature,
            )  # fmt: skip
            self.edit.replace_output(op.index, position, made)
            chain = [made]
            if sides:
                self.done.clamped[op.index] = sides
                chain = [insert_clamp(self.desk, op, sides, made, index if want is None else None)]
            if want is not None:
                why = f"behind {self._place(op)}, which {WRITES[self.plan.domains[op.index].kind]}"
                middle = self._middle(kind, home.type)
                if middle is not None:
                    step = self.edit.add_tensor(f"{home.name}/{middle.dtype}", home.shape, middle)
                    self.edit.insert_after(op.index, self._quantize(chain[-1], step, why))
                    chain.append(step)
                self.edit.insert_after(op.index, self._quantize(chain[-1], index, why))

    def borders(self) -> None:
        """Graph outputs that keep their old type: the home tensor gives its name to the border."""
        for index, want in self.plan.outputs.items():
            home = self.edit.tensors[index]
            last = self.source.operators[-1].index
            inner = f"{home.name}/{home.dtype}"
            name = home.name
            self.edit.rename(index, inner)
            middle, start = self._middle(home.type, want), index
            if middle is not None:
                start = self.edit.add_tensor(f"{name}/{middle.dtype}", home.shape, middle)
                self.edit.insert_after(last, self._quantize(index, start, BORDER))
            border = self.edit.add_tensor(
                name, home.shape, want, shape_signature=home.shape_signature
            )
            self.edit.insert_after(last, self._quantize(start, border, BORDER))
            self.desk.whole.replace_io(self.source.index, index, border, outputs=True)
