"""From plans to a new model: constants rewritten, QUANTIZE put where grids meet, versions set.

Reads the frozen source and the plans; collects everything in one `Edit`; commits once.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from tflite_requant.catalog import OpSpec, spec_of, version_of
from tflite_requant.correction.moments import Moments
from tflite_requant.correction.rounding import Compensator
from tflite_requant.errors import Finding
from tflite_requant.model import (
    Edit,
    Operator,
    QArray,
    QParams,
    Record,
    Subgraph,
    SubgraphEdit,
    TensorType,
    new_operator,
)
from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning import Plan, clamps, gauge, padding
from tflite_requant.planning.domains import is_weighted
from tflite_requant.planning.features import features_of
from tflite_requant.planning.grid import shifted
from tflite_requant.rules import constants, weighted
from tflite_requant.rules.weighted import Corrections, Rewritten, WeightedOperands
from tflite_requant.schemes import Scheme

QUANTIZE_OPTIONS = Record("QuantizeOptions", MappingProxyType({}))
MIN_MAX_OPTIONS = Record("MaximumMinimumOptions", MappingProxyType({}))
PADV2_OPTIONS = Record("PadV2Options", MappingProxyType({}))
# 8-bit types become each other by a shift, and only int8 and int16 convert into one another.
CHAINS = {("int16", "uint8"): "int8", ("uint8", "int16"): "int8"}


@dataclass
class SubgraphRewrite:
    """What was done to one subgraph, for the report."""

    weighted: dict[int, Rewritten] = field(default_factory=dict)
    inserted: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass
class Memory:
    """What rewriting the same subgraph under similar plans need not do twice.

    weighted: by operator and the grids around it; compensators: by operator.
    """

    weighted: dict[tuple, Rewritten] = field(default_factory=dict)
    compensators: dict[int, Compensator] = field(default_factory=dict)


class Rewriter:
    """Applies one plan to one subgraph edit. clamped: operators whose lost clamp is restored by
    MAXIMUM and MINIMUM."""

    def __init__(
        self, edit: Edit, plan: Plan, scheme: Scheme, moments: dict[int, Moments],
        corrections: Corrections, clamped: Container[int], memory: Memory | None = None,
    ) -> None:  # fmt: skip
        self.memory = memory
        self.whole, self.plan, self.scheme, self.moments = edit, plan, scheme, moments
        self.edit: SubgraphEdit = edit.subgraphs[plan.subgraph.index]
        self.source: Subgraph = plan.subgraph
        self.corrections, self.clamped = corrections, clamped
        self.done = SubgraphRewrite()
        self._converted: dict[tuple[int, TensorType], int] = {}
        self._constants: dict[tuple, int] = {}
        self._framed: dict[tuple, int] = {}
        self._claimed: set[int] = self._read_by_others()

    def run(self) -> SubgraphRewrite:
        """All changes, in execution order of the source's operators."""
        for index, new in self.plan.home.items():
            if (
                not self.source.tensors[index].is_constant
                and new != self.source.tensors[index].type
            ):
                self.edit.retype(index, new)
        for op in self.source.operators:
            spec = spec_of(op)
            if op.index in self.plan.domains:
                self._constants_of(op)
                if is_weighted(spec) and self.plan.domains[op.index].kind != "pinned":
                    self._weighted(op, spec)
                self._bridge_inputs(op)
                self._pad_explicitly(op)
                self._bridge_outputs(op)
                self._options(op, spec)
        self._borders()
        self._versions()
        return self.done

    # --- constants -----------------------------------------------------------------------------

    def _read_by_others(self) -> set[int]:
        """Constants that must stay as they are: what reads them is not in the plan."""
        read = {*self.source.outputs}
        for op in self.source.operators:
            spec, domain = spec_of(op), self.plan.domains.get(op.index)
            for position, index in enumerate(op.inputs):
                operand = spec.input(position) if spec is not None else None
                planned = domain is not None and domain.kind != "pinned"
                if not planned or operand is None or operand.role == "plain":
                    read.add(index)
        return {t for t in read if t >= 0 and self.source.tensors[t].is_constant}

    def _constants_of(self, op: Operator) -> None:
        """Constants on activation grids, each operator's on the grid that it needs."""
        for position, index in enumerate(op.inputs):
            if (
                index < 0
                or index not in self.plan.home
                or not self.source.tensors[index].is_constant
            ):
                continue
            source = self.source.tensors[index]
            new = self.plan.at(op.index, "in", position, index)
            if new == source.type:
                self._keep(op, position, index)
                continue
            gain = self.plan.gains.get(index, 1.0)
            integers = constants.rewrite(source.qarray(), new, gain)
            self.edit.replace_input(op.index, position, self._place(index, integers, new))

    def _keep(self, op: Operator, position: int, index: int) -> None:
        """Let the operator read the source's constant, also where another one changed it."""
        source = self.source.tensors[index]
        if self.edit.tensors[index] is source:
            self._claimed.add(index)
        else:
            self.edit.replace_input(
                op.index, position, self._place(index, source.array(), source.type)
            )

    def _place(self, index: int, integers: np.ndarray, new: TensorType) -> int:
        """A tensor that holds these constants: the old one if it is free, a twin otherwise."""
        key = (index, new, integers.astype(np.int64).tobytes())
        if key not in self._constants:
            if index in self._claimed:
                name = f"{self.source.tensors[index].name}/{new.dtype}"
                shape = tuple(int(n) for n in integers.shape)
                self._constants[key] = self.edit.add_tensor(name, shape, new, integers=integers)
            else:
                self._claimed.add(index)
                self.edit.set_constant(index, integers, new)
                self._constants[key] = index
        return self._constants[key]

    def _weighted(self, op: Operator, spec: OpSpec) -> None:
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
        )
        wide = new_input.dtype == "int16" and (
            scheme.bias.dtype == "int64" or op.opcode == "DEPTHWISE_CONV_2D"
        )
        bias_dtype = "int64" if wide else "int32"
        needs_bias = not spec.inputs[positions["bias"]].optional
        new = self._rewritten(op, operands, weights.dtype, scheme, bias_dtype, needs_bias)
        self.done.weighted[op.index] = new
        self._put(op, positions["weights"], w_index, new.weights, scheme.weights.dtype)
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

    def _put(self, op: Operator, position: int, index: int, new: QArray, dtype: str) -> None:
        old, kind = self.source.tensors[index], TensorType(dtype, new.qparams)
        if old.type == kind and np.array_equal(old.array(), new.integers):
            self._keep(op, position, index)
            return
        placed = self._place(index, new.integers, kind)
        self.edit.replace_input(op.index, position, placed)

    def _put_bias(self, op: Operator, position: int, index: int, new: Rewritten) -> None:
        kind = TensorType(new.bias_dtype, new.bias.qparams)
        if index >= 0:
            old = self.source.tensors[index]
            unmoved = old.dtype == kind.dtype and np.array_equal(
                old.array().reshape(-1), new.bias.integers
            )
            if unmoved and old.qparams is not None and _same_scales(old.qparams, kind.qparams):
                self._keep(op, position, index)
                return
            integers = new.bias.integers.reshape(old.shape)
            self.edit.replace_input(op.index, position, self._place(index, integers, kind))
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
                        f"bias scales are off input x weights scale by {new.bias_law_broken:.2g}",
                        "equal scales", "the bias was read by its own scales and put right")
            )  # fmt: skip
        if new.bias_axis_wrong:
            self.done.findings.append(
                Finding("warning", where, "quantized-dimension",
                        "the bias names an axis that it does not have", "axis 0",
                        "LiteRT refuses the source for it; it was put right")
            )  # fmt: skip
        if new.clipped_bias:
            self.done.findings.append(
                Finding("warning", where, "bias-width",
                        f"{new.clipped_bias} bias values leave the {self.scheme.bias.bits} bits of "
                        "a bias and were saturated", "values that fit",
                        "these channels' weights are nearly zero")
            )  # fmt: skip

    # --- bridges -------------------------------------------------------------------------------

    def _bridge_inputs(self, op: Operator) -> None:
        for position, index in enumerate(op.inputs):
            want = self.plan.ports.get((op.index, "in", position))
            if want is None or self.source.tensors[index].is_constant:
                continue
            tensor = self._convert(index, self.edit.tensors[index].type, want, before=op.index)
            self.edit.replace_input(op.index, position, tensor)

    def _pad_explicitly(self, op: Operator) -> None:
        """Frame the input with the stored integer of real zero; the operator then pads nothing."""
        frame = self.plan.padded.get(op.index)
        if frame is None:
            return
        start = self.edit.operator(op.index).inputs[0]
        if (start, frame) not in self._framed:
            self._framed[start, frame] = self._frame(op, start, frame)
        self.edit.replace_input(op.index, 0, self._framed[start, frame])
        self.edit.set_options(op.index, padding="VALID")

    def _frame(self, op: Operator, start: int, frame: padding.Frame) -> int:
        """A PADV2 and its output. Its constant is on the input's own grid: the kernel copies the
        stored integer."""
        data = self.edit.tensors[start]
        true_zero = self.plan.offsets.get(op.inputs[0], 0.0) / data.qparams.scale
        code = data.qparams.zero_point + round(true_zero)
        name = f"{data.name}/padded"
        amounts = np.array([(0, 0), *frame, (0, 0)])
        plain = TensorType("int32", None)
        paddings = self.edit.add_tensor(f"{name}/paddings", (4, 2), plain, integers=amounts)
        fill = self.edit.add_tensor(f"{name}/value", (), data.type, integers=np.array(code))
        more = (0, sum(frame[0]), sum(frame[1]), 0)
        made = self.edit.add_tensor(
            name, tuple(n + m for n, m in zip(data.shape, more, strict=True)), data.type,
            shape_signature=data.shape_signature
            and tuple(n + m for n, m in zip(data.shape_signature, more, strict=True)),
        )  # fmt: skip
        version = version_of(spec_of(new_operator("PADV2", 1, (), ())), data.dtype)
        self.edit.insert_before(
            op.index,
            new_operator("PADV2", version, (start, paddings, fill), (made,), PADV2_OPTIONS),
        )
        self.done.inserted.append(f"PADV2 {code} {self.source.tensors[op.outputs[0]].name}")
        return made

    def _convert(self, tensor: int, have: TensorType, want: TensorType, *, before: int) -> int:
        """A tensor with the value of `tensor` on another grid, made once by QUANTIZE."""
        key = (tensor, want)
        if key not in self._converted:
            middle = self._middle(have, want)
            start = tensor if middle is None else self._convert(tensor, have, middle, before=before)
            old = self.edit.tensors[tensor]
            made = self.edit.add_tensor(
                f"{old.name}/{want.dtype}", old.shape, want, shape_signature=old.shape_signature
            )
            self.edit.insert_before(before, self._quantize(start, made))
            self._converted[key] = made
        return self._converted[key]

    @staticmethod
    def _middle(have: TensorType, want: TensorType) -> TensorType | None:
        dtype = CHAINS.get((have.dtype, want.dtype))
        if dtype is None:
            return None
        return shifted(have, dtype) or shifted(want, dtype)

    def _quantize(self, start: int, end: int) -> Operator:
        a, b = self.edit.tensors[start], self.edit.tensors[end]
        version = 2 if "int16" in (a.dtype, b.dtype) else 1
        self.done.inserted.append(f"QUANTIZE {a.dtype} -> {b.dtype} {b.name}")
        return new_operator("QUANTIZE", version, (start,), (end,), QUANTIZE_OPTIONS)

    def _bridge_outputs(self, op: Operator) -> None:
        """Let the operator write a tensor of its own; QUANTIZE carries it to the home grid."""
        for position, index in enumerate(op.outputs):
            want = self.plan.ports.get((op.index, "out", position))
            restored = self.plan.lost_clamps.get(op.index) if op.index in self.clamped else None
            if want is None and restored is None:
                continue
            home = self.edit.tensors[index]
            kind = want or home.type
            made = self.edit.add_tensor(
                f"{home.name}/{kind.dtype if want else 'unclamped'}", home.shape, kind,
                shape_signature=home.shape_signature,
            )  # fmt: skip
            self.edit.replace_output(op.index, position, made)
            chain = [made]
            if restored is not None:
                chain = [self._clamp(op, made, index if want is None else None)]
            if want is not None:
                middle = self._middle(kind, home.type)
                if middle is not None:
                    step = self.edit.add_tensor(f"{home.name}/{middle.dtype}", home.shape, middle)
                    self.edit.insert_after(op.index, self._quantize(chain[-1], step))
                    chain.append(step)
                self.edit.insert_after(op.index, self._quantize(chain[-1], index))

    def _clamp(self, op: Operator, made: int, end: int | None) -> int:
        """MAXIMUM and MINIMUM with the source's bounds, as constants on the output's grid."""
        tensor, source = self.edit.tensors[made], self.source.tensors[op.outputs[0]]
        fused = op.option("fused_activation_function", "NONE")
        gain = self.plan.gains.get(op.outputs[0], 1.0)
        low, high = (bound * gain for bound in clamps.interval(source.type, fused))
        least, greatest = RANGES[tensor.dtype]
        scale, zero = tensor.qparams.scale, tensor.qparams.zero_point
        restored = self.plan.lost_clamps[op.index]
        steps = [("MAXIMUM", low, restored.low_lost), ("MINIMUM", high, restored.high_lost)]
        steps = [(opcode, bound) for opcode, bound, lost in steps if lost]
        for i, (opcode, bound) in enumerate(steps):
            stored = np.clip(np.rint(bound / scale) + zero, least, greatest).astype(np.int64)
            name = f"{source.name}/{opcode.lower()}"
            limit = self.edit.add_tensor(f"{name}/bound", (), tensor.type, integers=stored)
            last = i + 1 == len(steps) and end is not None
            to = end if last else self.edit.add_tensor(name, tensor.shape, tensor.type)
            version = version_of(spec_of(new_operator(opcode, 1, (), ())), tensor.dtype)
            self.edit.insert_after(
                op.index, new_operator(opcode, version, (made, limit), (to,), MIN_MAX_OPTIONS)
            )
            self.done.inserted.append(f"{opcode} {bound:.6g} {source.name}")
            made = to
        return made

    # --- options, borders, versions ------------------------------------------------------------

    def _options(self, op: Operator, spec: OpSpec | None) -> None:
        activation = self.plan.activation.get(op.index)
        if activation is not None:
            self.edit.set_options(op.index, fused_activation_function=activation)
        gain = self.plan.gains.get(op.inputs[0], 1.0) if op.inputs else 1.0
        if gain != 1 and gauge.absorbs_input_gain(op):
            beta = float(np.float32(op.option("beta") / gain))
            self.edit.set_options(op.index, beta=beta)
        options = self.edit.operator(op.index).options
        if (
            options is not None
            and options.get("pot_scale_int16")
            and any(self.edit.tensors[t].dtype == "int16" for t in op.outputs if t >= 0)
            and any(self.source.tensors[t].dtype != "int16" for t in op.outputs if t >= 0)
        ):
            self.edit.set_options(op.index, pot_scale_int16=False)

    def _borders(self) -> None:
        """Graph outputs that keep their old type: the home tensor gives its name to the border."""
        for index, want in self.plan.outputs.items():
            home = self.edit.tensors[index]
            last = self.source.operators[-1].index
            inner = f"{home.name}/{home.dtype}"
            name = home.name
            self.edit.rename(index, inner)
            middle, start = self._middle(home.type, want), index
            if middle is not None:
                start = self.edit.add_tensor(f"{name}/{middle.dtype}", home.shape, middle)
                self.edit.insert_after(last, self._quantize(index, start))
            border = self.edit.add_tensor(
                name, home.shape, want, shape_signature=home.shape_signature
            )
            self.edit.insert_after(last, self._quantize(start, border))
            self.whole.replace_io(self.source.index, index, border, outputs=True)

    def _versions(self) -> None:
        """The catalog's version for every operator whose type or options changed."""
        for op in self.source.operators:
            spec, domain = spec_of(op), self.plan.domains.get(op.index)
            if spec is None or domain is None or domain.kind == "pinned":
                continue
            now = self.edit.operator(op.index)
            touched = now.options is not op.options or len(now.inputs) != len(op.inputs)
            pairs = zip((*op.inputs, *op.outputs), (*now.inputs, *now.outputs), strict=False)
            retyped = any(
                a >= 0 and b >= 0 and self.source.tensors[a].dtype != self.edit.tensors[b].dtype
                for a, b in pairs
            )
            if not (touched or retyped):
                continue
            dtype = self._activation_dtype(now, spec)
            if op.opcode == "CUSTOM" or dtype not in spec.versions:
                continue
            version = version_of(spec, dtype, features_of(now, spec, self.edit.tensors))
            if version != op.version:
                self.edit.set_operator(op.index, version=version)

    def _activation_dtype(self, op: Operator, spec: OpSpec) -> str:
        """The type of the first quantized activation, inputs before outputs."""
        for side, indices in (("in", op.inputs), ("out", op.outputs)):
            for position, index in enumerate(indices):
                operand = spec.input(position) if side == "in" else spec.output(position)
                if index >= 0 and operand is not None and operand.role == "activation":
                    if self.edit.tensors[index].is_quantized_activation:
                        return self.edit.tensors[index].dtype
        return ""


def _is_kept(old: QArray, new: QArray) -> bool:
    return old.qparams == new.qparams and np.array_equal(old.integers, new.integers)


def _same_scales(a: QParams, b: QParams) -> bool:
    """Equal but for the last bits in which exporters form products of scales."""
    return (
        len(a.scales) == len(b.scales)
        and a.axis == b.axis
        and all(abs(x - y) <= 1e-6 * abs(y) for x, y in zip(a.scales, b.scales, strict=True))
    )
