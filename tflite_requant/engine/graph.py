"""What the engine has to know of a graph: which operators to run, and who reads what."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tflite_requant import kernels
from tflite_requant.kernels import Operands, OutputType
from tflite_requant.kernels._session import CONTROL
from tflite_requant.model.dtypes import NUMPY
from tflite_requant.model.graph import Model, Operator, Subgraph
from tflite_requant.model.qparams import QArray


def preparable(model: Model) -> bool:
    """Whether a model is a pure function of its inputs, made of operators with kernels."""
    main = model.main
    if any(t.is_variable for t in main.tensors):
        return False
    for op in needed(main, main.outputs):
        if op.name in CONTROL or op.name not in kernels.KERNELS:
            return False
        if any(t >= 0 and main.tensors[t].dtype not in NUMPY for t in (*op.inputs, *op.outputs)):
            return False
    made = {*main.inputs, *main.producers()}
    return all(t in made for t in main.outputs)


def needed(subgraph: Subgraph, asked: Iterable[int]) -> list[Operator]:
    """Operators that the asked tensors need, in execution order."""
    wanted, chosen = set(asked), []
    for op in reversed(subgraph.operators):
        if wanted.intersection(op.outputs):
            chosen.append(op)
            wanted.update(op.inputs)
    return chosen[::-1]


def readers(operators: Iterable[Operator]) -> dict[int, list[Operator]]:
    """Tensor index -> the operators that read it, once for each operand."""
    found: dict[int, list[Operator]] = {}
    for op in operators:
        for t in op.inputs:
            if t >= 0:
                found.setdefault(t, []).append(op)
    return found


def output_types(subgraph: Subgraph, indices: Iterable[int]) -> tuple[OutputType, ...]:
    tensors = [subgraph.tensors[t] for t in indices]
    return tuple(OutputType(t.dtype, t.shape, t.qparams) for t in tensors)


class UnreadableConstant(Exception):
    """A constant's bytes do not make the array that its type and shape declare."""


class Constants:
    """Constants of a subgraph, decoded once; other operands as arrays of zeros without memory."""

    def __init__(self, subgraph: Subgraph) -> None:
        self._subgraph = subgraph
        self._known: dict[int, QArray] = {}

    def get(self, index: int) -> QArray | None:
        """The constant, or None where the tensor is computed or absent.

        Raises UnreadableConstant.
        """
        if index < 0 or not self._subgraph.tensors[index].is_constant:
            return None
        if index not in self._known:
            try:
                self._known[index] = self._subgraph.tensors[index].qarray()
            except ValueError as error:
                raise UnreadableConstant(index) from error
        return self._known[index]

    def declared(self, op: Operator) -> Operands:
        """An operator's operands as the file declares them."""
        return Operands(
            tuple(self._declared(t) for t in op.inputs),
            output_types(self._subgraph, op.outputs),
            output_types(self._subgraph, op.rest.get("intermediates") or ()),
        )

    def _declared(self, index: int) -> QArray | None:
        if index < 0:
            return None
        tensor = self._subgraph.tensors[index]
        zeros = np.broadcast_to(np.zeros((), NUMPY[tensor.dtype]), tensor.shape)
        return self.get(index) or QArray(zeros, tensor.qparams)
