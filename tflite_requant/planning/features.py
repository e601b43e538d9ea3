"""Which of the catalog's version features an operator has; see `catalog.FEATURES`."""

from __future__ import annotations

from tflite_requant.catalog import OpSpec
from tflite_requant.model import Operator, Tensor


def features_of(op: Operator, spec: OpSpec, tensors: list[Tensor]) -> frozenset[str]:
    """Names of the features that are present; `tensors`: the subgraph's, with their new types."""
    inputs = [tensors[i] if i >= 0 else None for i in op.inputs]
    outputs = [tensors[i] for i in op.outputs if i >= 0]
    first = next((t for t in inputs if t is not None and t.is_quantized_activation), None)
    first = first or next((t for t in inputs if t is not None), None)
    rank = len(first.shape) if first is not None else 0
    bias = next((i for i, o in enumerate(spec.inputs) if o.role == "bias"), None)
    has_bias = bias is not None and op.input(bias) >= 0
    int16 = first is not None and first.dtype == "int16"
    present = {
        "align_corners": bool(op.option("align_corners", False)),
        "batch_dims": op.option("batch_dims", 0) != 0,
        "bias": has_bias,
        "broadcast_above_rank_4": _broadcast_above_rank_4(inputs),
        "dilated": any(
            op.option(f"dilation_{axis}_factor", 1) not in (0, 1) for axis in ("w", "h")
        ),
        "ellipsis_or_new_axis": bool(
            op.option("ellipsis_mask", 0) or op.option("new_axis_mask", 0)
        ),
        "fused_activation": op.option("fused_activation_function", "NONE") != "NONE",
        "general_scale_int16": int16 and not op.option("pot_scale_int16", True),
        "grouped": op.opcode == "CONV_2D" and _grouped(inputs),
        "half_pixel_centers": bool(op.option("half_pixel_centers", False)),
        "int16_indices": len(inputs) > 1 and inputs[1] is not None and inputs[1].dtype == "int16",
        "int16_output": any(t.dtype == "int16" for t in outputs),
        "int8_output": any(t.dtype == "int8" for t in outputs),
        "keep_num_dims": bool(op.option("keep_num_dims", False)),
        "no_bias": bias is not None and len(op.inputs) <= bias,
        "offset": bool(op.option("offset", False)),
        "per_axis": any(
            t is not None and t.qparams is not None and t.qparams.per_axis for t in inputs
        ),
        "quantized_bias_type": int16 and op.option("quantized_bias_type", "FLOAT32") != "FLOAT32",
        "rank_5_operand": any(t is not None and len(t.shape) == 5 for t in inputs),
        "rank_above_4": rank > 4,
        "rank_above_5": rank > 5,
        "rank_above_6": rank > 6,
        "rank_not_4": rank != 4,
        "rescale_at_least_1": _rescale(inputs, outputs) >= 1,
    }
    return frozenset(name for name, value in present.items() if value)


def _broadcast_above_rank_4(inputs: list[Tensor | None]) -> bool:
    shapes = [t.shape for t in inputs if t is not None]
    return len(shapes) > 1 and len(set(shapes)) > 1 and max(map(len, shapes)) > 4


def _grouped(inputs: list[Tensor | None]) -> bool:
    x, weights = inputs[0], inputs[1] if len(inputs) > 1 else None
    return bool(x and weights and x.shape and weights.shape and x.shape[-1] != weights.shape[-1])


def _rescale(inputs: list[Tensor | None], outputs: list[Tensor]) -> float:
    """scale 1 * scale 2 / output scale, 0 where that is not what the operator computes."""
    scales = [
        t.qparams.scale if t is not None and t.qparams and not t.qparams.per_axis else 0.0
        for t in inputs
    ]
    if len(scales) < 2 or not outputs or outputs[0].qparams is None or outputs[0].qparams.per_axis:
        return 0.0
    return scales[0] * scales[1] / outputs[0].qparams.scale
