"""`Model` to bytes: deterministic, TFL3, constants 16-byte aligned, nothing dropped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import flatbuffers

from tflite_requant.flatbuffer import records
from tflite_requant.flatbuffer._generated import layout, schema
from tflite_requant.flatbuffer.reader import quantization_of
from tflite_requant.flatbuffer.trailing import move_zip
from tflite_requant.model.graph import (
    NO_RECORD,
    Model,
    Operator,
    OperatorCode,
    Record,
    Signature,
    Subgraph,
    Tensor,
)

ALIGNMENT = 16
LAST_DEPRECATED_CODE = 127  # operators beyond it put this placeholder in the old one-byte field


class AlignedBuffer(schema.BufferT):
    """A buffer whose bytes start at a multiple of 16; flatc's Python ignores `force_align`."""

    def Pack(self, builder: flatbuffers.Builder) -> int:
        vector = None
        if self.data is not None:
            raw = bytes(self.data)
            builder.StartVector(1, len(raw), ALIGNMENT)
            builder.head -= len(raw)
            builder.Bytes[builder.head : builder.head + len(raw)] = raw
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        schema.BufferAddOffset(builder, self.offset)
        schema.BufferAddSize(builder, self.size)
        return schema.BufferEnd(builder)


def write(model: Model) -> bytes:
    """The file's bytes; the same model gives the same bytes on every machine."""
    outside = _External(model)
    body = _pack(model, outside)
    if outside.blobs:
        outside.place(len(body))
        body = _pack(model, outside)
        body = outside.append_to(body)
    if not model.trailing:
        return body
    return body + move_zip(model.trailing, model.flatbuffer_size, len(body))


class _External:
    """Blobs that live behind the flatbuffer. Their offsets are 64-bit, so placing them twice does
    not change its length."""

    def __init__(self, model: Model) -> None:
        self.blobs: dict[tuple, bytes] = {}
        self.offsets: dict[tuple, int] = {}
        for i, buffer in enumerate(model.buffers):
            if buffer.external:
                self.blobs["buffer", i] = bytes(buffer.data or b"")
        for subgraph, op in model.operators():
            if op.rest.get("large_custom_options") is not None:
                self.blobs["options", subgraph.index, op.index] = op.rest["large_custom_options"]
        self.place(ALIGNMENT)

    def place(self, start: int) -> None:
        for key, blob in self.blobs.items():
            start += -start % ALIGNMENT
            self.offsets[key] = start
            start += len(blob)

    def append_to(self, body: bytes) -> bytes:
        parts, size = [body], len(body)
        for key, blob in self.blobs.items():
            parts += [bytes(self.offsets[key] - size), blob]
            size = self.offsets[key] + len(blob)
        return b"".join(parts)


def _pack(model: Model, outside: _External) -> bytes:
    root = records.from_record(_model_record(model, outside))
    kept = _kept(model.buffers, model.rest.get("buffers"))
    root.buffers = None if kept is None else []
    for i, buffer in enumerate(model.buffers):
        packed = AlignedBuffer()
        packed.offset = packed.size = 0
        packed.data = None if buffer.external else buffer.data
        if buffer.external:
            packed.offset, packed.size = (
                outside.offsets["buffer", i],
                len(outside.blobs["buffer", i]),
            )
        root.buffers.append(packed)
    size = sum(len(b.data) for b in model.buffers if b.data is not None)
    builder = flatbuffers.Builder(size + size // 8 + 65536)
    builder.Finish(root.Pack(builder), file_identifier=layout.FILE_IDENTIFIER)
    return bytes(builder.Output())


def _model_record(model: Model, outside: _External) -> Record:
    base = model.rest if model.rest is not NO_RECORD else records.default_record("Model")
    codes = _operator_codes(model)
    return base.with_fields(
        version=model.version,
        description=model.description,
        operator_codes=_kept(tuple(map(_code_record, codes)), base["operator_codes"]),
        subgraphs=tuple(_subgraph_record(s, codes, outside) for s in model.subgraphs),
        buffers=None,
        metadata=_kept(_metadata(model, base), base["metadata"]),
        signature_defs=_kept(
            tuple(_signature_record(s) for s in model.signatures), base["signature_defs"]
        ),
    )


def _kept(new: tuple, old: Any) -> Any:
    """An absent vector stays absent where there is still nothing to say."""
    return None if old is None and not new else new


def _metadata(model: Model, base: Record) -> tuple[Record, ...]:
    old = {(m["name"] or "", m["buffer"]): m for m in base["metadata"] or ()}
    return tuple(
        old.get((name, buffer)) or records.default_record("Metadata", name=name, buffer=buffer)
        for name, buffer in model.metadata
    )


def _operator_codes(model: Model) -> tuple[OperatorCode, ...]:
    """The model's table, and behind it what operators need beyond it."""
    needed = dict.fromkeys(op.code for _, op in model.operators())
    return (*model.operator_codes, *(c for c in needed if c not in model.operator_codes))


def _code_record(code: OperatorCode) -> Record:
    if code.rest is not NO_RECORD:
        return code.rest
    known = code.opcode in layout.ENUMS["BuiltinOperator"]
    name = code.opcode if known else int(code.opcode.removeprefix("BUILTIN_"))
    number = records.enum_value("BuiltinOperator", name)
    return records.default_record(
        "OperatorCode",
        deprecated_builtin_code=min(number, LAST_DEPRECATED_CODE),
        builtin_code=name,
        custom_code=code.custom_code,
        version=code.version,
    )


def _subgraph_record(
    subgraph: Subgraph, codes: tuple[OperatorCode, ...], outside: _External
) -> Record:
    base = subgraph.rest if subgraph.rest is not NO_RECORD else records.default_record("SubGraph")
    index = {}
    for i, code in enumerate(codes):
        index.setdefault(code, i)
    operators = tuple(
        _operator_record(op, codes, index, outside, subgraph.index) for op in subgraph.operators
    )
    return base.with_fields(
        name=_same_text(subgraph.name, base["name"]),
        tensors=_kept(tuple(map(_tensor_record, subgraph.tensors)), base["tensors"]),
        operators=_kept(operators, base["operators"]),
        inputs=_vector(subgraph.inputs, base["inputs"]),
        outputs=_vector(subgraph.outputs, base["outputs"]),
    )


def _vector(new: Iterable[int], old: tuple | None) -> tuple | None:
    """A vector that says the same as before stays as it was: absent or empty."""
    new = tuple(new)
    return old if new == tuple(old or ()) else new


def _same_text(new: str, old: str | None) -> str | None:
    return old if new == (old or "") else new


def _operator_record(op: Operator, codes, index, outside: _External, subgraph: int) -> Record:
    base = op.rest if op.rest is not NO_RECORD else records.default_record("Operator")
    old = base["opcode_index"]
    same = old < len(codes) and codes[old] == op.code
    fields: dict[str, Any] = {
        "opcode_index": old if same else index[op.code],
        "inputs": _vector(op.inputs, base["inputs"]),
        "outputs": _vector(op.outputs, base["outputs"]),
        "builtin_options": op.options,
    }
    key = ("options", subgraph, op.index)
    if key in outside.blobs:
        fields["large_custom_options_offset"] = outside.offsets[key]
        fields["large_custom_options_size"] = len(outside.blobs[key])
    return base.with_fields(**fields)


def _tensor_record(tensor: Tensor) -> Record:
    base = (
        tensor.rest
        if tensor.rest is not NO_RECORD
        else records.default_record("Tensor", has_rank=True)
    )
    dtype = tensor.dtype.upper()
    return base.with_fields(
        shape=_vector(tensor.shape, base["shape"]),
        type=dtype if dtype in layout.ENUMS["TensorType"] else base["type"],
        buffer=tensor.buffer,
        name=_same_text(tensor.name, base["name"]),
        quantization=_quantization_record(tensor, base["quantization"]),
        is_variable=tensor.is_variable,
        shape_signature=tensor.shape_signature,
    )


def _quantization_record(tensor: Tensor, old: Record | None) -> Record | None:
    if quantization_of(old) == tensor.qparams:
        return old
    base = old or records.default_record("QuantizationParameters")
    if tensor.qparams is None:
        return base.with_fields(scale=None, zero_point=None, quantized_dimension=0)
    return base.with_fields(
        scale=tensor.qparams.scales,
        zero_point=tensor.qparams.zero_points,
        quantized_dimension=tensor.qparams.axis if tensor.qparams.per_axis else 0,
    )


def _signature_record(signature: Signature) -> Record:
    base = (
        signature.rest
        if signature.rest is not NO_RECORD
        else records.default_record("SignatureDef")
    )

    def pairs(side: str, new: tuple[tuple[str, int], ...]) -> Any:
        old = base[side]
        if tuple((p["name"] or "", p["tensor_index"]) for p in old or ()) == new:
            return old
        return tuple(records.default_record("TensorMap", name=n, tensor_index=t) for n, t in new)

    return base.with_fields(
        inputs=pairs("inputs", signature.inputs),
        outputs=pairs("outputs", signature.outputs),
        signature_key=_same_text(signature.key, base["signature_key"]),
        subgraph_index=signature.subgraph,
    )
