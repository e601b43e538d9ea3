"""Whether an operator can be requantized at all, whatever the scheme."""

from __future__ import annotations

import math

from tflite_requant.catalog import OpSpec
from tflite_requant.errors import Finding
from tflite_requant.model import Operator, Subgraph, Tensor

DAMAGED = "the model is damaged; convert it again"
ONE_SCALE = "let the converter quantize this operand per tensor; kernels read its first scale alone"


def unusable(
    subgraph: Subgraph, op: Operator, spec: OpSpec, activations: list[Tensor]
) -> list[Finding]:
    """What no scheme can be applied to, as errors. activations: the operator's quantized ones."""
    where = subgraph.label(op)
    findings = [f for tensor in activations for f in _activation(where, tensor)]
    fused = op.option("fused_activation_function", "NONE")
    if spec.activations and fused not in spec.activations:
        findings.append(
            Finding("error", where, "fused-activation", f"{fused} is fused, which kernels ignore",
                    f"one of {', '.join(spec.activations)}", "convert it to an operator of its own")
        )  # fmt: skip
    roles = {o.role: i for i, o in enumerate(spec.inputs)}
    if "weights" in roles:
        weights, bias = (_at(subgraph, op, roles[role]) for role in ("weights", "bias"))
        found = _weights(where, weights, spec.inputs[roles["weights"]].axis)
        findings += found
        if not found and bias is not None:
            findings += _bias(where, bias, weights.shape[spec.inputs[roles["weights"]].axis])
    return findings


def _at(subgraph: Subgraph, op: Operator, position: int) -> Tensor | None:
    index = op.input(position)
    return subgraph.tensors[index] if index >= 0 else None


def _is_bad(scale: float) -> bool:
    return not (scale > 0 and math.isfinite(scale))


def _activation(where: str, tensor: Tensor) -> list[Finding]:
    findings = []
    if tensor.qparams.per_axis:
        findings.append(
            Finding("error", where, "activation-granularity",
                    f"{tensor.label()} has {len(tensor.qparams.scales)} scales", "one scale",
                    ONE_SCALE)
        )  # fmt: skip
    bad = [s for s in tensor.qparams.scales if _is_bad(s)]
    if bad:
        findings.append(
            Finding("error", where, "scale-positive", f"{tensor.label()} has scale {bad[0]}",
                    "a positive finite number", DAMAGED)
        )  # fmt: skip
    return findings


def _weights(where: str, weights: Tensor | None, axis: int) -> list[Finding]:
    def refuse(law: str, found: str, need: str, hint: str = "") -> list[Finding]:
        return [Finding("error", where, law, found, need, hint)]

    need = "quantized constant weights"
    if weights is None or not weights.is_constant:
        return refuse("constant-weights", "weights are computed", need)
    if weights.qparams is None:
        return refuse("constant-weights", "weights have no scale", need)
    if weights.rest.get("sparsity") is not None:
        return refuse("constant-weights", "weights are stored sparse", "dense ones")
    if any(map(_is_bad, weights.qparams.scales)):
        found = f"{weights.label()} has a scale that is not positive"
        return refuse("scale-positive", found, "positive finite scales", DAMAGED)
    scales, shape = len(weights.qparams.scales), weights.shape
    own = weights.qparams.axis
    if len(shape) <= axis:
        found, need = f"weights have {len(shape)} dimensions", f"at least {axis + 1}"
        return refuse("weight-axis", found, need, DAMAGED)
    along_own = own < len(shape) and shape[own] == scales
    if scales > 1 and not (along_own and shape[axis] == scales):
        found = f"weights of shape {list(shape)} have {scales} scales along dimension {own}"
        return refuse("weight-axis", found, f"{shape[axis]} along dimension {axis}", DAMAGED)
    return []


def _bias(where: str, bias: Tensor, channels: int) -> list[Finding]:
    size = math.prod(bias.shape)
    if not bias.is_constant:
        found, need, law = "the bias is computed", "a constant bias", "constant-weights"
    elif size != channels:
        found, need, law = f"{size} bias values", f"{channels}, one per channel", "bias-scale"
    elif bias.qparams is not None and len(bias.qparams.scales) not in (1, channels):
        count = len(bias.qparams.scales)
        found, need, law = f"{count} bias scales", f"1 or {channels}", "bias-scale"
    else:
        return []
    return [Finding("error", where, law, found, need, DAMAGED)]
