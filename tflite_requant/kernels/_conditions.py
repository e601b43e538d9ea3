"""What LiteRT asks of an operator's parameters besides types, where the file alone decides it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tflite_requant.model.graph import Operator, Tensor

Tensors = Sequence["Tensor | None"]
COMPARISONS = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")
BIAS_DECIDES = {"CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}


def condition(op: Operator, inputs: Tensors) -> str:
    """Why LiteRT's kernel does not compute an operator on operands of fitting types, or ""."""
    return next((found for rule in RULES.get(op.name, ()) if (found := rule(op, inputs))), "")


def _width_of_bias(op: Operator, inputs: Tensors) -> str:
    """int16 data: the option says how wide the bias is read."""
    position = BIAS_DECIDES[op.name]
    bias = inputs[position] if position < len(inputs) else None
    if bias is None or bias.dtype not in ("int32", "int64"):
        return ""
    data = inputs[position - 1 if op.name == "TRANSPOSE_CONV" else 0]
    narrow = op.option("quantized_bias_type") == "INT32"
    if data.dtype != "int16" or narrow == (bias.dtype == "int32"):
        return ""
    read = "int32" if narrow else "int64"
    return f"the bias is {bias.dtype}, but option quantized_bias_type has LiteRT read it as {read}"


def _one_scale_in_uint8(op: Operator, inputs: Tensors) -> str:
    weights = inputs[1]
    if weights.dtype == "uint8" and weights.qparams and weights.qparams.per_axis:
        return "uint8 weights have several scales: LiteRT refuses"
    return ""


def _symmetric_weights(op: Operator, inputs: Tensors) -> str:
    weights = inputs[1]
    if weights.dtype in ("int8", "int4") and weights.qparams and any(weights.qparams.zero_points):
        return f"the zero point of {weights.dtype} weights is not 0: LiteRT refuses"
    return ""


def _scale_of_words(op: Operator, inputs: Tensors) -> str:
    if inputs[0].dtype == "int32" and inputs[0].qparams is None:
        return f"{inputs[0].label()} has no scale"
    return ""


def _no_product_of_uint8(op: Operator, inputs: Tensors) -> str:
    if inputs[0].dtype == "uint8" and inputs[0].qparams is not None:
        return "LiteRT has no REDUCE_PROD of quantized uint8"
    return ""


def _alike(op: Operator, inputs: Tensors) -> str:
    return "" if inputs[0].shape == inputs[1].shape else f"{op.name} does not broadcast in LiteRT"


def _centred_table(op: Operator, inputs: Tensors) -> str:
    table = inputs[1]
    if table.qparams is not None and any(table.qparams.zero_points):
        return f"the zero point of {table.label()} is not 0: LiteRT refuses"
    return ""


def _hybrid_weights(op: Operator, inputs: Tensors) -> str:
    """Float data: what LiteRT reads beyond its memory, or computes as the processor happens to."""
    data, weights = inputs[0], inputs[1]
    if data.dtype != "float32" or weights.dtype not in ("int8", "uint8", "int4"):
        return ""
    if weights.qparams is None:
        return "hybrid, with weights that have no scale, or one a block"
    one = not weights.qparams.per_axis
    grouped = op.name == "CONV_2D" and weights.shape[3] != data.shape[3]
    if one and (grouped or (op.name == "DEPTHWISE_CONV_2D" and weights.shape[3] > 1)):
        return "hybrid, with one scale for all channels: LiteRT reads scales that are not there"
    if op.name == "BATCH_MATMUL":
        if max(len(data.shape), len(weights.shape)) > 4:
            return "hybrid, with three leading axes: LiteRT mixes up whose scales are whose"
        kept = op.option("asymmetric_quantize_inputs") and not weights.is_constant
        return "hybrid, with zero points: LiteRT keeps the first run's column sums" if kept else ""
    if op.name == "FULLY_CONNECTED" or (op.name == "CONV_2D" and one):
        if not weights.is_constant:
            return "hybrid, with weights that are no constant"
        least = np.asarray(weights.array()).view(np.int8).min(initial=0)  # int4 has no -128
        return (
            "a hybrid product of a weight of -128 depends on the processor" if least == -128 else ""
        )
    return ""


def _cell(op: Operator, inputs: Tensors) -> str:
    """Which of LiteRT's cells an LSTM is."""
    inner = len(op.rest.get("intermediates") or ())
    basic = op.name == "LSTM" and op.option("kernel_type") == "BASIC"
    if inputs[0].dtype == "uint8":
        fits = basic and len(inputs) == 5
        return "" if fits else "LiteRT has uint8 for the basic kernel only, of five operands"
    if basic or len(inputs) < 20:
        return f"an int8 {op.name} needs the full kernel's operands"
    if inner != 5:
        return f"{inner} inner tensors; LiteRT's kernel of 16-bit cells has 5"
    return ""


def _scaled(op: Operator, inputs: Tensors) -> str:
    """Comparisons of quantized operands read their scales."""
    scaled = ("uint8", "int8", "int16") if op.name == "NOT_EQUAL" else ("uint8", "int8")
    if inputs[0].dtype in scaled and any(t.qparams is None for t in inputs[:2]):
        return f"{op.name} of {inputs[0].dtype} without scales: LiteRT aborts or sees all as equal"
    return ""


Rule = Callable[[Operator, Tensors], str]
RULES: dict[str, tuple[Rule, ...]] = {
    "CONV_2D": (_width_of_bias, _one_scale_in_uint8, _symmetric_weights, _hybrid_weights),
    "BATCH_MATMUL": (_hybrid_weights,),
    "DEPTHWISE_CONV_2D": (_one_scale_in_uint8, _hybrid_weights),
    "TRANSPOSE_CONV": (_width_of_bias, _one_scale_in_uint8),
    "FULLY_CONNECTED": (_width_of_bias, _one_scale_in_uint8, _hybrid_weights),
    "LSTM": (_cell,),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (_cell,),
    "QUANTIZE": (_scale_of_words,),
    "REDUCE_PROD": (_no_product_of_uint8,),
    "ATAN2": (_alike,),
    "EMBEDDING_LOOKUP": (_centred_table,),
    **dict.fromkeys(COMPARISONS, (_scaled,)),
}
