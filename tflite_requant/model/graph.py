"""A TFLite model in memory. Everything is frozen; `edit.Edit` is the only way to a changed one.

What this package understands has a field of its own. Whatever else the file format stores with a
table stays in that table's `rest`, a `Record`, and is written back as it was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from tflite_requant.model import dtypes
from tflite_requant.model.qparams import QArray, QParams


@dataclass(frozen=True, slots=True)
class Record:
    """One table of the file format: its type name and fields by their schema names.

    Enumerations are names ("SAME", "RELU6"), vectors of bytes are bytes, others tuples, tables
    Records.
    """

    type: str
    fields: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.fields.get(name, default)

    def with_fields(self, **changes: Any) -> Record:
        """The same table with some fields replaced."""
        return Record(self.type, MappingProxyType({**self.fields, **changes}))


NO_RECORD = Record("", MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class TensorType:
    """What can be asked of a tensor's elements: their type and their quantization."""

    dtype: str
    qparams: QParams | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor of a subgraph.

    shape:  sizes, () for a scalar; shape_signature has -1 where a size is dynamic, or is None.
    data:   the constant's bytes, or None where the value is computed; buffer: where the file has
            them.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    qparams: QParams | None
    buffer: int
    data: bytes | memoryview | None = None
    shape_signature: tuple[int, ...] | None = None
    is_variable: bool = False
    rest: Record = NO_RECORD

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def type(self) -> TensorType:
        return TensorType(self.dtype, self.qparams)

    @property
    def is_quantized_activation(self) -> bool:
        """Whether its integers stand for real numbers on a grid that a scheme could change."""
        return self.qparams is not None and self.dtype in dtypes.ACTIVATION_DTYPES

    def array(self) -> np.ndarray:
        """The constant as an array. Raises ValueError where bytes and shape disagree."""
        if self.data is None:
            raise ValueError(f"tensor {self.index} {self.name} is not a constant")
        return dtypes.decode(self.data, self.dtype, self.shape)

    def qarray(self) -> QArray:
        """The constant with its quantization."""
        return QArray(self.array(), self.qparams)

    def label(self) -> str:
        return f"tensor {self.index} {self.name}" if self.name else f"tensor {self.index}"


@dataclass(frozen=True, slots=True)
class OperatorCode:
    """An entry of the file's table of operator kinds."""

    opcode: str
    custom_code: str | None
    version: int
    rest: Record = field(default=NO_RECORD, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """One operator: what it is, and which tensors (by index, -1 = absent) it reads and writes."""

    index: int
    opcode: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    custom_code: str | None = None
    options: Record | None = None
    rest: Record = NO_RECORD

    @property
    def code(self) -> OperatorCode:
        """The kind of operator that this is."""
        return OperatorCode(self.opcode, self.custom_code, self.version)

    @property
    def name(self) -> str:
        """The operator's name; of a custom operator, its custom code."""
        return self.custom_code if self.opcode == "CUSTOM" and self.custom_code else self.opcode

    def option(self, name: str, default: Any = None) -> Any:
        """An option by its schema name, or the default where the operator has no such option."""
        return default if self.options is None else self.options.get(name, default)

    def input(self, position: int) -> int:
        """Index of an operand, -1 where it is absent."""
        return self.inputs[position] if position < len(self.inputs) else -1


@dataclass(frozen=True, slots=True, eq=False)
class Subgraph:
    """Tensors, and operators in execution order."""

    index: int
    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    rest: Record = NO_RECORD

    def producers(self) -> dict[int, Operator]:
        """Tensor index -> the operator that writes it."""
        return {t: op for op in self.operators for t in op.outputs if t >= 0}

    def consumers(self) -> dict[int, list[tuple[Operator, int]]]:
        """Tensor index -> (operator, operand position) of every reader, in execution order."""
        found: dict[int, list[tuple[Operator, int]]] = {}
        for op in self.operators:
            for position, tensor in enumerate(op.inputs):
                if tensor >= 0:
                    found.setdefault(tensor, []).append((op, position))
        return found

    def label(self, op: Operator) -> str:
        """How messages name an operator: index, kind, and its first output's name."""
        output = next((t for t in op.outputs if t >= 0), None)
        name = self.tensors[output].name if output is not None else ""
        place = (
            f"op {op.index} {op.name}"
            if self.index == 0
            else f"subgraph {self.index} op {op.index} {op.name}"
        )
        return f"{place} {name}".rstrip()


@dataclass(frozen=True, slots=True)
class Signature:
    """A named entry point: (argument name, tensor index) pairs into one subgraph."""

    key: str
    subgraph: int
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    rest: Record = NO_RECORD


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """Constant bytes; `external` ones are stored behind the flatbuffer, at an offset."""

    data: bytes | memoryview | None
    external: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A whole file.

    metadata: (name, buffer index) pairs; trailing: the bytes that follow the flatbuffer;
    flatbuffer_size: where they started in the file that was read. unknown_fields: what the file
    stores beyond the schema known here; it is lost when the model is written anew.
    """

    version: int
    description: str | None
    subgraphs: tuple[Subgraph, ...]
    buffers: tuple[Buffer, ...]
    operator_codes: tuple[OperatorCode, ...] = ()
    metadata: tuple[tuple[str, int], ...] = ()
    signatures: tuple[Signature, ...] = ()
    trailing: bytes = b""
    flatbuffer_size: int = 0
    rest: Record = NO_RECORD
    source: bytes | None = field(default=None, repr=False)
    unknown_fields: tuple[str, ...] = ()
    encoder: Callable[[Model], bytes] | None = field(default=None, repr=False)

    @property
    def main(self) -> Subgraph:
        """The first subgraph: what a runtime runs when no signature is named."""
        return self.subgraphs[0]

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return tuple(self.main.tensors[i] for i in self.main.inputs)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return tuple(self.main.tensors[i] for i in self.main.outputs)

    def operators(self) -> Iterator[tuple[Subgraph, Operator]]:
        """Every operator of every subgraph."""
        for subgraph in self.subgraphs:
            for op in subgraph.operators:
                yield subgraph, op

    def metadata_bytes(self, name: str) -> bytes | None:
        """The named metadata entry, or None."""
        for entry, buffer in self.metadata:
            if entry == name and 0 <= buffer < len(self.buffers):
                data = self.buffers[buffer].data
                return None if data is None else bytes(data)
        return None

    def to_bytes(self) -> bytes:
        """The file's bytes: those that were read where nothing changed, else written afresh."""
        if self.source is not None:
            return self.source
        if self.encoder is None:
            raise ValueError("this model was not read from a file; use tflite_requant.save")
        return self.encoder(self)

    def changed(self, **changes: Any) -> Model:
        """A changed model; it no longer claims to be the bytes that were read."""
        return replace(self, source=None, **changes)


def require_model(found: object) -> None:
    """Raise TypeError for what is no Model, such as a path."""
    if not isinstance(found, Model):
        raise TypeError(
            f"need a Model, found {type(found).__name__}; load it first: tflite_requant.load(path)"
        )
