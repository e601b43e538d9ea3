"""Which activations share a grid: nodes, the ports at which operators see them, and their groups.

A node is a tensor in a domain. Ties of the catalog join nodes to groups; where a tie cannot be met
by sharing, an operand's port points at the grid that it needs, and a QUANTIZE will be put there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tflite_requant.catalog import OpSpec, spec_of
from tflite_requant.errors import Finding
from tflite_requant.model import Operator, Tensor
from tflite_requant.planning import folding, grid
from tflite_requant.planning.context import Context, Node, Port, Ported
from tflite_requant.planning.domains import PINNED, Domain, activation_ports
from tflite_requant.planning.groups import Groups
from tflite_requant.schemes import ActivationLaw

# Operators that arithmetic profile "extended" computes with operands of unlike 8-bit types.
MIXING = {
    "ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MUL", "QUANTIZE", "SUB",
    "TRANSPOSE_CONV",
}  # fmt: skip


class Nodes:
    """The nodes of a subgraph. port_nodes: port -> node; fixed: node -> what TFLite prescribes, by
    type, and the operator of which it does; adopted: nodes that follow their group without a say in
    its grid; alike: nodes that must be of one type."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.groups = Groups()
        self.port_nodes: dict[Port, Node] = {}
        self.fixed: dict[Node, tuple[Mapping[str, tuple[float, int]], str]] = {}
        self.alike = Groups()
        self.adopted: set[Node] = set()
        self.findings: list[Finding] = []
        self.ported = self._ports()
        for op, spec, ports in self.ported:
            self._tie(op, spec, ports)

    def _ports(self) -> list[Ported]:
        ported = []
        for op in self.context.subgraph.operators:
            if op.index not in self.context.domains:
                continue
            spec = spec_of(op)
            ports = activation_ports(self.context.subgraph, op, spec)
            for side, position, tensor, operand in ports:
                pinned = tensor.is_variable or (operand is not None and operand.pinned)
                domain = PINNED if pinned else _own_type(self.context.domains[op.index], operand)
                self.port_nodes[op.index, side, position] = tensor.index, domain
            ported.append((op, spec, ports))
        self._bridges()
        for node in self.port_nodes.values():
            self.groups.add(node)
        for tensor in (*self.context.subgraph.inputs, *self.context.subgraph.outputs):
            if self.context.at_border(tensor):
                self.groups.add((tensor, self.context.border_domain(tensor)))
        return ported

    def _bridges(self) -> None:
        """QUANTIZE asks for no grid of its own: it writes what all its readers ask for, and reads
        what is there. Otherwise a bridge would be bridged when a result is requantized again."""
        bridges = [
            op
            for op in self.context.subgraph.operators
            if op.opcode == "QUANTIZE"
            and self.context.domains.get(op.index) == self.context.default
        ]
        own = {op.index for op in bridges}
        for op in bridges:
            tensor, port = op.outputs[0], (op.index, "out", 0)
            readers = self.context.consumers.get(tensor, ())
            ports = [(r.index, "in", p) for r, p in readers if r.index not in own]
            asked = {self.port_nodes.get(p) for p in ports}
            if self.context.at_border(tensor) and tensor in self.context.subgraph.outputs:
                asked.add((tensor, self.context.border_domain(tensor)))
            if readers and not asked:
                asked = {(tensor, PINNED)}
            if len(asked) == 1 and None not in asked and port in self.port_nodes:
                self.port_nodes[port] = asked.pop()
        for op in bridges:
            port = op.index, "in", 0
            if port in self.port_nodes:
                home, end = self.home_node(op.inputs[0]), self.port_nodes.get((op.index, "out", 0))
                if (self._dtype_at(home), end and self._dtype_at(end)) == ("int16", "uint8"):
                    home = op.inputs[0], Domain("fence", ActivationLaw("int8"))
                self.port_nodes[port] = home

    def _dtype_at(self, node: Node) -> str:
        tensor, domain = node
        return domain.law.dtype if domain.law else self.context.subgraph.tensors[tensor].dtype

    def home_node(self, tensor: int) -> Node:
        """Where a tensor is produced: by its operator, as a graph input, or as a constant."""
        if tensor in self.context.producers:
            op = self.context.producers[tensor]
            return self.port_nodes[op.index, "out", op.outputs.index(tensor)]
        if tensor in self.context.subgraph.inputs:
            return tensor, self.context.border_domain(tensor)
        readers = ((op.index, "in", p) for op, p in self.context.consumers.get(tensor, ()))
        first = next((port for port in readers if port in self.port_nodes), None)
        return self.port_nodes[first] if first else (tensor, self.context.border_domain(tensor))

    def _tie(self, op: Operator, spec: OpSpec | None, ports: list) -> None:
        if spec is None:
            return
        domain = self.context.domains[op.index]
        dtype = domain.law.dtypes[0] if domain.law else None
        labels: dict[str, list] = {}
        self._unite_types(op, ports)
        for side, position, tensor, operand in ports:
            if operand.pinned or dtype is None:
                continue
            if operand.fixed and dtype in operand.fixed:
                node = self.port_nodes[op.index, side, position]
                self.fixed.setdefault(node, (operand.fixed, op.name))
            if operand.tie and (operand.tie_dtypes is None or dtype in operand.tie_dtypes):
                labels.setdefault(operand.tie, []).append((side, position, tensor, operand))
        for members in labels.values():
            anchor = next((m for m in members if m[0] == "out"), members[0])
            for member in members:
                if member is not anchor:
                    self._join(op, anchor, member)

    def _unite_types(self, op: Operator, ports: list) -> None:
        """Most operators know one type for all they read and write."""
        nodes = [self.port_nodes[op.index, side, position] for side, position, _, _ in ports]
        for node in nodes:
            self.alike.add(node)
            if op.opcode not in MIXING:
                self.alike.union(nodes[0], node)

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
            self.findings.append(
                Finding(
                    "error", self.context.subgraph.label(op), "tie",
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
        return within and self._is_free(tensor, self.context.domains[op.index])

    def _is_free(self, tensor: Tensor, domain: Domain) -> bool:
        producer = self.context.producers.get(tensor.index)
        spec = spec_of(producer) if producer is not None else None
        if (
            spec is None
            or len(self.context.consumers.get(tensor.index, ())) != 1
            or tensor.index in self.context.subgraph.outputs
            or self.context.domains.get(producer.index) != domain
        ):
            return False
        operand = spec.output(producer.outputs.index(tensor.index))
        if operand is None or operand.fixed or operand.pinned:
            return False
        if not operand.tie:
            return True
        moved = [self.context.subgraph.tensors[i] for i in producer.inputs if i >= 0]
        moved = [t for t in moved if t.is_quantized_activation]
        return (
            producer.opcode in folding.TRANSPARENT
            and len(producer.outputs) == len(moved) == 1
            and self._is_free(moved[0], domain)
        )


def _own_type(domain: Domain, operand) -> Domain:
    """The domain of an operand that takes another type than its operator's other ones."""
    dtype = operand.types.get(domain.law.dtype) if operand is not None and domain.law else None
    return replace(domain, law=replace(domain.law, dtype=dtype)) if dtype else domain
