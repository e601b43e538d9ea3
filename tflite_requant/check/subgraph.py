"""The findings of one subgraph: its activations, operator by operator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflite_requant.catalog import OpSpec, spec_of
from tflite_requant.check import rescale
from tflite_requant.check.excuses import KEPT, excuses, is_on
from tflite_requant.check.weighted import Weighted
from tflite_requant.errors import Finding
from tflite_requant.model import Operator, Subgraph, Tensor
from tflite_requant.planning.domains import activation_ports, is_weighted
from tflite_requant.planning.grid import is_power_of_two
from tflite_requant.planning.usable import ONE_SCALE, unusable
from tflite_requant.schemes import POWER_OF_TWO, ActivationLaw, Scheme

ADD_HEADROOM = {"uint8": 2.0**-19, "int8": 2.0**-19, "int16": 2.0**-14}
SIGNED_SUM = "SUM"
TENSOR_LAWS = ("activation-granularity", "scale-positive")


class Checker:
    """A subgraph under a scheme."""

    def __init__(self, subgraph: Subgraph, scheme: Scheme, keep_unknown: bool) -> None:
        self.subgraph, self.scheme, self.keep_unknown = subgraph, scheme, keep_unknown
        self.excused: dict[int, str] = {}

    def run(self) -> list[Finding]:
        """All findings, in execution order."""
        ported = []
        for op in self.subgraph.operators:
            spec = spec_of(op)
            ports = activation_ports(self.subgraph, op, spec)
            if ports:
                ported.append((op, spec, ports))
        self.excused = excuses(self.subgraph, ported, self._law_of, self.keep_unknown)
        laws = self._activation_laws(ported)
        findings: list[Finding] = []
        for op, spec, ports in ported:
            findings += self._operator(op, spec, ports)
            for _, _, tensor, _ in ports:
                told = (
                    f for law in laws.pop(tensor.index, ()) for f in self._activation(law, tensor)
                )
                findings += dict.fromkeys(told)
        return findings

    def _activation_laws(self, ported: list) -> dict[int, tuple[ActivationLaw, ...]]:
        """What every operator around a tensor asks of it; QUANTIZE asks nothing of its own."""
        asked: dict[int, dict[ActivationLaw, None]] = {}
        for op, _, ports in ported:
            for _, _, tensor, _ in ports:
                laws = asked.setdefault(tensor.index, {})
                if op.opcode != "QUANTIZE":
                    laws.setdefault(self._law_of(op).activations)
        default = (self.scheme.activations,)
        return {tensor: tuple(laws) or default for tensor, laws in asked.items()}

    def _law_of(self, op: Operator) -> Scheme:
        name = next((self.subgraph.tensors[t].name for t in op.outputs if t >= 0), "")
        return self.scheme.for_operator(op.name, name)

    # --- activations ---------------------------------------------------------------------------

    def _activation(self, law: ActivationLaw, tensor: Tensor) -> Iterator[Finding]:
        scale, zero = tensor.qparams.scale, tensor.qparams.zero_point
        where = tensor.label()
        if tensor.qparams.per_axis:
            found = f"{len(tensor.qparams.scales)} scales"
            yield Finding("error", where, "activation-granularity", found, "one scale", ONE_SCALE)
            return
        if not (scale > 0 and np.isfinite(scale)):
            found = f"scale {scale}"
            yield Finding("error", where, "scale-positive", found, "a positive finite number")
            return
        if tensor.dtype not in law.dtypes:
            need = " or ".join(law.dtypes)
            yield self._judged(tensor, where, "activation-dtype", tensor.dtype, need)
        elif not law.takes(zero):
            need = " or ".join(map(str, law.zero_points))
            found = f"zero point {zero}"
            yield self._judged(tensor, where, "activation-zero-point", found, need)
        if law.scale == POWER_OF_TWO and not is_power_of_two(scale):
            found = f"scale {scale:.9g}"
            yield self._judged(tensor, where, "activation-scale", found, "a power of two")

    def _judged(self, tensor: Tensor, where: str, law: str, found: str, need: str) -> Finding:
        excuse = self.excused.get(tensor.index)
        return Finding("exception" if excuse else "error", where, law, found, need, excuse or "")

    # --- operators -----------------------------------------------------------------------------

    def _operator(self, op: Operator, spec: OpSpec | None, ports: list) -> Iterator[Finding]:
        where = self.subgraph.label(op)
        if spec is None:
            yield self._unknown(op, where)
            return
        tensors = [tensor for _, _, tensor, _ in ports]
        unfit = unusable(self.subgraph, op, spec, tensors)
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
        yield from self._limits(op, where, tensors)
        law = self._law_of(op)
        if not any(tensor.index in self.excused for tensor in tensors):
            yield from rescale.ratios(op, where, tensors, law)
        if is_weighted(spec):
            yield from Weighted(self.subgraph, op, spec, law).findings()

    def _unknown(self, op: Operator, where: str) -> Finding:
        if self.keep_unknown:
            return Finding(
                "exception", where, "operator-unknown", f"{op.name} {KEPT}", "what the scheme asks"
            )
        return Finding(
            "error", where, "operator-unknown", f"{op.name} is not in the operator catalog",
            "an operator that docs/operators.md in the sources lists",
        )  # fmt: skip

    def _fixed(self, where: str, ports: list) -> Iterator[Finding]:
        for _, _, tensor, operand in ports:
            fixed = operand.fixed.get(tensor.dtype) if operand.fixed else None
            if fixed is not None and not is_on(tensor, *fixed):
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

    def _limits(self, op: Operator, where: str, tensors: list[Tensor]) -> Iterator[Finding]:
        if op.opcode in ("ADD", "SUB") and len(tensors) == 3:
            *inputs, output = tensors
            least = ADD_HEADROOM[output.dtype] * max(t.qparams.scale for t in inputs)
            if output.qparams.scale <= least:
                found, need = f"output scale {output.qparams.scale:.3g}", f"above {least:.3g}"
                yield Finding("error", where, "add-headroom", found, need)
        if op.opcode == SIGNED_SUM and tensors[0].dtype in ("int8", "int16"):
            found = f"{tensors[0].dtype} SUM is wrong in LiteRT's reference kernels"
            yield Finding("warning", where, "sum-signed-defect", found, "", "MEAN is not affected")
