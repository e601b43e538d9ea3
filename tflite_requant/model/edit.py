"""Changing a model: collect changes against the frozen source, then build the new model once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from tflite_requant.model import dtypes
from tflite_requant.model.graph import (
    Buffer,
    Model,
    Operator,
    OperatorCode,
    Record,
    Signature,
    Subgraph,
    Tensor,
    TensorType,
)


class SubgraphEdit:
    """Changes to one subgraph. Tensor indices stay valid; operator indices are the source's."""

    def __init__(self, source: Subgraph) -> None:
        self.source = source
        self.tensors: list[Tensor] = list(source.tensors)
        self.inputs = list(source.inputs)
        self.outputs = list(source.outputs)
        self.fresh: set[int] = set()
        self._operators: dict[int, Operator | None] = {op.index: op for op in source.operators}
        self._before: dict[int, list[Operator]] = {}
        self._after: dict[int, list[Operator]] = {}
        self._names = {t.name for t in source.tensors}

    def retype(self, tensor: int, new: TensorType) -> None:
        """Give a tensor another element type and quantization; a constant keeps its bytes."""
        old = self.tensors[tensor]
        self.tensors[tensor] = replace(old, dtype=new.dtype, qparams=new.qparams)

    def set_constant(self, tensor: int, integers: np.ndarray, new: TensorType) -> None:
        """Replace a constant's elements, type and shape."""
        data = dtypes.encode(integers, new.dtype)
        self.tensors[tensor] = replace(
            self.tensors[tensor],
            dtype=new.dtype,
            qparams=new.qparams,
            shape=tuple(int(n) for n in np.shape(integers)),
            data=data,
        )
        self.fresh.add(tensor)

    def add_tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        new: TensorType,
        *,
        integers: np.ndarray | None = None,
        shape_signature: tuple[int, ...] | None = None,
        is_variable: bool = False,
    ) -> int:
        """Append a tensor and return its index; a name already taken gets a number behind it."""
        index = len(self.tensors)
        self.tensors.append(
            Tensor(
                index,
                self._free_name(name),
                tuple(shape),
                new.dtype,
                new.qparams,
                buffer=0,
                shape_signature=shape_signature,
                is_variable=is_variable,
            )
        )
        if integers is not None:
            self.set_constant(index, integers, new)
        return index

    def rename(self, tensor: int, name: str) -> None:
        """Give a tensor another name; its old one becomes free."""
        self._names.discard(self.tensors[tensor].name)
        self.tensors[tensor] = replace(self.tensors[tensor], name=self._free_name(name))

    def _free_name(self, name: str) -> str:
        candidate, number = name, 1
        while candidate in self._names:
            number += 1
            candidate = f"{name}_{number}"
        self._names.add(candidate)
        return candidate

    def operator(self, index: int) -> Operator:
        """The operator as changed so far. Raises KeyError for one that was removed."""
        op = self._operators[index]
        if op is None:
            raise KeyError(index)
        return op

    def set_operator(self, index: int, **changes) -> None:
        """Replace fields of a source operator: opcode, version, inputs, outputs, options, ..."""
        self._operators[index] = replace(self.operator(index), **changes)

    def set_options(self, index: int, **changes) -> None:
        """Replace option fields of a source operator."""
        options = self.operator(index).options
        if options is None:
            raise ValueError(f"operator {index} has no options")
        self.set_operator(index, options=options.with_fields(**changes))

    def remove_operator(self, index: int) -> None:
        self._operators[index] = None

    def insert_before(self, index: int, op: Operator) -> None:
        """Put a new operator right before a source operator; several keep their order."""
        self._before.setdefault(index, []).append(op)

    def insert_after(self, index: int, op: Operator) -> None:
        """Put a new operator right after a source operator; several keep their order."""
        self._after.setdefault(index, []).append(op)

    def insert_first(self, op: Operator) -> None:
        """Put a new operator before all others; several keep their order."""
        self._before.setdefault(-1, []).append(op)

    def replace_input(self, index: int, position: int, tensor: int) -> None:
        """Let a source operator read another tensor at one position."""
        inputs = list(self.operator(index).inputs)
        if inputs[position] == tensor:
            return
        inputs[position] = tensor
        self.set_operator(index, inputs=tuple(inputs))

    def replace_output(self, index: int, position: int, tensor: int) -> None:
        """Let a source operator write another tensor at one position."""
        outputs = list(self.operator(index).outputs)
        outputs[position] = tensor
        self.set_operator(index, outputs=tuple(outputs))

    @property
    def is_changed(self) -> bool:
        """Whether anything differs from the source."""
        source = self.source
        return bool(
            self._before
            or self._after
            or self.inputs != list(source.inputs)
            or self.outputs != list(source.outputs)
            or len(self.tensors) != len(source.tensors)
            or any(a is not b for a, b in zip(self.tensors, source.tensors, strict=True))
            or any(self._operators[op.index] is not op for op in source.operators)
        )

    def operators_in_order(self) -> Iterable[Operator]:
        """All operators of the new subgraph, renumbered."""
        return [replace(op, index=i) for i, (op, _) in enumerate(self._sequence())]

    def new_indices(self) -> dict[int, int]:
        """Index of every source operator that is kept -> its index in the new subgraph."""
        numbered = enumerate(self._sequence())
        return {origin: i for i, (_, origin) in numbered if origin is not None}

    def _sequence(self) -> list[tuple[Operator, int | None]]:
        """Operators in their new order, each with its index in the source; None: it is new."""
        sequence = [(op, None) for op in self._before.get(-1, ())]
        for op in self.source.operators:
            sequence += ((new, None) for new in self._before.get(op.index, ()))
            kept = self._operators[op.index]
            if kept is not None:
                sequence.append((kept, op.index))
            sequence += ((new, None) for new in self._after.get(op.index, ()))
        return sequence


def new_operator(
    opcode: str,
    version: int,
    inputs: Iterable[int],
    outputs: Iterable[int],
    options: Record | None = None,
) -> Operator:
    """An operator for `insert_before` and `insert_after`; its index is given at commit."""
    return Operator(-1, opcode, version, tuple(inputs), tuple(outputs), options=options)


class Edit:
    """Changes to a model. `commit` returns the new model and leaves the source as it was."""

    def __init__(self, model: Model) -> None:
        self.source = model
        self.subgraphs = [SubgraphEdit(s) for s in model.subgraphs]
        self.signatures: list[Signature] = list(model.signatures)
        self.description = model.description
        self._metadata: dict[str, bytes] = {}

    @property
    def is_changed(self) -> bool:
        """Whether anything differs from the source."""
        return bool(self._metadata) or any(s.is_changed for s in self.subgraphs)

    def set_metadata(self, name: str, data: bytes) -> None:
        """Add or replace a metadata entry."""
        self._metadata[name] = data

    def replace_io(self, subgraph: int, old: int, new: int, *, outputs: bool) -> None:
        """Let a graph input or output, and every signature that names it, be another tensor."""
        edit = self.subgraphs[subgraph]
        side = edit.outputs if outputs else edit.inputs
        side[:] = [new if t == old else t for t in side]
        for i, signature in enumerate(self.signatures):
            if signature.subgraph != subgraph:
                continue
            field = "outputs" if outputs else "inputs"
            pairs = tuple((n, new if t == old else t) for n, t in getattr(signature, field))
            self.signatures[i] = replace(signature, **{field: pairs})

    def commit(self) -> Model:
        """Build the new model: constants get buffers, operators their numbers."""
        buffers = list(self.source.buffers)
        tensors = [list(s.tensors) for s in self.subgraphs]
        self._place_constants(tensors, buffers)
        metadata = list(self.source.metadata)
        for name, data in self._metadata.items():
            place = next((i for i, (n, _) in enumerate(metadata) if n == name), len(metadata))
            slot = metadata[place][1] if place < len(metadata) else 0
            if slot == 0 or self._readers(slot) > 1:
                metadata[place : place + 1] = [(name, len(buffers))]
                buffers.append(Buffer(data))
            else:
                buffers[slot] = replace(buffers[slot], data=data)
        subgraphs = tuple(
            replace(
                s.source,
                tensors=tuple(tensors[i]),
                operators=tuple(s.operators_in_order()),
                inputs=tuple(s.inputs),
                outputs=tuple(s.outputs),
            )
            for i, s in enumerate(self.subgraphs)
        )
        return self.source.changed(
            subgraphs=subgraphs,
            operator_codes=self._operator_codes(subgraphs),
            buffers=tuple(buffers),
            metadata=tuple(metadata),
            signatures=tuple(self.signatures),
            description=self.description,
        )

    def _readers(self, buffer: int) -> int:
        """How many tensors and metadata entries of the source keep their bytes in a buffer."""
        named = sum(b == buffer for _, b in self.source.metadata)
        return named + sum(t.buffer == buffer for s in self.source.subgraphs for t in s.tensors)

    def _operator_codes(self, subgraphs: tuple[Subgraph, ...]) -> tuple[OperatorCode, ...]:
        """The source's table without what fell out of use (a runtime resolves every entry), and the
        new kinds behind it."""
        before = {op.code for _, op in self.source.operators()}
        after = dict.fromkeys(op.code for s in subgraphs for op in s.operators)
        kept = [c for c in self.source.operator_codes if c in after or c not in before]
        return (*kept, *(code for code in after if code not in kept))

    def _place_constants(self, tensors: list[list[Tensor]], buffers: list[Buffer]) -> None:
        """Give every changed constant a buffer: its old one where nobody keeps the old bytes."""
        keepers = {0} | {b for _, b in self.source.metadata}
        for edit in self.subgraphs:
            keepers |= {t.buffer for t in edit.tensors if t.index not in edit.fresh}
        placed: dict[tuple[int, bytes], int] = {}
        taken: set[int] = set()
        for s, edit in enumerate(self.subgraphs):
            for index in sorted(edit.fresh):
                tensor = edit.tensors[index]
                data = bytes(tensor.data)
                key = (tensor.buffer, data)
                if key not in placed:
                    if tensor.buffer in keepers or tensor.buffer in taken:
                        placed[key] = len(buffers)
                        buffers.append(Buffer(data))
                    else:
                        placed[key] = tensor.buffer
                        taken.add(tensor.buffer)
                        buffers[tensor.buffer] = replace(buffers[tensor.buffer], data=data)
                slot = placed[key]
                tensors[s][index] = replace(tensor, buffer=slot, data=buffers[slot].data)
