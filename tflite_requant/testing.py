"""Tiny models for tests: one operator, or a small graph, without a converter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tflite_requant.flatbuffer import default_record, write
from tflite_requant.model import dtypes
from tflite_requant.model.graph import (
    NO_RECORD,
    Buffer,
    Model,
    Operator,
    Record,
    Subgraph,
    Tensor,
)
from tflite_requant.model.qparams import QParams

SCHEMA_VERSION = 3

# Operators whose options table is not named as they are.
OPTION_TABLES = {
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "L2_POOL_2D": "Pool2DOptions",
    "LSTM": "LSTMOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MEAN": "ReducerOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "PADV2": "PadV2Options",
    "REDUCE_ALL": "ReducerOptions",
    "REDUCE_ANY": "ReducerOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_MIN": "ReducerOptions",
    "REDUCE_PROD": "ReducerOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "BATCH_TO_SPACE_ND": "BatchToSpaceNDOptions",
    "SPACE_TO_BATCH_ND": "SpaceToBatchNDOptions",
    "RNN": "RNNOptions",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "SequenceRNNOptions",
    "BIDIRECTIONAL_SEQUENCE_RNN": "BidirectionalSequenceRNNOptions",
    "TOPK_V2": "TopKV2Options",
    "SUM": "ReducerOptions",
    "SVDF": "SVDFOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
}


@dataclass(frozen=True, slots=True, eq=False)
class TensorSpec:
    """A tensor to be built. `data` makes it a constant: stored values, which give its shape.

    scale, zero_point: numbers, or one per index of `axis`; no scale means unquantized.
    """

    dtype: str
    shape: Sequence[int] | None = None
    scale: Any = None
    zero_point: Any = 0
    axis: int = 0
    data: Any = None
    name: str = ""
    is_variable: bool = False

    def qparams(self) -> QParams | None:
        """The tensor's quantization, or None."""
        return None if self.scale is None else QParams.of(self.scale, self.zero_point, self.axis)


def options_for(opcode: str, fields: Mapping[str, Any]) -> Record | None:
    """The operator's options table with the schema's defaults and `fields`.

    None for an operator without options. Raises KeyError for a field or table that does not exist.
    """
    name = "".join(part.capitalize() for part in opcode.split("_")) + "Options"
    try:
        table = default_record(OPTION_TABLES.get(opcode, name))
    except KeyError:
        if fields:
            raise
        return None
    unknown = set(fields) - set(table.fields)
    if unknown:
        raise KeyError(f"{table.type} has no field {', '.join(sorted(unknown))}")
    return table.with_fields(**fields)


class GraphBuilder:
    """Collects tensors and operators of one subgraph; `build` returns the Model."""

    def __init__(self) -> None:
        self._tensors: list[Tensor] = []
        self._operators: list[Operator] = []
        self._buffers: list[Buffer] = [Buffer(None)]

    def tensor(self, spec: TensorSpec) -> int:
        """Add a tensor and return its index."""
        index, data, buffer = len(self._tensors), None, 0
        shape = tuple(int(n) for n in (spec.shape or ()))
        if spec.data is not None:
            array = np.asarray(spec.data)
            shape, data = array.shape, dtypes.encode(array, spec.dtype)
            buffer = len(self._buffers)
            self._buffers.append(Buffer(data))
        self._tensors.append(
            Tensor(
                index,
                spec.name or f"t{index}",
                shape,
                spec.dtype,
                spec.qparams(),
                buffer,
                data=data,
                is_variable=spec.is_variable,
            )
        )
        return index

    def operator(
        self,
        opcode: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Mapping[str, Any] | None = None,
        version: int = 1,
        custom_options: bytes | None = None,
        intermediates: Sequence[int] = (),
    ) -> None:
        """Add an operator; -1 among the inputs stands for an absent one.

        With custom_options, `opcode` is a custom operator's name.
        """
        custom = custom_options is not None
        rest = NO_RECORD
        if custom or intermediates:
            inner = tuple(intermediates) or None
            rest = default_record("Operator", custom_options=custom_options, intermediates=inner)
        self._operators.append(
            Operator(
                len(self._operators),
                "CUSTOM" if custom else opcode,
                version,
                tuple(inputs),
                tuple(outputs),
                custom_code=opcode if custom else None,
                options=None if custom else options_for(opcode, options or {}),
                rest=rest,
            )
        )

    def build(self, inputs: Sequence[int], outputs: Sequence[int]) -> Model:
        """The model of everything added so far."""
        subgraph = Subgraph(
            0, "main", tuple(self._tensors), tuple(self._operators), tuple(inputs), tuple(outputs)
        )
        return Model(
            version=SCHEMA_VERSION,
            description=None,
            subgraphs=(subgraph,),
            buffers=tuple(self._buffers),
            encoder=write,
        )


def one_operator_model(
    opcode: str,
    inputs: Sequence[TensorSpec | None],
    outputs: Sequence[TensorSpec],
    options: Mapping[str, Any] | None = None,
    version: int = 1,
    custom_options: bytes | None = None,
) -> Model:
    """A model of one operator. None is an absent operand; constants are not graph inputs."""
    graph = GraphBuilder()
    operands = [-1 if spec is None else graph.tensor(spec) for spec in inputs]
    results = [graph.tensor(spec) for spec in outputs]
    graph.operator(opcode, operands, results, options, version, custom_options)
    fed = [
        t
        for t, spec in zip(operands, inputs, strict=True)
        if spec is not None and spec.data is None and not spec.is_variable
    ]
    return graph.build(fed, results)


def with_subgraphs(main: Model, *others: Model) -> Model:
    """One model of several: the main subgraph first, then those its operators call by index."""
    buffers, subgraphs = list(main.buffers), list(main.subgraphs)
    for other in others:
        offset = len(buffers)
        buffers += other.buffers
        subgraph = other.main
        tensors = tuple(replace(t, buffer=t.buffer + offset) for t in subgraph.tensors)
        index = len(subgraphs)
        subgraphs.append(replace(subgraph, index=index, name=f"sub{index}", tensors=tensors))
    return main.changed(buffers=tuple(buffers), subgraphs=tuple(subgraphs))
