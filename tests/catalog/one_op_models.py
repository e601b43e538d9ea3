"""Models of one catalog operator each, built with LiteRT's own schema bindings.

Nothing of the package but the catalog's data is used, so what a runtime says of these models is
said of the catalog.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from operator_cases import CASES, Case, Shape

from tflite_requant.catalog.spec import Operand, OpSpec
from tflite_requant.model.dtypes import NUMPY

INPUT_GRID = {"uint8": (0.05, 120), "int8": (0.05, -5), "int16": (0.0005, 0)}
OUTPUT_GRID = {"uint8": (0.08, 110), "int8": (0.08, 3), "int16": (0.0008, 0)}
CODES = schema.BuiltinOperator


class _Builder:
    """Collects tensors and buffers of one subgraph."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []
        self.buffers = [schema.BufferT()]

    def tensor(self, name: str, shape, dtype: str, grid=None, data=None) -> int:
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = list(shape)
        tensor.type = getattr(schema.TensorType, dtype.upper())
        tensor.buffer = 0
        if grid is not None:
            scales, zero_points, axis = grid
            quantization = schema.QuantizationParametersT()
            quantization.scale = list(scales)
            quantization.zeroPoint = list(zero_points)
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def in_tie(operand: Operand, dtype: str) -> bool:
    """Whether the operand shares its grid with others at this activation type."""
    return operand.tie is not None and (operand.tie_dtypes is None or dtype in operand.tie_dtypes)


def lowest_version(spec: OpSpec) -> int:
    """The lowest version that resolvers accept: 1, but for BROADCAST_TO."""
    return 2 if spec.name == "BROADCAST_TO" else 1


def build(
    spec: OpSpec,
    dtype: str,
    version: int,
    *,
    case: Case | None = None,
    activation: str | None = None,
    break_tie: bool = False,
    input_dtype: str | None = None,
    output_dtype: str | None = None,
    output_grid: tuple[float, int] | None = None,
) -> bytes:
    """The one-operator model as bytes.

    dtype: of its activations, but for those that `input_dtype` and `output_dtype` replace, float32
    among them. break_tie: tied outputs get another grid. output_grid: (scale, zero point).
    """
    case = case or CASES[spec.name]
    rng = np.random.default_rng(1)
    built = _Builder()
    inputs, feeds = [], []
    for position, value in enumerate(case.operands):
        operand = spec.input(position)
        name = f"{'positive_' if case.positive else ''}{operand.name}_{position}"
        if isinstance(value, np.ndarray):
            inputs.append(built.tensor(name, value.shape, str(value.dtype), data=value))
            continue
        if operand.role == "weights":
            inputs.append(_weights(built, rng, operand, value, dtype))
            continue
        if operand.role == "bias":
            wide = dtype == "int16" and "quantizedBiasType" not in case.fields
            kind = "int64" if wide else "int32"
            data = rng.integers(-100, 100, value).astype(NUMPY[kind])
            scale = INPUT_GRID[dtype][0] * 0.01
            per_axis = dtype != "uint8" and spec.name != "FULLY_CONNECTED"
            count = value[0] if per_axis else 1
            inputs.append(built.tensor(name, value, kind, ([scale] * count, [0] * count, 0), data))
            continue
        kind = input_dtype or operand.types.get(dtype, dtype)
        grid = INPUT_GRID.get(kind)
        steps = case.constants.get(position)
        data = None if steps is None else np.full(value, grid[1] + steps, NUMPY[kind])
        quantized = _quantization(grid, value, case.per_axis == "input")
        index = built.tensor(name, value, kind, quantized, data)
        inputs.append(index)
        if data is None:
            feeds.append(index)
    outputs = []
    for position, value in enumerate(case.outputs):
        operand = spec.output(position)
        name = f"{operand.name}_out_{position}"
        if operand.role == "plain":
            outputs.append(built.tensor(name, value[1], value[0]))
            continue
        kind = output_dtype or dtype
        shared = in_tie(operand, dtype) and not break_tie
        grids = INPUT_GRID if shared else OUTPUT_GRID
        grid = output_grid or operand.fixed.get(kind) or grids.get(kind)
        quantized = _quantization(grid, value, case.per_axis == "output")
        outputs.append(built.tensor(name, value, kind, quantized))
    return _finish(spec, case, dtype, version, activation, built, inputs, outputs, feeds)


def _quantization(grid, shape: Shape, per_axis: bool):
    """(scales, zero points, axis) of a tensor, or None for floats."""
    if grid is None:
        return None
    scale, zero_point = grid
    if not per_axis:
        return [scale], [zero_point], 0
    count = shape[-1]
    return [scale * (1 + index) for index in range(count)], [0] * count, len(shape) - 1


def _weights(built: _Builder, rng, operand: Operand, shape: Shape, dtype: str) -> int:
    kind = operand.types.get(dtype, dtype)
    low, high = (0, 256) if kind == "uint8" else (-127, 128)
    data = rng.integers(low, high, shape).astype(NUMPY[kind])
    per_axis = kind == "int8" and len(shape) == 4
    count = shape[operand.axis] if per_axis else 1
    zero = 127 if kind == "uint8" else 0
    axis = operand.axis if per_axis else 0
    return built.tensor("weights", shape, kind, ([0.01] * count, [zero] * count, axis), data)


def _finish(spec, case, dtype, version, activation, built, inputs, outputs, feeds) -> bytes:
    operator = schema.OperatorT()
    operator.opcodeIndex = 0
    operator.inputs, operator.outputs = inputs, outputs
    code = schema.OperatorCodeT()
    code.version = version
    if case.custom is not None:
        code.builtinCode = CODES.CUSTOM
        code.customCode = spec.name
        operator.customOptions = np.frombuffer(case.custom, np.uint8)
    else:
        code.builtinCode = getattr(CODES, spec.name)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    if case.options:
        options = getattr(schema, case.options + "T")()
        for name, value in {**case.fields, **case.extra.get(dtype, {})}.items():
            if not hasattr(options, name):
                raise AttributeError(f"{case.options} has no {name}")
            setattr(options, name, value)
        if activation is not None:
            options.fusedActivationFunction = getattr(schema.ActivationFunctionType, activation)
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, case.options)
        operator.builtinOptions = options
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = built.tensors, [operator]
    graph.inputs, graph.outputs = feeds, outputs
    graph.name = "main"
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [code]
    model.subgraphs, model.buffers = [graph], built.buffers
    packer = flatbuffers.Builder(1024)
    packer.Finish(model.Pack(packer), b"TFL3")
    return bytes(packer.Output())
