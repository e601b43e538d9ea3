"""New quantization for every activation of a subgraph.

Nodes are (tensor, domain) pairs; ties of the catalog join them to groups; each group gets one grid.
Where an operator needs a tensor on another grid than its home (the grid it is produced on), the
plan says so at that port, and a QUANTIZE operator will be put there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tflite_requant.catalog import OpSpec, spec_of
from tflite_requant.errors import Finding
from tflite_requant.model import Operator, QParams, Subgraph, Tensor, TensorType
from tflite_requant.model.dtypes import ACTIVATION_DTYPES, RANGES
from tflite_requant.planning import clamps, folding, gauge, grid
from tflite_requant.planning.domains import PINNED, Domain, activation_ports, assign
from tflite_requant.planning.groups import Groups
from tflite_requant.schemes import ActivationLaw, Scheme

Node = tuple[int, Domain]
Port = tuple[int, str, int]  # operator index, "in" or "out", operand position


@dataclass
class Plan:
    """What every activation of one subgraph becomes.

    home:        tensor -> its new type; tensors that are not in it keep theirs.
    ports:       port -> type, only where it differs from the tensor's home.
    outputs:     graph output tensor -> type, only where it differs from its home.
    inputs:      graph input tensor -> type of the graph input, only where it differs from its home.
    offsets:     tensor -> what its stored reals are above the true ones (zero-point folding).
    gains:       tensor -> what its stored reals are times the true ones (power of two as a gauge).
    activation:  operator -> fused activation, only where it changes.
    lost_clamps: operator -> the clamp that could not be restored.
    domains:     operator -> the law it follows.
    """

    subgraph: Subgraph
    domains: dict[int, Domain]
    home: dict[int, TensorType] = field(default_factory=dict)
    ports: dict[Port, TensorType] = field(default_factory=dict)
    outputs: dict[int, TensorType] = field(default_factory=dict)
    inputs: dict[int, TensorType] = field(default_factory=dict)
    offsets: dict[int, float] = field(default_factory=dict)
    gains: dict[int, float] = field(default_factory=dict)
    activation: dict[int, str] = field(default_factory=dict)
    lost_clamps: dict[int, clamps.Restored] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def at(self, op: int, side: str, position: int, tensor: int) -> TensorType:
        """The new type of a tensor as one operator sees it."""
        port = self.ports.get((op, side, position))
        return port or self.home.get(tensor) or self.subgraph.tensors[tensor].type


def source_interval(
    subgraph: Subgraph, tensor: Tensor, producer: Operator | None
) -> tuple[float, float]:
    """The real interval that a source tensor can hold: its grid, cut by a fused activation, or the
    values of a constant."""
    if tensor.is_constant:
        values = tensor.qarray().real()
        return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    activation = "NONE"
    if producer is not None:
        activation = producer.option("fused_activation_function", "NONE")
    return clamps.interval(tensor.type, activation if isinstance(activation, str) else "NONE")


def _own_type(domain: Domain, operand) -> Domain:
    """The domain of an operand that takes another type than its operator's other ones."""
    dtype = operand.types.get(domain.law.dtype) if operand is not None and domain.law else None
    return replace(domain, law=replace(domain.law, dtype=dtype)) if dtype else domain


class Planner:
    """Builds the plan of one subgraph; `plan` is the way in."""

    def __init__(
        self, subgraph: Subgraph, scheme: Scheme, keep_io: bool, keep_unknown: bool, fold: bool,
        named: frozenset[int],
    ) -> None:  # fmt: skip
        self.subgraph, self.scheme, self.keep_io, self.fold = subgraph, scheme, keep_io, fold
        self.named = named
        self.domains, findings = assign(subgraph, scheme, keep_unknown)
        self.plan = Plan(subgraph, self.domains, findings=findings)
        self.producers, self.consumers = subgraph.producers(), subgraph.consumers()
        self.groups = Groups()
        self.port_nodes: dict[Port, Node] = {}
        self.fixed: dict[Node, tuple[float, int]] = {}
        self.adopted: set[Node] = set()
        self.default = Domain("scheme", scheme.activations)

    # --- nodes ---------------------------------------------------------------------------------

    def run(self) -> Plan:
        """All steps in order."""
        if any(f.severity == "error" for f in self.plan.findings):
            return self.plan
        ported = self._ports()
        for op, spec, ports in ported:
            self._tie(op, spec, ports)
        types = self._types(ported)
        self._homes(ported, types)
        for op, spec, ports in ported:
            self._restore_clamps(op, spec, ports)
        return self.plan

    def _ports(self) -> list[tuple[Operator, OpSpec | None, list]]:
        ported = []
        for op in self.subgraph.operators:
            if op.index not in self.domains:
                continue
            spec = spec_of(op)
            ports = activation_ports(self.subgraph, op, spec)
            for side, position, tensor, operand in ports:
                pinned = tensor.is_variable or (operand is not None and operand.pinned)
                domain = PINNED if pinned else _own_type(self.domains[op.index], operand)
                self.port_nodes[op.index, side, position] = tensor.index, domain
            ported.append((op, spec, ports))
        self._bridges()
        for node in self.port_nodes.values():
            self.groups.add(node)
        for tensor in (*self.subgraph.inputs, *self.subgraph.outputs):
            if self._at_border(tensor):
                self.groups.add((tensor, self._border_domain(tensor)))
        return ported

    def _bridges(self) -> None:
        """QUANTIZE asks for no grid of its own: it writes what all its readers ask for, and reads
        what is there. Otherwise a bridge would be bridged when a result is requantized again."""
        bridges = [
            op
            for op in self.subgraph.operators
            if op.opcode == "QUANTIZE" and self.domains.get(op.index) == self.default
        ]
        own = {op.index for op in bridges}
        for op in bridges:
            tensor, port = op.outputs[0], (op.index, "out", 0)
            readers = self.consumers.get(tensor, ())
            ports = [(r.index, "in", p) for r, p in readers if r.index not in own]
            asked = {self.port_nodes.get(p) for p in ports}
            if self._at_border(tensor) and tensor in self.subgraph.outputs:
                asked.add((tensor, self._border_domain(tensor)))
            if readers and not asked:
                asked = {(tensor, PINNED)}
            if len(asked) == 1 and None not in asked and port in self.port_nodes:
                self.port_nodes[port] = asked.pop()
        for op in bridges:
            port = op.index, "in", 0
            if port in self.port_nodes:
                home, end = self._home_node(op.inputs[0]), self.port_nodes.get((op.index, "out", 0))
                if (self._dtype_at(home), end and self._dtype_at(end)) == ("int16", "uint8"):
                    home = op.inputs[0], Domain("fence", ActivationLaw("int8"))
                self.port_nodes[port] = home

    def _dtype_at(self, node: Node) -> str:
        tensor, domain = node
        return domain.law.dtype if domain.law else self.subgraph.tensors[tensor].dtype

    def _at_border(self, tensor: int) -> bool:
        """Whether a graph input or output is requantized; a constant that is one stays as it is."""
        found = self.subgraph.tensors[tensor]
        return found.is_quantized_activation and not found.is_constant

    def _border_domain(self, tensor: int) -> Domain:
        """How a graph input or output is quantized."""
        variable = self.subgraph.tensors[tensor].is_variable
        return PINNED if self.keep_io or variable else self.default

    def _home_node(self, tensor: int) -> Node:
        """Where a tensor is produced: by its operator, as a graph input, or as a constant."""
        if tensor in self.producers:
            op = self.producers[tensor]
            return self.port_nodes[op.index, "out", op.outputs.index(tensor)]
        if tensor in self.subgraph.inputs:
            return tensor, self._border_domain(tensor)
        readers = ((op.index, "in", p) for op, p in self.consumers.get(tensor, ()))
        first = next((port for port in readers if port in self.port_nodes), None)
        return self.port_nodes[first] if first else (tensor, self._border_domain(tensor))

    # --- ties ----------------------------------------------------------------------------------

    def _tie(self, op: Operator, spec: OpSpec | None, ports: list) -> None:
        if spec is None:
            return
        domain = self.domains[op.index]
        dtype = domain.law.dtype if domain.law else None
        labels: dict[str, list] = {}
        for side, position, tensor, operand in ports:
            if operand.pinned or dtype is None:
                continue
            if operand.fixed and dtype in operand.fixed:
                self.fixed.setdefault(
                    self.port_nodes[op.index, side, position], operand.fixed[dtype]
                )
            if operand.tie and (operand.tie_dtypes is None or dtype in operand.tie_dtypes):
                labels.setdefault(operand.tie, []).append((side, position, tensor, operand))
        for members in labels.values():
            anchor = next((m for m in members if m[0] == "out"), members[0])
            for member in members:
                if member is not anchor:
                    self._join(op, anchor, member)

    def _join(self, op: Operator, anchor, member) -> None:
        """Put an operand on the anchor's grid: by sharing a group, or by a port of its own."""
        a_node = self.port_nodes[op.index, anchor[0], anchor[1]]
        key = (op.index, member[0], member[1])
        node, tensor, source_dtype = self.port_nodes[key], member[2], member[2].dtype
        if tensor.qparams == anchor[2].qparams and tensor.dtype == anchor[2].dtype:
            self.groups.union(a_node, node)
        elif tensor.is_constant or self._requantizes(member[3], source_dtype):
            # The source's kernel mixes grids by their real values; the target's may not.
            if self._can_adopt(op, tensor, anchor[2]):
                self.adopted |= self.groups.members(node)
                self.groups.union(a_node, node)
            else:
                self.port_nodes[key] = a_node
        elif self._shifts_alike(tensor, anchor[2]):
            self.groups.union(a_node, node)
        else:
            self.plan.findings.append(
                Finding(
                    "error", self.subgraph.label(op), "tie",
                    f"{tensor.label()} and {anchor[2].label()} have different scales or zero "
                    "points, which its kernel ignores", "equal ones",
                    "the model was not quantized consistently",
                )
            )  # fmt: skip

    @staticmethod
    def _requantizes(operand, dtype: str) -> bool:
        return operand.tie_dtypes is not None and dtype not in operand.tie_dtypes

    @staticmethod
    def _shifts_alike(a: Tensor, b: Tensor) -> bool:
        """Grids that differ by float noise only: raw copies between them were meant as equal."""
        return (
            a.dtype == b.dtype
            and a.qparams.zero_point == b.qparams.zero_point
            and abs(a.qparams.scale - b.qparams.scale) <= 1e-3 * b.qparams.scale
        )

    def _can_adopt(self, op: Operator, tensor: Tensor, anchor: Tensor) -> bool:
        """Whether a tensor may be produced on the anchor's grid right away: only this operator
        reads it, its producer rescales freely (or moves such a tensor), and the anchor's range
        lies within its own."""
        low, high = grid.real_range(anchor.type)
        own_low, own_high = grid.real_range(tensor.type)
        slack = anchor.qparams.scale / 2
        within = low >= own_low - slack and high <= own_high + slack
        return within and self._is_free(tensor, self.domains[op.index])

    def _is_free(self, tensor: Tensor, domain: Domain) -> bool:
        producer = self.producers.get(tensor.index)
        spec = spec_of(producer) if producer is not None else None
        if (
            spec is None
            or len(self.consumers.get(tensor.index, ())) != 1
            or tensor.index in self.subgraph.outputs
            or self.domains.get(producer.index) != domain
        ):
            return False
        operand = spec.output(producer.outputs.index(tensor.index))
        if operand is None or operand.fixed or operand.pinned:
            return False
        if not operand.tie:
            return True
        moved = [self.subgraph.tensors[i] for i in producer.inputs if i >= 0]
        moved = [t for t in moved if t.is_quantized_activation]
        return (
            producer.opcode in folding.TRANSPARENT
            and len(producer.outputs) == len(moved) == 1
            and self._is_free(moved[0], domain)
        )

    # --- types ---------------------------------------------------------------------------------

    def _types(self, ported: list) -> dict[Node, TensorType]:
        """The grid of every group, by representative; scheme grids before the fences they set."""
        sets = list(self.groups.sets())
        classes, anchored = self._gauge(ported)
        types: dict[Node, TensorType] = {}
        by_tensor: dict[int, TensorType] = {}
        for kind in ("pinned", "scheme", "fence"):
            for root, members in sets:
                if root[1].kind != kind:
                    continue
                law = root[1].law
                if kind == "scheme" and classes.find(root) not in anchored:
                    law = replace(law, scale="any")
                types[root] = self._type_of(members, root[1], law, by_tensor)
            if kind == "scheme":
                self._relabel(sets, classes, anchored, types)
                for root, members in sets:
                    if root[1].kind == kind:
                        by_tensor.update({tensor: types[root] for tensor, _ in members})
        return types

    def _gauge(self, ported: list) -> tuple[Groups, set[Node]]:
        """Classes of groups that share a gain, and those whose gain is 1."""
        root_at = {port: self.groups.find(node) for port, node in self.port_nodes.items()}
        roots_of: dict[int, set[Node]] = {}
        anchored = set()
        for root, members in self.groups.sets():
            for tensor, _ in members:
                roots_of.setdefault(tensor, set()).add(root)
            outside = {*self.subgraph.inputs, *self.subgraph.outputs, *self.named}
            free = (
                self.fold
                and root[1] == self.default
                and self.default.law.scale == "power-of-two"
                and not any(m in self.fixed for m in members)
                and not any(t in outside for t, _ in members)
            )
            if not free:
                anchored.add(root)
        anchored |= {root for roots in roots_of.values() if len(roots) > 1 for root in roots}
        classes, fixed = gauge.gain_classes(ported, root_at, anchored)
        return classes, fixed | {classes.find(root) for root in anchored}

    def _relabel(self, sets: list, classes: Groups, anchored: set, types: dict) -> None:
        """Write the tensors of every free class with powers of two, and note their gains."""
        members = dict(sets)
        for name, roots in list(classes.sets()):
            if name in anchored:
                continue
            scales = [types[root].qparams.scale for root in roots]
            for root, (scale, gain) in zip(roots, gauge.relabelled(scales), strict=True):
                types[root] = gauge.written(types[root], scale)
                for tensor, _ in members[root]:
                    self.plan.gains[tensor] = gain
                    if tensor in self.plan.offsets:
                        self.plan.offsets[tensor] *= gain

    def _type_of(
        self, members: list[Node], domain: Domain, law: ActivationLaw | None, by_tensor: dict
    ) -> TensorType:
        # What adopts a grid has no say in it.
        decisive = [m for m in members if m not in self.adopted]
        tensors = [self.subgraph.tensors[t] for t, _ in decisive]
        lead = next((t for t in tensors if not t.is_constant), tensors[0])
        if domain.kind == "pinned":
            return lead.type
        fixed = next((self.fixed[m] for m in members if m in self.fixed), None)
        if fixed is not None:
            return self._fixed_type(domain, fixed, tensors)
        if domain.kind == "fence":
            for tensor in tensors:
                near = grid.shifted(by_tensor.get(tensor.index, tensor.type), domain.law.dtype)
                if near is not None:
                    return near
        folded = self._folded(tensors, domain, law)
        if folded is not None:
            return folded
        intervals = [
            source_interval(self.subgraph, t, self.producers.get(t.index)) for t in tensors
        ]
        low, high = min(i[0] for i in intervals), max(i[1] for i in intervals)
        if not grid.can_hold(law, low, high):
            self.plan.findings.append(
                Finding(
                    "error", lead.label(), "activation-zero-point",
                    f"values from {low:.6g} to {high:.6g}",
                    f"what {domain.law.dtype} with zero point {domain.law.zero_point} can hold",
                    "use a scheme with another zero point",
                )
            )  # fmt: skip
            return lead.type
        return grid.fit(lead.type, law, low, high)

    def _folded(
        self, tensors: list[Tensor], domain: Domain, law: ActivationLaw
    ) -> TensorType | None:
        """The source's own grid with the zero point that the law asks for, if it may be folded."""
        lead = tensors[0]
        if not self.fold or domain != self.default or law.zero_point == "any" or law.scale != "any":
            return None
        near = grid.shifted(lead.type, law.dtype)
        indices = {t.index for t in tensors}
        if near is None or near.qparams.zero_point == law.zero_point:
            return None
        if indices & self.named or not self._at_home(indices, domain):
            return None
        if not folding.may_fold(self.subgraph, indices, self.producers, self.consumers):
            return None
        scale = near.qparams.scale
        offset = scale * (near.qparams.zero_point - law.zero_point)
        self.plan.offsets.update(dict.fromkeys(sorted(indices), offset))
        return TensorType(law.dtype, QParams((scale,), (law.zero_point,)))

    def _at_home(self, indices: set[int], domain: Domain) -> bool:
        """Whether every operator around these tensors follows the same law."""
        around = [op for t in indices for op, _ in self.consumers.get(t, ())]
        around += [self.producers[t] for t in indices if t in self.producers]
        return all(self.domains.get(op.index) == domain for op in around)

    def _fixed_type(
        self, domain: Domain, fixed: tuple[float, int], tensors: list[Tensor]
    ) -> TensorType:
        prescribed = TensorType(domain.law.dtype, QParams.of(*fixed))
        if domain.kind == "scheme" and not grid.is_legal(prescribed, domain.law):
            refuse = self.scheme.operators.runtime_fixed == "refuse"
            self.plan.findings.append(
                Finding(
                    "error" if refuse else "exception", tensors[0].label(), "fixed-output",
                    f"TFLite fixes scale {prescribed.qparams.scale:.9g}, zero point "
                    f"{prescribed.qparams.zero_point}", f"zero point {domain.law.zero_point}, "
                    f"scale {domain.law.scale}",
                )
            )  # fmt: skip
        return prescribed

    # --- homes and ports -----------------------------------------------------------------------

    def _homes(self, ported: list, types: dict[Node, TensorType]) -> None:
        def type_at(node: Node) -> TensorType:
            return types[self.groups.find(node)]

        plan = self.plan
        quantized = {
            tensor for _, _, ports in ported for _, _, t, _ in ports for tensor in (t.index,)
        }
        border = {t for t in (*self.subgraph.inputs, *self.subgraph.outputs) if self._at_border(t)}
        for index in sorted(quantized | border):
            tensor = self.subgraph.tensors[index]
            if not tensor.is_quantized_activation:
                continue
            if index in self.producers and self.producers[index].index not in self.domains:
                continue
            plan.home[index] = type_at(self._home_node(index))
        for op, _, ports in ported:
            for side, position, tensor, _ in ports:
                want = type_at(self.port_nodes[op.index, side, position])
                if want != plan.home[tensor.index]:
                    plan.ports[op.index, side, position] = want
        for index in self.subgraph.outputs:
            if index in plan.home and self._at_border(index):
                want = type_at((index, self._border_domain(index)))
                if want != plan.home[index]:
                    plan.outputs[index] = want

    # --- clamps --------------------------------------------------------------------------------

    def _restore_clamps(self, op: Operator, spec: OpSpec | None, ports: list) -> None:
        """Fuse the clamp that the source's saturation made, where the new grid ends elsewhere."""
        if spec is None or spec.movement or self.domains[op.index].kind == "pinned":
            return
        for side, position, tensor, operand in ports:
            if side == "in" or operand.fixed:
                continue
            if operand.tie and tensor.index not in self.plan.offsets:
                continue
            new = self.plan.at(op.index, side, position, tensor.index)
            fused = op.option("fused_activation_function", "NONE")
            if tensor.index in self.plan.offsets:
                # The saturation is the clamp; a fused one would cut at the shifted zero.
                if fused != "NONE":
                    self.plan.activation[op.index] = "NONE"
                continue
            gain = self.plan.gains.get(tensor.index, 1.0)
            restored = clamps.restore(tensor.type, fused, new, spec.activations, gain)
            if restored.activation != fused and spec.activations:
                self.plan.activation[op.index] = restored.activation
            if not restored.kept:
                self.plan.lost_clamps[op.index] = restored


def plan(
    subgraph: Subgraph,
    scheme: Scheme,
    *,
    keep_io: bool = False,
    keep_unknown: bool = False,
    fold: bool = True,
    named: frozenset[int] = frozenset(),
) -> Plan:
    """The new quantization of a subgraph under a scheme; `fold` permits zero-point folding, except
    of the tensors that signatures have `named`.

    Nothing is raised: what cannot be done is an "error" among the plan's findings.
    """
    return Planner(subgraph, scheme, keep_io, keep_unknown, fold, named).run()


def stored_hits(values: np.ndarray, dtype: str) -> tuple[int, int]:
    """How many stored integers sit at the least and at the greatest value of their type."""
    least, greatest = RANGES[dtype]
    return int((values == least).sum()), int((values == greatest).sum())


__all__ = ["ACTIVATION_DTYPES", "Plan", "Planner", "plan", "source_interval", "stored_hits"]
