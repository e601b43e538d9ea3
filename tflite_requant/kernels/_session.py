"""Operators that are no pure function of arrays: variables, and calls of other subgraphs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from tflite_requant.kernels._custom_options import decode
from tflite_requant.kernels._types import KernelError
from tflite_requant.model.dtypes import NUMPY
from tflite_requant.model.graph import Model, Operator, Subgraph, Tensor
from tflite_requant.model.qparams import QArray

CONTROL = ("VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE", "CALL_ONCE", "IF", "WHILE")

MAX_ROUNDS = 100_000  # of a loop; one that never ends looks no different

Call = Callable[[int, Iterable[np.ndarray]], "list[np.ndarray]"]


class Session:
    """What lives from one operator to the next besides tensors: variable tensors and resources."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._states: dict[tuple[int, int], np.ndarray] = {}
        self._resources: dict[tuple[str, str], np.ndarray] = {}
        self._handles: list[tuple[str, str]] = []
        self._called_once: set[int] = set()

    def state(self, subgraph: int, tensor: Tensor) -> np.ndarray:
        """A variable tensor's value. LiteRT starts int8 at the zero point, everything else at 0."""
        key = subgraph, tensor.index
        if key not in self._states:
            initial = (
                tensor.qparams.zero_points[0] if tensor.dtype == "int8" and tensor.qparams else 0
            )
            self._states[key] = np.full(tensor.shape, initial, NUMPY[tensor.dtype])
        return self._states[key]

    def assign(self, subgraph: int, index: int, value: np.ndarray) -> None:
        """Give a variable tensor its next value."""
        self._states[subgraph, index] = value

    def attributes(self, op: Operator):
        """An operator's options; a custom operator's are decoded from their flexbuffer."""
        if op.options is not None:
            return op.options.fields
        raw = op.rest.get("custom_options") if op.opcode == "CUSTOM" else None
        return decode(bytes(raw)) if raw is not None else {}

    def called(self, op: Operator) -> tuple[int, ...]:
        """The subgraphs that an operator runs."""
        fields = {
            "CALL_ONCE": ("init_subgraph_index",),
            "IF": ("then_subgraph_index", "else_subgraph_index"),
            "WHILE": ("cond_subgraph_index", "body_subgraph_index"),
        }
        return tuple(op.option(f) for f in fields.get(op.name, ()))

    def compute(
        self, subgraph: Subgraph, op: Operator, inputs: tuple[QArray | None, ...], call: Call
    ) -> tuple[np.ndarray, ...]:
        """Run one CONTROL operator."""
        arrays = [None if q is None else q.integers for q in inputs]
        if op.name == "VAR_HANDLE":
            key = (op.option("container") or "", op.option("shared_name") or "")
            if key not in self._handles:
                self._handles.append(key)
            return (np.array([self._handles.index(key)], np.int32),)
        if op.name == "ASSIGN_VARIABLE":
            self._resources[self._handles[int(arrays[0][0])]] = arrays[1]
            return ()
        if op.name == "READ_VARIABLE":
            return (self._read(subgraph, op, int(arrays[0][0])),)
        if op.name == "CALL_ONCE":
            index = self.called(op)[0]
            if index not in self._called_once:
                self._called_once.add(index)
                call(index, [])
            return ()
        if op.name == "IF":
            then, otherwise = self.called(op)
            return tuple(call(then if bool(arrays[0].reshape(-1)[0]) else otherwise, arrays[1:]))
        condition, body = self.called(op)
        for _ in range(MAX_ROUNDS):
            if not bool(call(condition, arrays)[0].reshape(-1)[0]):
                return tuple(arrays)
            arrays = call(body, arrays)
        raise KernelError(f"its condition still holds after {MAX_ROUNDS:,} rounds")

    def _read(self, subgraph: Subgraph, op: Operator, handle: int) -> np.ndarray:
        key = self._handles[handle]
        if key not in self._resources:
            raise KernelError(f"variable {key[1]!r} is read before it was assigned")
        return self._resources[key]
