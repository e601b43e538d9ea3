"""Weights and biases: what `rules.weighted` makes of them, put where the operator reads it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tflite_requant.catalog import OpSpec
from tflite_requant.correction.moments import Moments
from tflite_requant.correction.rounding import Compensator
from tflite_requant.errors import Finding
from tflite_requant.model import Operator, QArray, QParams, TensorType
from tflite_requant.rewrite.constants import Constants
from tflite_requant.rewrite.desk import Desk
from tflite_requant.rules import weighted
from tflite_requant.rules.weighted import Corrections, Rewritten, WeightedOperands
from tflite_requant.schemes import Scheme


@dataclass
class Memory:
    """What rewriting the same subgraph under similar plans need not do twice.

    weighted: by operator and the grids around it; compensators: by operator.
    """

    weighted: dict[tuple, Rewritten] = field(default_factory=dict)
    compensators: dict[int, Compensator] = field(default_factory=dict)


class Weights:
    """Rewrites weighted operators. moments: by operator, of what each reads."""

    def __init__(
        self, desk: Desk, constants: Constants, moments: dict[int, Moments],
        corrections: Corrections, memory: Memory | None,
    ) -> None:  # fmt: skip
        self.constants, self.moments, self.memory = constants, moments, memory
        self.corrections, self.scheme = corrections, desk.scheme
        self.plan, self.source, self.edit, self.done = desk.plan, desk.source, desk.edit, desk.done

    def rewrite(self, op: Operator, spec: OpSpec) -> None:
        """New weights and bias of a weighted operator, under the scheme's word for it."""
        positions = {o.role: i for i, o in enumerate(spec.inputs) if o.role != "plain"}
        w_index, b_index = op.input(positions["weights"]), op.input(positions["bias"])
        x_index = op.input(positions["activation"])
        weights = self.source.tensors[w_index]
        bias = self.source.tensors[b_index] if b_index >= 0 else None
        name = self.source.tensors[op.outputs[0]].name
        scheme = self.scheme.for_operator(op.name, name)
        new_input = self.plan.at(op.index, "in", positions["activation"], x_index)
        operands = WeightedOperands(
            weights.qarray(),
            bias.qarray() if bias is not None else None,
            spec.inputs[positions["weights"]].axis,
            self.source.tensors[x_index].type,
            new_input,
            self.plan.at(op.index, "out", 0, op.outputs[0]),
            self.plan.offsets.get(x_index, 0.0),
            self.plan.offsets.get(op.outputs[0], 0.0),
            self.plan.gains.get(x_index, 1.0),
            self.plan.gains.get(op.outputs[0], 1.0),
            self.plan.lifts.get(x_index, 0.0),
            self.plan.lifts.get(op.outputs[0], 0.0),
        )
        wide = new_input.dtype == "int16" and (
            scheme.bias.dtype == "int64" or op.opcode == "DEPTHWISE_CONV_2D"
        )
        bias_dtype = "int64" if wide else "int32"
        needs_bias = not spec.inputs[positions["bias"]].optional
        new = self._rewritten(op, operands, weights.dtype, scheme, bias_dtype, needs_bias)
        self.done.weighted[op.index] = new
        self.constants.put(op, positions["weights"], w_index, new.weights, scheme.weights.dtype)
        if new.bias is not None:
            self._put_bias(op, positions["bias"], b_index, new)
        if new_input.dtype == "int16" and op.opcode != "DEPTHWISE_CONV_2D":
            self._bias_type(op, bias_dtype)
        self._judge(op, new)

    def _rewritten(
        self, op: Operator, operands: WeightedOperands, dtype: str, scheme: Scheme,
        bias_dtype: str, needs_bias: bool,
    ) -> Rewritten:  # fmt: skip
        moments = self.moments.get(op.index)
        key = (op.index, operands.surroundings)
        compensator = None
        if self.memory is not None:
            if key in self.memory.weighted:
                return self.memory.weighted[key]
            if moments is not None:
                known = self.memory.compensators
                compensator = known.setdefault(op.index, Compensator(moments))

        def rewritten(constants: WeightedOperands) -> Rewritten:
            return weighted.rewrite(
                constants, dtype, scheme, moments, self.corrections,
                bias_dtype=bias_dtype, needs_bias=needs_bias, compensator=compensator,
            )  # fmt: skip

        new, same = rewritten(operands), self.plan.equivalent.get(op.index)
        if same is not None and not _is_kept(operands.weights, new.weights):
            simpler = replace(operands, weights=same.weights, bias=same.bias)
            new = replace(rewritten(simpler), dead=int(same.dead.sum()))
        if self.memory is not None:
            self.memory.weighted[key] = new
        return new

    def _put_bias(self, op: Operator, position: int, index: int, new: Rewritten) -> None:
        kind = TensorType(new.bias_dtype, new.bias.qparams)
        if index >= 0:
            old = self.source.tensors[index]
            if kind.qparams.per_axis:  # along the only dimension of more than one
                axis = old.shape.index(new.bias.integers.size)
                kind = replace(kind, qparams=replace(kind.qparams, axis=axis))
            unmoved = old.dtype == kind.dtype and np.array_equal(
                old.array().reshape(-1), new.bias.integers
            )
            if unmoved and old.qparams is not None and _same_scales(old.qparams, kind.qparams):
                self.constants.keep(op, position, index)
                return
            integers = new.bias.integers.reshape(old.shape)
            self.edit.replace_input(op.index, position, self.constants.place(index, integers, kind))
            return
        name = f"{self.source.tensors[op.outputs[0]].name}/bias"
        tensor = self.edit.add_tensor(name, new.bias.shape, kind, integers=new.bias.integers)
        inputs = list(self.edit.operator(op.index).inputs)
        inputs += [-1] * (position + 1 - len(inputs))
        inputs[position] = tensor
        self.edit.set_operator(op.index, inputs=tuple(inputs))

    def _bias_type(self, op: Operator, bias_dtype: str) -> None:
        options = self.edit.operator(op.index).options
        if options is not None and "quantized_bias_type" in options.fields:
            asked = "FLOAT32" if bias_dtype == "int64" else bias_dtype.upper()
            if options["quantized_bias_type"] != asked:
                self.edit.set_options(op.index, quantized_bias_type=asked)

    def _judge(self, op: Operator, new: Rewritten) -> None:
        where = self.source.label(op)
        if new.bias_law_broken:
            self.done.findings.append(
                Finding("warning", where, "bias-scale",
                        "bias scales differ from input x weights scale by up to "
                        f"{100 * new.bias_law_broken:.3g} %", "equal scales",
                        "the bias was taken for what its own scales say; kernels do not read them")
            )  # fmt: skip
        if new.clipped_bias:
            self.done.findings.append(
                Finding("warning", where, "bias-width",
                        f"{new.clipped_bias} bias values leave the {self.scheme.bias.bits} bits of "
                        "a bias and were saturated", "values that fit",
                        "these channels' weights are nearly zero")
            )  # fmt: skip


def _is_kept(old: QArray, new: QArray) -> bool:
    return old.qparams == new.qparams and np.array_equal(old.integers, new.integers)


def _same_scales(a: QParams, b: QParams) -> bool:
    """Equal but for the last bits in which exporters form products of scales."""
    return (
        len(a.scales) == len(b.scales)
        and a.axis == b.axis
        and all(abs(x - y) <= 1e-6 * abs(y) for x, y in zip(a.scales, b.scales, strict=True))
    )
