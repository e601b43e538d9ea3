"""What an arithmetic profile has no number for, told before anything runs.

A rescale that is a shift exists only where the multiplier is a power of two. Operands of unlike
8-bit types exist in no runtime; the profile "extended" computes them. Other combinations of types,
and of types with options, that LiteRT's kernels do not take have no number either.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog.signatures import begins_with, fits, signatures_of, told
from tflite_requant.errors import Finding
from tflite_requant.fixedpoint.power_of_two import SHIFTS, is_power_of_two
from tflite_requant.kernels import KERNELS
from tflite_requant.kernels._conditions import condition
from tflite_requant.kernels._grid_conditions import grid_condition
from tflite_requant.model.graph import Model, Operator, Subgraph, Tensor

WEIGHTED = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 0, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 2}
PAIRED = ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM", "BATCH_MATMUL")
PLAIN = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "ABS", "QUANTIZE", "SUM")
COMPARED = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")
EIGHT_BIT = ("uint8", "int8")
QUANTIZED = (*EIGHT_BIT, "int16")
MIXING, MIXING_NEED = "extended", "one 8-bit type"
LITERT = ("litert", MIXING)
DELEGATING = "litert-xnnpack"
SLICED_THERE = (*EIGHT_BIT, "float32", "float16")
GATE_SCALE = 2.0**-12
# Multipliers from which on shifts and conversions leave 32 bits, or the 48 of wide accumulators:
# what comes of it differs from kernel to kernel, and is not verified.
FAR, WIDE_FAR = 2.0**18, 2.0**14
WIDE = (*WEIGHTED, "BATCH_MATMUL")
# MUL is verified at any; additions know their own limit.
ANY_FAR = ("MUL", "ADD", "SUB")
NEAR_ZERO = 2.0**-10  # of RSQRT, whose right shifts below it leave 32 bits
OTHERS = "TFLite Micro may have a kernel of its own"


def refusals(profile: str, subgraph: Subgraph, op: Operator) -> list[Finding]:
    """Why a profile cannot compute an operator that has a kernel: one Finding, or none."""
    inputs = [subgraph.tensors[t] if t >= 0 else None for t in op.inputs]
    outputs = [subgraph.tensors[t] for t in op.outputs if t >= 0]
    if profile != MIXING:
        mixed = _mixed_types(op.name, inputs, outputs)
        if mixed:
            hint = f"use --arithmetic {MIXING}, or the model that this was made from"
            return [Finding("error", subgraph.label(op), "mixed-types", mixed, MIXING_NEED, hint)]
    types = _unlike(profile, op, inputs, outputs)
    if types:
        found, need = types
        hint = "no kernel takes these types together; let the converter write those"
        if profile == "tflm":
            hint = f"{OTHERS}, which is not computed here; let the converter write those"
        return [Finding("error", subgraph.label(op), "operand-types", found, need, hint)]
    reason = ""
    if profile.startswith(LITERT):
        reason = condition(op, inputs) or grid_condition(op, inputs, outputs)
        if not reason and profile == DELEGATING:
            reason = _taken_for_last(op, inputs)
    elif profile == "tflm" and op.name == "MUL" and _lacks_scale(outputs, "int16"):
        reason = "TFLite Micro has no MUL of int16 without scales"
    if reason:
        return [Finding("error", subgraph.label(op), "kernel", reason)]
    far = _far(op, inputs, outputs)
    if far:
        found, need = far
        hint = "calibrate the model anew: no real range has such a scale"
        return [Finding("error", subgraph.label(op), "scales-apart", found, need, hint)]
    if profile in SHIFTS and outputs:
        for what, real in _multipliers(op, inputs, outputs[0]):
            exact = is_power_of_two(real)
            if not exact.all():
                found = _named(what, np.atleast_1d(real), np.atleast_1d(exact))
                need = f"a power of two: {profile} only shifts"
                hint = "requantize to a scheme with power-of-two scales"
                return [Finding("error", subgraph.label(op), "power-of-two", found, need, hint)]
    return []


def _far(
    op: Operator, inputs: list[Tensor | None], outputs: list[Tensor]
) -> tuple[str, str] | None:
    """(multiplier found, what is needed) where an operator's scales are too far apart."""
    position = WEIGHTED.get(op.name, 0)
    data = inputs[position] if position < len(inputs) else None
    if op.name in ANY_FAR or data is None or not outputs:
        return None
    output = outputs[0]
    if any(t.qparams is None or t.dtype not in QUANTIZED for t in (data, output)):
        return None
    if data.qparams.per_axis or output.qparams.per_axis:
        return None
    if op.name == "RSQRT":
        least = float(1 / (np.sqrt(_scale(data)) * _scale(output)))
        if least < NEAR_ZERO:
            return f"1 / (sqrt(s_in) * s_out) is {least:.3g}", "2**-10 at least, as far as verified"
    named = list(_multipliers(op, inputs, output))
    limit = WIDE_FAR if data.dtype == "int16" and op.name in WIDE else FAR
    for what, real in named or [("s_in / s_out", _scale(data) / _scale(output))]:
        most = float(np.max(real))
        if most >= limit:
            return f"{what} is {most:.3g}", f"below 2**{int(np.log2(limit))}, as far as verified"
    return None


def _taken_for_last(op: Operator, inputs: list[Tensor | None]) -> str:
    """XNNPACK counts an end of 0 from the end, as it does negative ones."""
    fixed = all(t is not None and t.is_constant for t in inputs[1:4])
    if op.name != "STRIDED_SLICE" or not fixed or inputs[0].dtype not in SLICED_THERE:
        return ""
    begin, end, stride = (t.qarray().integers.reshape(-1).tolist() for t in inputs[1:4])
    attributes = op.options.fields if op.options else {}
    ignored = int(attributes.get("end_mask") or 0)
    if attributes.get("offset"):
        end = [b + e for b, e in zip(begin, end, strict=False)]
    zero = [i for i, e in enumerate(end) if e == 0 and not ignored >> i & 1]
    masked = any(attributes.get(f"{name}_mask") for name in ("ellipsis", "new_axis", "shrink_axis"))
    if not zero or masked or any(s != 1 for s in stride):
        return ""
    return f"end 0 of axis {zero[0]}: XNNPACK takes it for the last, other kernels for the first"


def mixed_operator(model: Model) -> Finding | None:
    """The first operator with operands of unlike 8-bit types, which no TFLite kernel takes."""
    for subgraph, op in model.operators():
        inputs = [subgraph.tensors[t] if t >= 0 else None for t in op.inputs]
        outputs = [subgraph.tensors[t] for t in op.outputs if t >= 0]
        whole = len(inputs) > WEIGHTED.get(op.name, 1)
        found = _mixed_types(op.name, inputs, outputs) if whole else ""
        if found:
            return Finding("error", subgraph.label(op), "mixed-types", found, MIXING_NEED)
    return None


def types_without_kernel(model: Model) -> Iterator[tuple[int, int, Finding]]:
    """(subgraph, operator, warning) wherever no kernel of LiteRT takes an operator's types,
    but those of unlike 8-bit types: see `mixed_operator`."""
    for subgraph, op in model.operators():
        inputs = [subgraph.tensors[t] if t >= 0 else None for t in op.inputs]
        outputs = [subgraph.tensors[t] for t in op.outputs if t >= 0]
        whole = len(inputs) > WEIGHTED.get(op.name, 1)
        if whole and _mixed_types(op.name, inputs, outputs):
            continue
        types = _unlike(LITERT[0], op, inputs, outputs)
        if types:
            found = f"LiteRT runs no {op.name} on {types[0]}"
            yield (
                subgraph.index, op.index,
                Finding("warning", subgraph.label(op), "operand-types", found, types[1], OTHERS),
            )  # fmt: skip


def _mixed_types(operator: str, inputs: list[Tensor | None], outputs: list[Tensor]) -> str:
    """The unlike 8-bit types among an operator's operands and outputs, or ""."""
    if operator in WEIGHTED:
        together = [inputs[WEIGHTED[operator]], inputs[1], *outputs]
    elif operator in PAIRED:
        together = [*inputs[:2], *outputs]
    else:
        return ""
    types = sorted({t.dtype for t in together if t is not None and t.dtype in EIGHT_BIT})
    return f"{' and '.join(types)} in one operator" if len(types) > 1 else ""


def _unlike(
    profile: str, op: Operator, inputs: list[Tensor | None], outputs: list[Tensor]
) -> tuple[str, str] | None:
    """(types found, types needed) of operands that no kernel takes together, else None."""
    signatures = signatures_of(op.name)
    taken = [None if t is None else t.dtype for t in inputs]
    made = [t.dtype for t in outputs]
    if profile == MIXING:
        signatures = tuple(s.replace("uint8", "int8") for s in signatures)
        taken = ["int8" if t == "uint8" else t for t in taken]
        made = ["int8" if t == "uint8" else t for t in made]
    position = KERNELS[op.name].position if op.name in KERNELS else 0
    leading = taken[position] if position < len(taken) else None
    absent = not profile.startswith(LITERT)
    if not signatures or any(fits(s, leading or "", taken, made, absent) for s in signatures):
        return None
    near = [s for s in signatures if begins_with(s, leading, position)] or signatures
    found = f"{', '.join(t or 'none' for t in taken)}, giving {', '.join(made)}"
    return found, "; or ".join(told(s, position) for s in near)


def _lacks_scale(tensors: list[Tensor], dtype: str) -> bool:
    return any(t.dtype == dtype and t.qparams is None for t in tensors)


def _named(what: str, real: np.ndarray, exact: np.ndarray) -> str:
    channel = int(np.flatnonzero(~exact)[0])
    where = f" of channel {channel}" if real.size > 1 else ""
    return f"{what}{where} is {float(real[channel])!r}"


def _multipliers(
    op: Operator, inputs: list[Tensor | None], output: Tensor
) -> Iterator[tuple[str, np.ndarray]]:
    """(name, float64 numbers) of everything that an operator's accumulators are multiplied by."""
    name = op.name
    leading = inputs[WEIGHTED.get(name, 0)]
    if leading is None or leading.qparams is None or leading.dtype not in QUANTIZED:
        return
    scale = _scale(leading)
    if name in COMPARED:
        if leading.dtype in EIGHT_BIT or name in ("EQUAL", "NOT_EQUAL"):
            yield "scale of the first operand", scale
            yield "scale of the second operand", _scale(inputs[1])
        return
    if name == "SVDF":
        yield "s_in * s_feature / s_state", scale * _scale(inputs[1]) / _scale(inputs[4])
        yield "s_state * s_time / s_out", _scale(inputs[4]) * _scale(inputs[2]) / _scale(output)
        return
    if name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        yield from _lstm_multipliers(inputs, output)
        return
    if output.qparams is None or output.dtype not in (*QUANTIZED, "int32"):
        return
    out = _scale(output)
    if name in WEIGHTED:
        yield "s_in * s_w / s_out", scale * _scale(inputs[1]) / out
    elif name in ("MUL", "BATCH_MATMUL", "PRELU"):
        yield "s1 * s2 / s_out", scale * _scale(inputs[1]) / out
    elif name in ("ADD", "SUB", "SQUARED_DIFFERENCE"):
        yield "s1 / s2", scale / _scale(inputs[1])
        power = 2 if name == "SQUARED_DIFFERENCE" else 1
        yield f"s1{' ** 2' if power == 2 else ''} / s_out", scale**power / out
    elif name == "MEAN":
        yield "s_in / (n * s_out)", scale / out / _count(leading, inputs[1])
    if name in (*PLAIN, "LEAKY_RELU", "PRELU"):
        yield "s_in / s_out", scale / out
    if name == "LEAKY_RELU":
        alpha = abs(float(np.float32(op.option("alpha") or 0.0)))
        yield "s_in * alpha / s_out", scale * alpha / out


def _lstm_multipliers(
    inputs: list[Tensor | None], output: Tensor
) -> Iterator[tuple[str, np.ndarray]]:
    for first, scale in ((1, _scale(inputs[0])), (5, _scale(inputs[18]))):
        for weights in inputs[first : first + 4]:
            if weights is not None:
                yield f"gate multiplier of {weights.label()}", scale * _scale(weights) / GATE_SCALE
    yield "2 ** -30 / s_out", 2.0**-30 / _scale(output)


def _scale(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.qparams.scale, np.float64)


def _count(data: Tensor, axes: Tensor) -> int:
    """How many elements one mean is of, by the shape in the file; 1 if axes are unknown."""
    if not axes.is_constant:
        return 1
    chosen = {int(a) % len(data.shape) for a in np.asarray(axes.array()).reshape(-1)}
    return max(int(np.prod([data.shape[a] for a in sorted(chosen)], dtype=np.int64)), 1)
