"""Operators by their forms: counts, ranks and types of operands, options and their values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tflite_requant.catalog.forms import CUSTOM_OPTIONS, FORMS, OPTION_RANGES, Form, Slot
from tflite_requant.errors import Finding
from tflite_requant.flatbuffer._generated import layout
from tflite_requant.kernels._custom_options import decode
from tflite_requant.kernels._types import KernelError
from tflite_requant.model.dtypes import NUMPY
from tflite_requant.model.graph import Model, Operator, Record, Subgraph, Tensor
from tflite_requant.validation.words import damaged

EIGHT_BIT = ("uint8", "int8")
QUANTIZED = (*EIGHT_BIT, "int16")
INTEGER_WEIGHTS = {"w": ("int8", "uint8", "int4", "int16"), "b": ("int32", "int64")}
KINDS = {
    "w": (*INTEGER_WEIGHTS["w"], "float32", "float16"),
    "b": (*INTEGER_WEIGHTS["b"], "float32", "float16"),
    "n": ("int32", "int64", "int16", "uint8", "int8", "uint32"),
    "t": ("bool",),
    "q": (*QUANTIZED, "float32"),
    "g": (*QUANTIZED, "int32"),
}
# Operators whose results mean nothing without a scale.
SCALED = frozenset(
    "CONV_2D DEPTHWISE_CONV_2D TRANSPOSE_CONV FULLY_CONNECTED BATCH_MATMUL ADD SUB MUL SOFTMAX "
    "LOGISTIC TANH HARD_SWISH LEAKY_RELU PRELU SVDF UNIDIRECTIONAL_SEQUENCE_LSTM L2_NORMALIZATION "
    "LOG_SOFTMAX MEAN SQUARED_DIFFERENCE GELU ELU EXP LOG SQRT RSQRT RELU RELU6 RELU_N1_TO_1 "
    "RELU_0_TO_1 QUANTIZE DEQUANTIZE".split()
)
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")  # they read and write int32 by its scale


def findings(model: Model) -> Iterator[Finding]:
    """Everything in which operators are not of their form; unknown operators have none."""
    for subgraph, op in model.operators():
        form = FORMS.get(op.name)
        if form is None or (op.opcode == "CUSTOM") != (op.name in CUSTOM_OPTIONS):
            continue
        where = subgraph.label(op)
        wrong = [*_operands(where, subgraph, op, form), *_options(where, op, form)]
        yield from wrong or _types(where, subgraph, op, form)


def _operands(where: str, subgraph: Subgraph, op: Operator, form: Form) -> Iterator[Finding]:
    for side, indices, slots in (
        ("operand", op.inputs, form.inputs),
        ("result", op.outputs, form.outputs),
    ):
        least, most = _counts(slots)
        if not least <= len(indices) <= most:
            need = f"{least}" if least == most else f"{least} or more"
            need = f"{least} to {most}" if least < most < math.inf else need
            yield damaged(where, "operand-count", f"{len(indices)} {side}s", need)
            continue
        for position, index in enumerate(indices):
            slot = _slot(slots, position)
            if index < 0 and not slot.optional and slot.repeats != "*":
                yield damaged(where, "operand-count", f"{side} {position} is absent", "a tensor")
            elif index >= 0 and slot.rank is not None:
                tensor = subgraph.tensors[index]
                if len(tensor.shape) != slot.rank:
                    found = (
                        f"{side} {position}, {tensor.label()}, has {len(tensor.shape)} dimensions"
                    )
                    yield damaged(where, "operand-rank", found, str(slot.rank))


def _counts(slots: Sequence[Slot]) -> tuple[int, float]:
    repeating = bool(slots) and slots[-1].repeats
    required = [i for i, s in enumerate(slots) if not s.optional and s.repeats != "*"]
    return (required[-1] + 1 if required else 0), (math.inf if repeating else len(slots))


def _slot(slots: Sequence[Slot], position: int) -> Slot:
    return slots[min(position, len(slots) - 1)]


def _types(where: str, subgraph: Subgraph, op: Operator, form: Form) -> Iterator[Finding]:
    def refuse(side: str, position: int, tensor: Tensor, need: str) -> Finding:
        found = f"{side} {position}, {tensor.label()}, is {tensor.dtype}"
        return damaged(where, "operand-type", found, need)

    leading = op.input(form.leading)
    lead = subgraph.tensors[leading] if leading >= 0 else None
    all_tensors = [subgraph.tensors[t] for t in (*op.inputs, *op.outputs) if t >= 0]
    is_scaled = _is_scaled(op, all_tensors)
    for side, indices, slots in (
        ("operand", op.inputs, form.inputs),
        ("result", op.outputs, form.outputs),
    ):
        for position, index in enumerate(indices):
            if index < 0:
                continue
            tensor, kind = subgraph.tensors[index], _slot(slots, position).kind
            kinds = KINDS.get(kind)
            if lead is not None and lead.dtype in QUANTIZED:
                kinds = INTEGER_WEIGHTS.get(kind, kinds)
            if kinds and tensor.dtype not in kinds:
                yield refuse(side, position, tensor, f"one of {', '.join(kinds)}")
            elif kind == "x" and lead is not None and not _alike(tensor.dtype, lead.dtype):
                yield refuse(side, position, tensor, f"{lead.dtype}, as {lead.label()}")
            elif _needs_scale(op, kind, lead, is_scaled) and _lacks_scale(op, tensor):
                found = f"{side} {position}, {tensor.label()}, has no scale"
                yield damaged(where, "operand-scale", found, f"one: it is {tensor.dtype}")


def _alike(one: str, other: str) -> bool:
    return one == other or (one in EIGHT_BIT and other in EIGHT_BIT)


def _is_scaled(op: Operator, tensors: list[Tensor]) -> bool:
    """Whether an operator's arithmetic needs scales; some take int16 as plain integers, too."""
    eight_bit = any(t.dtype in EIGHT_BIT for t in tensors)
    return op.name in SCALED and (eight_bit or any(t.qparams is not None for t in tensors))


def _needs_scale(op: Operator, kind: str, lead: Tensor | None, is_scaled: bool) -> bool:
    if kind == "g":
        return True
    if kind == "w":
        return lead is not None and lead.dtype in QUANTIZED
    return kind in "xqa" and is_scaled


def _lacks_scale(op: Operator, tensor: Tensor) -> bool:
    types = (*QUANTIZED, "int4", *(("int32",) if op.name in CONVERSIONS else ()))
    return tensor.dtype in types and tensor.qparams is None


def _options(where: str, op: Operator, form: Form) -> Iterator[Finding]:
    if op.opcode == "CUSTOM":
        yield from _custom_options(where, op)
        return
    options = op.options
    if options is None:
        if form.needs_options:
            yield damaged(where, "options", "no options", form.options)
        return
    if form.options and options.type != form.options:
        yield damaged(where, "options", f"options of type {options.type}", form.options)
        return
    for name, kind, kind_type, _ in layout.TABLES[options.type]:
        value = options.get(name)
        if kind == "enum" and isinstance(value, int):
            known = ", ".join(layout.ENUMS[kind_type])
            yield damaged(where, "options", f"{name} is {value}", f"one of {known}")
    yield from _ranges(where, options)


def _ranges(where: str, options: Record) -> Iterator[Finding]:
    for name, (least, greatest) in OPTION_RANGES.items():
        value = options.get(name)
        if isinstance(value, (int, float)) and not least <= value <= greatest:
            yield damaged(where, "options", f"{name} is {value:g}", f"{least:g} to {greatest:g}")


def _custom_options(where: str, op: Operator) -> Iterator[Finding]:
    raw = op.rest.get("custom_options")
    try:
        options = decode(bytes(raw or b""))
    except KernelError as error:
        yield damaged(where, "options", str(error), "a FlexBuffer map")
        return
    for name, (least, greatest) in CUSTOM_OPTIONS[op.name].items():
        value, need = options.get(name), f"a number from {least:g} to {greatest:g}"
        if value is None:
            yield damaged(where, "options", f"no custom option {name}", need)
        elif not isinstance(value, (int, float)) or not least <= value <= greatest:
            yield damaged(where, "options", f"custom option {name} is {value!r}", need)


def dtype_size(dtype: str) -> int:
    """Bytes of an element; 1 where nobody knows."""
    kind = NUMPY.get(dtype)
    return 1 if kind is None else kind().itemsize
