"""The grid of every group: fixed by TFLite, the source's folded or relabelled, or a fitted one."""

from __future__ import annotations

from dataclasses import replace

from tflite_requant.errors import Finding
from tflite_requant.model import QParams, Tensor, TensorType
from tflite_requant.planning import folding, gauge, grid
from tflite_requant.planning.context import Context, Node
from tflite_requant.planning.domains import Domain
from tflite_requant.planning.groups import Groups
from tflite_requant.planning.nodes import Nodes
from tflite_requant.schemes import ActivationLaw


class Grids:
    """Types by node. offsets, gains: where stored reals are not the true ones; see `Plan`."""

    def __init__(self, context: Context, nodes: Nodes) -> None:
        self.context, self.nodes = context, nodes
        self.offsets: dict[int, float] = {}
        self.gains: dict[int, float] = {}
        self.findings: list[Finding] = []
        self._types = self._all()

    def at(self, node: Node) -> TensorType:
        """The grid of a node's group."""
        return self._types[self.nodes.groups.find(node)]

    def _all(self) -> dict[Node, TensorType]:
        """The grid of every group, by representative; scheme grids before the fences they set."""
        sets = list(self.nodes.groups.sets())
        classes, anchored = self._gauge()
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

    def _gauge(self) -> tuple[Groups, set[Node]]:
        """Classes of groups that share a gain, and those whose gain is 1."""
        root_at = {
            port: self.nodes.groups.find(node) for port, node in self.nodes.port_nodes.items()
        }
        roots_of: dict[int, set[Node]] = {}
        anchored = set()
        for root, members in self.nodes.groups.sets():
            for tensor, _ in members:
                roots_of.setdefault(tensor, set()).add(root)
            outside = {
                *self.context.subgraph.inputs,
                *self.context.subgraph.outputs,
                *self.context.named,
            }
            free = (
                self.context.fold
                and root[1] == self.context.default
                and self.context.default.law.scale == "power-of-two"
                and not any(m in self.nodes.fixed for m in members)
                and not any(t in outside for t, _ in members)
            )
            if not free:
                anchored.add(root)
        anchored |= {root for roots in roots_of.values() if len(roots) > 1 for root in roots}
        classes, fixed = gauge.gain_classes(self.nodes.ported, root_at, anchored)
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
                    self.gains[tensor] = gain
                    if tensor in self.offsets:
                        self.offsets[tensor] *= gain

    def _type_of(
        self, members: list[Node], domain: Domain, law: ActivationLaw | None, by_tensor: dict
    ) -> TensorType:
        # What adopts a grid has no say in it.
        decisive = [m for m in members if m not in self.nodes.adopted]
        tensors = [self.context.subgraph.tensors[t] for t, _ in decisive]
        lead = next((t for t in tensors if not t.is_constant), tensors[0])
        if domain.kind == "pinned":
            return lead.type
        fixed = next((self.nodes.fixed[m] for m in members if m in self.nodes.fixed), None)
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
        intervals = [self.context.interval(t) for t in tensors]
        low, high = min(i[0] for i in intervals), max(i[1] for i in intervals)
        if not grid.can_hold(law, low, high):
            self.findings.append(
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
        if (
            not self.context.fold
            or domain != self.context.default
            or law.zero_point == "any"
            or law.scale != "any"
        ):
            return None
        near = grid.shifted(lead.type, law.dtype)
        indices = {t.index for t in tensors}
        if near is None or near.qparams.zero_point == law.zero_point:
            return None
        if indices & self.context.named or not self._at_home(indices, domain):
            return None
        if not folding.may_fold(
            self.context.subgraph, indices, self.context.producers, self.context.consumers
        ):
            return None
        scale = near.qparams.scale
        offset = scale * (near.qparams.zero_point - law.zero_point)
        self.offsets.update(dict.fromkeys(sorted(indices), offset))
        return TensorType(law.dtype, QParams((scale,), (law.zero_point,)))

    def _at_home(self, indices: set[int], domain: Domain) -> bool:
        """Whether every operator around these tensors follows the same law."""
        around = [op for t in indices for op, _ in self.context.consumers.get(t, ())]
        around += [self.context.producers[t] for t in indices if t in self.context.producers]
        return all(self.context.domains.get(op.index) == domain for op in around)

    def _fixed_type(
        self, domain: Domain, fixed: tuple[float, int], tensors: list[Tensor]
    ) -> TensorType:
        prescribed = TensorType(domain.law.dtype, QParams.of(*fixed))
        if domain.kind == "scheme" and not grid.is_legal(prescribed, domain.law):
            refuse = self.context.scheme.operators.runtime_fixed == "refuse"
            self.findings.append(
                Finding(
                    "error" if refuse else "exception", tensors[0].label(), "fixed-output",
                    f"TFLite fixes scale {prescribed.qparams.scale:.9g}, zero point "
                    f"{prescribed.qparams.zero_point}", f"zero point {domain.law.zero_point}, "
                    f"scale {domain.law.scale}",
                )
            )  # fmt: skip
        return prescribed
