"""Bytes to `Model`. Nothing is used before it was checked."""

from __future__ import annotations

from tflite_requant.errors import Finding, damage
from tflite_requant.flatbuffer import records
from tflite_requant.flatbuffer._generated import schema
from tflite_requant.flatbuffer.verify import verify
from tflite_requant.model.graph import (
    Buffer,
    Model,
    Operator,
    OperatorCode,
    Record,
    Signature,
    Subgraph,
    Tensor,
)
from tflite_requant.model.qparams import QParams

FIRST_EXTERNAL_OFFSET = 2  # 0 and 1 mean "stored in the flatbuffer"


def read(data: bytes) -> Model:
    """Parse a `.tflite` file.

    Raises FormatError with one line for a file that is not TFLite or is damaged, and with all
    `findings` where indices in it lead nowhere.
    """
    from tflite_requant.flatbuffer.writer import write

    verified = verify(data)
    root = schema.ModelT.InitFromPackedBuf(data, 0)
    blobs = [buffer.data for buffer in root.buffers or ()]
    for buffer in root.buffers or ():
        buffer.data = None
    record = records.to_record(root)
    problems = _dangling(record)
    if problems:
        raise damage(problems)
    buffers, end = _buffers(record, blobs, data)
    codes = tuple(
        OperatorCode(opcode_of(c), c["custom_code"], c["version"], c)
        for c in record["operator_codes"] or ()
    )
    trailing_start = max(end, verified.extent)
    model = Model(
        version=record["version"],
        description=record["description"],
        subgraphs=tuple(
            _subgraph(i, s, codes, buffers, data) for i, s in enumerate(record["subgraphs"])
        ),
        buffers=buffers,
        operator_codes=codes,
        metadata=tuple((m["name"] or "", m["buffer"]) for m in record["metadata"] or ()),
        signatures=tuple(_signature(s) for s in record["signature_defs"] or ()),
        trailing=bytes(data[trailing_start:]),
        flatbuffer_size=trailing_start,
        rest=record.with_fields(subgraphs=None, buffers=_presence(record["buffers"])),
        source=bytes(data),
        unknown_fields=verified.unknown_fields,
        encoder=write,
    )
    return model


def opcode_of(code: Record) -> str:
    """The operator's name; numbers that the schema does not know become "BUILTIN_<number>"."""
    builtin = records.enum_value("BuiltinOperator", code["builtin_code"])
    number = max(builtin, code["deprecated_builtin_code"])
    name = records.enum_name("BuiltinOperator", number)
    return name if isinstance(name, str) else f"BUILTIN_{number}"


def quantization_of(record: Record | None) -> QParams | None:
    """Scales and zero points of a QuantizationParameters table; None where it names no scale."""
    if record is None or not record["scale"]:
        return None
    scales = tuple(record["scale"])
    zeros = tuple(record["zero_point"] or ())
    if len(zeros) != len(scales):
        zeros = (zeros * len(scales) if len(zeros) == 1 else (*zeros, *[0] * len(scales)))[
            : len(scales)
        ]
    return QParams(scales, zeros, record["quantized_dimension"] if len(scales) > 1 else 0)


def _buffers(record: Record, blobs: list, data: bytes) -> tuple[tuple[Buffer, ...], int]:
    """All buffers, and where the last externally stored byte ends (0 without such). That these lie
    within the file was verified."""
    found, end = [], 0
    for table, blob in zip(record["buffers"] or (), blobs, strict=True):
        offset, size = table["offset"], table["size"]
        if offset >= FIRST_EXTERNAL_OFFSET:
            end = max(end, offset + size)
            found.append(Buffer(data[offset : offset + size], external=True))
        else:
            found.append(Buffer(None if blob is None else memoryview(blob)))
    for subgraph in record["subgraphs"]:
        for op in subgraph["operators"] or ():
            offset, size = op["large_custom_options_offset"], op["large_custom_options_size"]
            if offset >= FIRST_EXTERNAL_OFFSET:
                end = max(end, offset + size)
    return tuple(found), end


def _subgraph(index, record, codes, buffers, data) -> Subgraph:
    return Subgraph(
        index=index,
        name=record["name"] or "",
        tensors=tuple(_tensor(i, t, buffers) for i, t in enumerate(record["tensors"] or ())),
        operators=tuple(
            _operator(i, o, codes, data) for i, o in enumerate(record["operators"] or ())
        ),
        inputs=tuple(record["inputs"] or ()),
        outputs=tuple(record["outputs"] or ()),
        rest=record.with_fields(
            tensors=_presence(record["tensors"]), operators=_presence(record["operators"])
        ),
    )


def _presence(vector: tuple | None) -> tuple | None:
    """What remains of a vector that is kept elsewhere: whether it was there."""
    return None if vector is None else ()


def _tensor(index: int, record: Record, buffers: tuple[Buffer, ...]) -> Tensor:
    buffer = record["buffer"]
    data = buffers[buffer].data if buffer else None
    if data is not None and len(data) == 0:
        # An empty vector is how some writers say "no data"; a tensor of size 0 is a constant.
        data = data if 0 in (record["shape"] or ()) else None
    return Tensor(
        index=index,
        name=record["name"] or "",
        shape=tuple(record["shape"] or ()),
        dtype=str(record["type"]).lower(),
        qparams=quantization_of(record["quantization"]),
        buffer=buffer,
        data=data,
        shape_signature=record["shape_signature"],
        is_variable=record["is_variable"],
        rest=record,
    )


def _operator(index: int, record: Record, codes: tuple[OperatorCode, ...], data: bytes) -> Operator:
    code = codes[record["opcode_index"]]
    offset, size = record["large_custom_options_offset"], record["large_custom_options_size"]
    if offset >= FIRST_EXTERNAL_OFFSET:
        record = record.with_fields(large_custom_options=bytes(data[offset : offset + size]))
    return Operator(
        index=index,
        opcode=code.opcode,
        version=code.version,
        inputs=tuple(record["inputs"] or ()),
        outputs=tuple(record["outputs"] or ()),
        custom_code=code.custom_code,
        options=record["builtin_options"],
        rest=record,
    )


def _signature(record: Record) -> Signature:
    def pairs(side):
        return tuple((p["name"] or "", p["tensor_index"]) for p in record[side] or ())

    return Signature(
        key=record["signature_key"] or "",
        subgraph=record["subgraph_index"],
        inputs=pairs("inputs"),
        outputs=pairs("outputs"),
        rest=record,
    )


def _dangling(model: Record) -> tuple[Finding, ...]:
    """Every index that leads nowhere."""
    problems: list[Finding] = []

    def need(good: bool, where: str, what: str, value: int, limit: int) -> None:
        if not good:
            problems.append(
                Finding("error", where, "index", f"{what} {value}", f"less than {limit}",
                        "the file is damaged; fetch or convert it again")
            )  # fmt: skip

    codes, buffers = len(model["operator_codes"] or ()), len(model["buffers"] or ())
    subgraphs = model["subgraphs"] or ()
    if not subgraphs:
        problems.append(Finding("error", "model", "index", "no subgraph", "at least one"))
    for s, subgraph in enumerate(subgraphs):
        tensors = len(subgraph["tensors"] or ())
        for i, tensor in enumerate(subgraph["tensors"] or ()):
            where = f"subgraph {s} tensor {i}"
            need(tensor["buffer"] < max(buffers, 1), where, "buffer", tensor["buffer"], buffers)
        for i, op in enumerate(subgraph["operators"] or ()):
            where = f"subgraph {s} op {i}"
            need(op["opcode_index"] < codes, where, "operator code", op["opcode_index"], codes)
            for side in ("inputs", "outputs", "intermediates"):
                for t in op[side] or ():
                    need(-1 <= t < tensors, where, f"{side[:-1]} tensor", t, tensors)
            for option, called in _called(op["builtin_options"]):
                need(0 <= called < len(subgraphs), where, option, called, len(subgraphs))
        for side in ("inputs", "outputs"):
            for t in subgraph[side] or ():
                need(0 <= t < tensors, f"subgraph {s}", f"{side[:-1]} tensor", t, tensors)
    for i, signature in enumerate(model["signature_defs"] or ()):
        where, s = f"signature {i}", signature["subgraph_index"]
        need(s < len(subgraphs), where, "subgraph", s, len(subgraphs))
        if s < len(subgraphs):
            tensors = len(subgraphs[s]["tensors"] or ())
            for pair in (*(signature["inputs"] or ()), *(signature["outputs"] or ())):
                t = pair["tensor_index"]
                need(t < tensors, where, "tensor", t, tensors)
    for entry in model["metadata"] or ():
        need(
            entry["buffer"] < buffers,
            f"metadata {entry['name']}",
            "buffer",
            entry["buffer"],
            buffers,
        )
    return tuple(problems)


def _called(options: Record | None) -> list[tuple[str, int]]:
    """(option, index) of every subgraph that an operator runs."""
    if options is None:
        return []
    fields = options.fields.items()
    return [(n, v) for n, v in fields if n.endswith("subgraph_index") or n == "subgraph"]
