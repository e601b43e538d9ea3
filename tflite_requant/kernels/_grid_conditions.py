"""What LiteRT's kernels ask of scales and zero points before they run; its words when they fail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflite_requant.model.graph import Operator, Tensor

Tensors = Sequence["Tensor | None"]
QUANTIZED = ("uint8", "int8", "int16")

# Operands and outputs of these have one grid.
ONE_GRID = ("BATCH_TO_SPACE_ND", "EXPAND_DIMS", "MIRROR_PAD", "PACK", "REDUCE_MAX", "REDUCE_MIN",
            "SPACE_TO_BATCH_ND", "UNPACK")  # fmt: skip
# int16 operands and outputs of these have zero point 0.
CENTRED = ("ABS", "ADD", "BATCH_MATMUL", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D",
           "DEQUANTIZE", "FULLY_CONNECTED", "LEAKY_RELU", "LOG", "LOGISTIC", "MEAN", "MUL",
           "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "RELU", "RELU6", "SOFTMAX", "SUB", "TANH",
           "TRANSPOSE_CONV")  # fmt: skip
# Output type -> scale and zero point (None: any), and by how much the scale may differ from it.
FIXED = {
    "LOGISTIC": {"uint8": (1 / 256, None, 0), "int8": (1 / 256, None, 0),
                 "int16": (1 / 32768, 0, 0)},
    "L2_NORMALIZATION": {"uint8": (1 / 128, 128, 0), "int8": (1 / 128, 0, 0)},
    "LOG_SOFTMAX": {"uint8": (1 / 16, 255, 0), "int8": (1 / 16, 127, 0)},
    "SOFTMAX": {"int8": (1 / 256, -128, 1e-3), "int16": (1 / 32768, 0, 1e-3)},
    "TANH": {"int16": (1 / 32768, 0, 1e-3)},
}  # fmt: skip
NEEDS_RANK = ("L2_NORMALIZATION", "LOG_SOFTMAX", "SOFTMAX")
MOST_RANK = {"PAD": 5, "PADV2": 5}


def grid_condition(op: Operator, inputs: Tensors, outputs: Tensors) -> str:
    """Why LiteRT's kernel refuses the parameters of an operator's quantized tensors, or ""."""
    data = next((t for t in inputs if t is not None), None)
    if data is None or not outputs:
        return ""
    return (
        _rank(op, data)
        or _axes(op, inputs)
        or _one_grid(op, inputs, outputs)
        or _centred(op, inputs, outputs)
        or _fixed(op, inputs, outputs[0])
    )


def _rank(op: Operator, data: Tensor) -> str:
    rank = len(data.shape)
    if op.name in NEEDS_RANK and rank == 0:
        return f"{op.name} of a tensor without axes: LiteRT refuses"
    most = MOST_RANK.get(op.name, rank)
    return f"{op.name} of {rank} axes: LiteRT has {most}" if rank > most else ""


def _axes(op: Operator, inputs: Tensors) -> str:
    if op.name != "REVERSE_V2" or not inputs[1].is_constant:
        return ""
    rank = len(inputs[0].shape)
    axes = np.sort(np.asarray(inputs[1].array()).reshape(-1) % max(rank, 1))
    return "REVERSE_V2 of axes with a gap: LiteRT refuses" if (np.diff(axes) > 1).any() else ""


def _one_grid(op: Operator, inputs: Tensors, outputs: Tensors) -> str:
    together = [t for t in (*inputs, *outputs) if t is not None and t.dtype in QUANTIZED]
    if op.name == "PADV2":
        together = [t for t in (inputs[2], outputs[0]) if t.dtype in QUANTIZED]
    elif op.name not in ONE_GRID:
        return ""
    for tensor in together[1:]:
        if _grid(tensor) != _grid(together[0]):
            return (
                f"{together[0].label()} and {tensor.label()} have unlike scales or zero points: "
                "LiteRT refuses"
            )
    return ""


def _grid(tensor: Tensor) -> tuple:
    params = tensor.qparams
    return ((), ()) if params is None else (params.scales, params.zero_points)


def _centred(op: Operator, inputs: Tensors, outputs: Tensors) -> str:
    both = op.name == "QUANTIZE" and inputs[0].dtype == outputs[0].dtype
    if op.name not in CENTRED and not both:
        return ""
    if _widens(op, inputs, outputs[0]):
        return ""
    for tensor in (*inputs, *outputs):
        if tensor is not None and tensor.dtype == "int16" and any(_grid(tensor)[1]):
            return f"{tensor.label()} is int16 with a zero point that is not 0: LiteRT refuses"
    return ""


def _widens(op: Operator, inputs: Tensors, output: Tensor) -> bool:
    """Whether a SOFTMAX of 8 bits has 16-bit results, on whose grid LiteRT puts no condition."""
    return op.name == "SOFTMAX" and output.dtype == "int16" and inputs[0].dtype != "int16"


def _fixed(op: Operator, inputs: Tensors, output: Tensor) -> str:
    wanted = FIXED.get(op.name, {}).get(output.dtype)
    if wanted is None or output.qparams is None or _widens(op, inputs, output):
        return ""
    scale, zero, tolerance = wanted
    found, found_zero = output.qparams.scales[0], output.qparams.zero_points[0]
    if abs(found - scale) <= scale * tolerance and zero in (None, found_zero):
        return ""
    point = "" if zero is None else f" and zero point {zero}"
    return f"the output has scale {found}, zero point {found_zero}; LiteRT asks for {scale}{point}"
