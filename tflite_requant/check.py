"""Is a model legal under a scheme? Every finding, not the first.

Shares no code with the rules that write models beyond the catalog and plain numbers: what a rule
gets wrong, this finds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog import OpSpec, spec_of
from tflite_requant.errors import Finding
from tflite_requant.fixedpoint.multiplier import quantize_multiplier
from tflite_requant.model import Model, Operator, Subgraph, Tensor
from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning.domains import activation_ports, called_subgraphs, is_weighted
from tflite_requant.planning.grid import is_power_of_two
from tflite_requant.planning.usable import unusable
from tflite_requant.schemes import Scheme

BIAS_SCALE_TOLERANCE = 1e-5
CHECKED_BIAS_SCALE = 0.02  # of an output step: what uint8 kernels accept
MULTIPLIER_LIMIT = 256.0
ADD_HEADROOM = {"uint8": 2.0**-19, "int8": 2.0**-19, "int16": 2.0**-14}
SIGNED_SUM = "SUM"
TENSOR_LAWS = ("activation-granularity", "scale-positive")


def check(model: Model, scheme: Scheme) -> list[Finding]:
    """All findings, in execution order.

    severity "error": not legal; "exception": what the scheme asks, but TFLite does not permit, so
    that it may stand; "warning": legal, but worth a look.
    """
    called = called_subgraphs(model)
    findings: list[Finding] = []
    for subgraph in model.subgraphs:
        if subgraph.index not in called:
            findings += _Checker(subgraph, scheme).run()
    return findings


class _Checker:
    def __init__(self, subgraph: Subgraph, scheme: Scheme) -> None:
        self.subgraph, self.scheme = subgraph, scheme
        self.excused: dict[int, str] = {}

    def run(self) -> list[Finding]:
        ported = []
        for op in self.subgraph.operators:
            spec = spec_of(op)
            ports = activation_ports(self.subgraph, op, spec)
            if ports:
                ported.append((op, spec, ports))
                self._excuse(op, spec, ports)
        self._spread_excuses(ported)
        findings: list[Finding] = []
        seen: set[int] = set()
        for op, spec, ports in ported:
            findings += self._operator(op, spec, ports)
            for _, _, tensor, _ in ports:
                if tensor.index not in seen:
                    seen.add(tensor.index)
                    findings += self._activation(op, tensor)
        return findings

    def _law_of(self, op: Operator) -> Scheme:
        name = next((self.subgraph.tensors[t].name for t in op.outputs if t >= 0), "")
        return self.scheme.for_operator(op.name, name)

    def _excuse(self, op: Operator, spec: OpSpec | None, ports: list) -> None:
        """Tensors that may be as they are, because the runtime knows no other form."""
        if spec is None:
            return
        dtype = self._law_of(op).activations.dtype
        for _, _, tensor, operand in ports:
            if dtype not in spec.dtypes:
                self.excused[tensor.index] = f"{op.name} has no {dtype} kernel"
            elif operand.types.get(dtype) == tensor.dtype:
                self.excused[tensor.index] = f"{op.name} takes {tensor.dtype} there"
            elif operand.pinned:
                self.excused[tensor.index] = f"{op.name} reads its stored integers"
            fixed = operand.fixed.get(tensor.dtype) if operand.fixed else None
            if fixed is not None and tensor.qparams is not None and _is(tensor, *fixed):
                self.excused[tensor.index] = f"TFLite fixes the output of {op.name}"

    def _spread_excuses(self, ported: list) -> None:
        """What shares an excused tensor's grid by law is excused too; so is what only QUANTIZE
        operators touch on one side and the graph's border or excused tensors on the other."""
        for op, spec, ports in ported:
            if spec is not None and op.opcode != "QUANTIZE":
                tied = [t.index for _, _, t, o in ports if o.tie]
                reason = next((self.excused[t] for t in tied if t in self.excused), None)
                if reason is not None:
                    for index in tied:
                        self.excused.setdefault(index, reason)
        readers, writers = self.subgraph.consumers(), self.subgraph.producers()
        for op, _, ports in reversed(ported):
            if op.opcode != "QUANTIZE":
                continue
            for side, _, tensor, _ in ports:
                if side == "in" and tensor.index in self.subgraph.inputs:
                    alone = all(o.opcode == "QUANTIZE" for o, _ in readers[tensor.index])
                    border = alone
                elif side == "in":
                    writer = writers.get(tensor.index)
                    border = writer is not None and writer.opcode == "QUANTIZE"
                else:
                    border = tensor.index in self.subgraph.outputs
                if border:
                    reason = "between QUANTIZE operators or at the border"
                    self.excused.setdefault(tensor.index, reason)

    # --- activations ---------------------------------------------------------------------------

    def _activation(self, op: Operator, tensor: Tensor) -> Iterator[Finding]:
        law = self._law_of(op).activations
        scale, zero = tensor.qparams.scale, tensor.qparams.zero_point
        where = tensor.label()
        if tensor.qparams.per_axis:
            found = f"{len(tensor.qparams.scales)} scales"
            yield Finding("error", where, "activation-granularity", found, "one scale")
            return
        if not (scale > 0 and np.isfinite(scale)):
            found = f"scale {scale}"
            yield Finding("error", where, "scale-positive", found, "a positive finite number")
            return
        if tensor.dtype != law.dtype:
            yield self._judged(tensor, where, "activation-dtype", tensor.dtype, law.dtype)
        elif law.zero_point not in ("any", zero):
            found = f"zero point {zero}"
            yield self._judged(tensor, where, "activation-zero-point", found, str(law.zero_point))
        if law.scale == "power-of-two" and not is_power_of_two(scale):
            found = f"scale {scale:.9g}"
            yield self._judged(tensor, where, "activation-scale", found, "a power of two")

    def _judged(self, tensor: Tensor, where: str, law: str, found: str, need: str) -> Finding:
        excuse = self.excused.get(tensor.index)
        return Finding("exception" if excuse else "error", where, law, found, need, excuse or "")

    # --- operators -----------------------------------------------------------------------------

    def _operator(self, op: Operator, spec: OpSpec | None, ports: list) -> Iterator[Finding]:
        where = self.subgraph.label(op)
        if spec is None:
            found = f"{op.name} is not in the operator catalog"
            yield Finding("error", where, "operator-unknown", found, "an operator of the catalog")
            return
        unfit = unusable(self.subgraph, op, spec, [tensor for _, _, tensor, _ in ports])
        if unfit:
            # Of activations, each tensor's own findings tell once.
            yield from (f for f in unfit if f.law not in TENSOR_LAWS)
            return
        if not self.scheme.operators.allows(op.name):
            need = f"one of {', '.join(self.scheme.operators.allow)}"
            yield Finding("error", where, "operator-allowed", op.name, need)
        if op.opcode != "CUSTOM" and op.version > spec.max_version:
            found, need = f"version {op.version}", f"at most {spec.max_version}"
            yield Finding("warning", where, "operator-version", found, need)
        yield from self._fixed(where, ports)
        yield from self._ties(where, ports)
        yield from self._limits(op, where, ports)
        if is_weighted(spec):
            yield from self._weighted(op, spec, where)

    def _fixed(self, where: str, ports: list) -> Iterator[Finding]:
        for _, _, tensor, operand in ports:
            fixed = operand.fixed.get(tensor.dtype) if operand.fixed else None
            if fixed is not None and not _is(tensor, *fixed):
                found = f"scale {tensor.qparams.scale:.9g}, zero point {tensor.qparams.zero_point}"
                need = f"scale {fixed[0]:.9g}, zero point {fixed[1]}"
                # uint8 kernels ignore what these say; results are on the fixed grid all the same.
                severity = "warning" if tensor.dtype == "uint8" else "error"
                yield Finding(severity, where, "fixed-output", found, need)

    def _ties(self, where: str, ports: list) -> Iterator[Finding]:
        groups: dict[str, list[Tensor]] = {}
        for _, _, tensor, operand in ports:
            if operand.tie and (operand.tie_dtypes is None or tensor.dtype in operand.tie_dtypes):
                groups.setdefault(operand.tie, []).append(tensor)
        for members in groups.values():
            for other in members[1:]:
                if other.qparams != members[0].qparams or other.dtype != members[0].dtype:
                    found = f"{other.label()} is on another grid than {members[0].label()}"
                    yield Finding("error", where, "tie", found, "equal scale and zero point")

    def _limits(self, op: Operator, where: str, ports: list) -> Iterator[Finding]:
        tensors = [tensor for _, _, tensor, _ in ports]
        if op.opcode in ("ADD", "SUB") and len(tensors) == 3:
            *inputs, output = tensors
            least = ADD_HEADROOM[output.dtype] * max(t.qparams.scale for t in inputs)
            if output.qparams.scale <= least:
                found, need = f"output scale {output.qparams.scale:.3g}", f"above {least:.3g}"
                yield Finding("error", where, "add-headroom", found, need)
        if op.opcode == SIGNED_SUM and tensors[0].dtype in ("int8", "int16"):
            found = f"{tensors[0].dtype} SUM is wrong in LiteRT's reference kernels"
            yield Finding("warning", where, "sum-signed-defect", found, "", "MEAN is not affected")

    # --- weights -------------------------------------------------------------------------------

    def _weighted(self, op: Operator, spec: OpSpec, where: str) -> Iterator[Finding]:
        roles = {o.role: i for i, o in enumerate(spec.inputs)}
        x, y = (self.subgraph.tensors[i] for i in (op.input(roles["activation"]), op.outputs[0]))
        weights = self.subgraph.tensors[op.input(roles["weights"])]
        b_index = op.input(roles["bias"])
        bias = self.subgraph.tensors[b_index] if b_index >= 0 else None
        axis = spec.inputs[roles["weights"]].axis
        stored = np.moveaxis(weights.array(), axis, 0).reshape(weights.shape[axis], -1)
        yield from self._weight_law(op, where, weights, stored)
        scales = np.broadcast_to(np.array(weights.qparams.scales), (len(stored),))
        yield from self._multipliers(where, x, y, scales)
        yield from self._bias(op, where, x, y, bias, scales)
        yield from self._accumulator(op, where, x, weights, stored, bias)

    def _weight_law(self, op, where: str, weights: Tensor, stored: np.ndarray) -> Iterator[Finding]:
        law, qparams = self._law_of(op).weights, weights.qparams
        zeros = sorted(set(qparams.zero_points))
        if weights.dtype != law.dtype:
            yield Finding("error", where, "weights-dtype", weights.dtype, law.dtype)
        elif law.zero_point != "any" and zeros != [law.zero_point]:
            found = f"zero point {zeros[0] if zeros[0] != law.zero_point else zeros[-1]}"
            yield Finding("error", where, "weights-zero-point", found, str(law.zero_point))
        if law.granularity == "per-tensor" and qparams.per_axis:
            found = f"{len(qparams.scales)} scales"
            yield Finding("error", where, "weights-granularity", found, "one scale")
        if law.scale == "power-of-two":
            bad = [s for s in qparams.scales if not is_power_of_two(s)]
            if bad:
                count = f"{len(bad)} of {len(qparams.scales)} scales are not"
                found = f"{count}, for instance {bad[0]:.9g}"
                yield Finding("error", where, "weights-scale", found, "powers of two")
        if weights.dtype == law.dtype and stored.size:
            low, high = int(stored.min()), int(stored.max())
            if low < law.range[0] or high > law.range[1]:
                found = f"values from {low} to {high}"
                need = f"from {law.range[0]} to {law.range[1]}"
                yield Finding("error", where, "weights-range", found, need)

    def _multipliers(
        self, where: str, x: Tensor, y: Tensor, scales: np.ndarray
    ) -> Iterator[Finding]:
        real = x.qparams.scale * scales / y.qparams.scale
        worst = int(real.argmax())
        if real[worst] >= MULTIPLIER_LIMIT and x.dtype != "int16":
            found = f"channel {worst} multiplies by {real[worst]:.4g}"
            yield Finding("error", where, "multiplier-limit", found, f"below {MULTIPLIER_LIMIT:g}")
        multiplier, shift = quantize_multiplier(real)
        low, high = self.scheme.rescale.shift
        alive = multiplier > 0
        for channel in np.flatnonzero(alive & ((shift < low) | (shift > high)))[:1]:
            found = f"channel {channel} shifts by {shift[channel]}"
            yield Finding("error", where, "rescale-shift", found, f"{low} to {high}")

    def _bias(self, op, where, x: Tensor, y: Tensor, bias, scales) -> Iterator[Finding]:
        if bias is None or bias.qparams is None:
            return
        law = self._law_of(op).bias
        expected = x.qparams.scale * scales
        own = np.array(bias.qparams.scales)
        off = float(np.max(np.abs(own - expected) / expected))
        if off > BIAS_SCALE_TOLERANCE:
            steps = float(np.max(np.abs(own - expected))) / y.qparams.scale
            checked = x.dtype == "uint8" and steps > CHECKED_BIAS_SCALE
            found = f"bias scales are off input x weights scale by {off:.2g}"
            severity = "error" if checked else "warning"
            yield Finding(severity, where, "bias-scale", found, "equal scales")
        if any(bias.qparams.zero_points):
            found = f"zero point {bias.qparams.zero_points[0]}"
            yield Finding("error", where, "bias-zero-point", found, "0")
        if bias.is_constant:
            largest = int(np.abs(bias.array().astype(np.float64)).max(initial=0))
            limit = 2 ** (law.bits - 1) - 1
            if largest > limit:
                found, need = f"|bias| reaches {largest}", f"at most {limit} ({law.bits} bits)"
                yield Finding("error", where, "bias-width", found, need)

    def _accumulator(self, op, where, x, weights, stored, bias) -> Iterator[Finding]:
        zero = weights.qparams.zero_points[0]
        least, greatest = RANGES[x.dtype]
        reach = max(x.qparams.zero_point - least, greatest - x.qparams.zero_point)
        total = np.abs(stored.astype(np.int64) - zero).sum(axis=1).astype(np.float64) * reach
        if bias is not None and bias.is_constant:
            total = total + np.abs(bias.array().astype(np.float64)).reshape(-1)
        wide = bias is not None and bias.dtype == "int64"
        bits = max(self.scheme.accumulator_bits, 64 if wide else 0)
        worst = int(total.argmax())
        if total[worst] >= 2.0 ** (bits - 1):
            found = f"channel {worst} may reach {total[worst]:.0f}"
            yield Finding("error", where, "accumulator-width", found, f"{bits} bits")


def _is(tensor: Tensor, scale: float, zero_point: int) -> bool:
    if tensor.qparams.per_axis:
        return False
    same = abs(tensor.qparams.scale - scale) <= 1e-3 * scale
    return bool(same and tensor.qparams.zero_point == zero_point)
