"""The grid of every group: fixed by TFLite, the source's folded or relabelled, or a fitted one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tflite_requant.errors import Finding
from tflite_requant.model import QParams, Tensor, TensorType
from tflite_requant.model.dtypes import RANGES
from tflite_requant.planning import folding, gauge, grid
from tflite_requant.planning.context import Context, Node
from tflite_requant.planning.domains import Domain
from tflite_requant.planning.groups import Groups
from tflite_requant.planning.nodes import Nodes
from tflite_requant.planning.units import NO_FACTORS, Unit
from tflite_requant.schemes import MIXED, POWER_OF_TWO, RATIO, ActivationLaw


class Grids:
    """Types by node. offsets, gains: where stored reals are not the true ones; see `Plan`.

    factors: what to multiply free scales by, beside the rule; units: which scales are free.
    """

    def __init__(
        self, context: Context, nodes: Nodes, factors: Mapping[Unit, float] = NO_FACTORS
    ) -> None:
        self.context, self.nodes, self.factors = context, nodes, factors
        self.offsets: dict[int, float] = {}
        self.gains: dict[int, float] = {}
        self.units: list[Unit] = []
        self.findings: list[Finding] = []
        self._types = self._all()

    def at(self, node: Node) -> TensorType:
        """The grid of a node's group."""
        return self._types[self.nodes.groups.find(node)]

    def true_at(self, node: Node) -> TensorType:
        """The grid of a node's group in true real numbers, where it is stored under a gain."""
        kind = self.at(node)
        scale = kind.qparams.scale / self.gains.get(node[0], 1.0)
        return TensorType(kind.dtype, QParams.of(scale, kind.qparams.zero_point))

    def _all(self) -> dict[Node, TensorType]:
        """The grid of every group, by representative; scheme grids before the fences they set."""
        sets = list(self.nodes.groups.sets())
        classes, anchored = self._gauge()
        dtypes = self._dtypes(sets)
        types: dict[Node, TensorType] = {}
        by_tensor: dict[int, TensorType] = {}
        for kind in ("pinned", "scheme", "fence"):
            for root, members in sets:
                if root[1].kind != kind:
                    continue
                law = root[1].law
                if law is not None:
                    law = law.of(dtypes.get(root, law.dtype))
                relabels = kind == "scheme" and classes.find(root) not in anchored
                if relabels:
                    law = replace(law, scale="any")
                types[root] = self._type_of(members, root[1], law, by_tensor, relabels)
            if kind == "scheme":
                self._relabel(sets, classes, anchored, types)
                self._unite_mantissas(sets, types)
                for root, members in sets:
                    if root[1].kind == kind:
                        by_tensor.update({tensor: types[root] for tensor, _ in members})
        return types

    def _dtypes(self, sets: list) -> dict[Node, str]:
        """The type of every group that may choose: unsigned where nothing in it, or in groups that
        must be of its type, is negative."""
        kin, negative = Groups(), set()
        for _, members in sets:
            for node in members:
                kin.union(self.nodes.alike.find(members[0]), self.nodes.alike.find(node))
        for node, family in ((m, self.nodes.alike.find(m)) for _, ms in sets for m in ms):
            chooses = node[1].law is not None and node[1].law.dtype == MIXED
            if not chooses or self.context.interval(self.context.tensor(node[0]))[0] < 0:
                negative.add(kin.find(family))
        return {
            root: "int8" if kin.find(self.nodes.alike.find(root)) in negative else "uint8"
            for root, _ in sets
            if root[1].law is not None and root[1].law.dtype == MIXED
        }

    def _unite_mantissas(self, sets: list, types: dict) -> None:
        """Under "power-of-two-ratio", tensors that are added have scales of one mantissa."""
        if self.context.default.law.scale != RATIO:
            return
        root_at = {
            port: self.nodes.groups.find(node) for port, node in self.nodes.port_nodes.items()
        }
        fixed = {root for root, members in sets if any(m in self.nodes.fixed for m in members)}
        for _, roots in gauge.added(self.nodes.ported, root_at).sets():
            roots = [root for root in roots if root in types]
            free = [r for r in roots if r not in fixed and r[1] == self.context.default]
            given = [types[r].qparams.scale for r in roots if r not in free]
            scales = gauge.of_one_mantissa([types[r].qparams.scale for r in free], given)
            for root, scale in zip(free, scales, strict=True):
                types[root] = gauge.written(types[root], float(np.float32(scale)))

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
                and self.context.default.law.scale == POWER_OF_TWO
                and not any(m in self.nodes.fixed for m in members)
                and not any(t in outside for t, _ in members)
            )
            if not free:
                anchored.add(root)
        anchored |= {root for roots in roots_of.values() if len(roots) > 1 for root in roots}
        bridged, constants = self._bridged(root_at, roots_of)
        anchored |= constants
        classes, fixed = gauge.gain_classes(self.nodes.ported, root_at, anchored, bridged)
        return classes, fixed | {classes.find(root) for root in anchored}

    def _bridged(
        self, root_at: dict, roots_of: dict[int, set[Node]]
    ) -> tuple[list[tuple[Node, Node]], set[Node]]:
        """Pairs of groups that one tensor is on, home and port; groups of constants that are
        written on the grids of others, and of these: both keep their reals."""
        pairs, constants = [], set()
        for op, _, ports in self.nodes.ported:
            for side, position, tensor, _ in ports:
                port = op.index, side, position
                producer = self.context.producers.get(tensor.index)
                if tensor.is_constant:
                    if self.nodes.port_nodes[port][0] != tensor.index:
                        constants |= {root_at[port], *roots_of.get(tensor.index, ())}
                elif producer is None or producer.index in self.context.domains:
                    home = self.nodes.groups.find(self.nodes.home_node(tensor.index))
                    if home != root_at[port]:
                        pairs.append((home, root_at[port]))
        return pairs, constants

    def _relabel(self, sets: list, classes: Groups, anchored: set, types: dict) -> None:
        """Write the tensors of every free class with powers of two, and note their gains."""
        members = dict(sets)
        for name, roots in list(classes.sets()):
            if name in anchored:
                continue
            scales = [types[root].qparams.scale for root in roots]
            own = [self._unit("power", members[root]) for root in roots]
            whole = self._unit("any", [node for root in roots for node in members[root]])
            if len(own) == 1 or not any(t in self.offsets for t in whole.tensors):
                self.units += [whole, *(own if len(own) > 1 else ())]
            for root, unit, (scale, gain) in zip(roots, own, gauge.relabelled(scales), strict=True):
                gain /= self.factors.get(whole, 1.0)
                scale *= self.factors.get(unit, 1.0)
                types[root] = gauge.written(types[root], scale)
                for tensor, _ in members[root]:
                    self.gains[tensor] = gain
                    if tensor in self.offsets:
                        self.offsets[tensor] *= gain

    @staticmethod
    def _unit(kind: str, members: list[Node]) -> Unit:
        return Unit(kind, tuple(sorted({tensor for tensor, _ in members})))

    def _type_of(
        self,
        members: list[Node],
        domain: Domain,
        law: ActivationLaw | None,
        by_tensor: dict,
        relabels: bool,
    ) -> TensorType:
        # What adopts a grid has no say in it.
        decisive = [m for m in members if m not in self.nodes.adopted]
        tensors = [self.context.subgraph.tensors[t] for t, _ in decisive]
        lead = next((t for t in tensors if not t.is_constant), tensors[0])
        if domain.kind == "pinned":
            return lead.type
        fixed = next((self.nodes.fixed[m] for m in members if m in self.nodes.fixed), None)
        if fixed is not None:
            return self._fixed_type(domain, law, fixed, tensors)
        if domain.kind == "fence":
            for tensor in tensors:
                near = grid.shifted(by_tensor.get(tensor.index, tensor.type), domain.law.dtype)
                if near is not None:
                    return near
        folded = self._folded(tensors, domain, law, relabels)
        if folded is not None:
            return folded
        intervals = [self.context.interval(t) for t in tensors]
        low, high = min(i[0] for i in intervals), max(i[1] for i in intervals)
        if not grid.can_hold(law, low, high):
            self.findings.append(
                Finding(
                    "error", lead.label(), "activation-zero-point",
                    f"values from {low:.6g} to {high:.6g}",
                    f"what {law.dtype} with zero point {law.zero_point} can hold",
                    "use a scheme with another zero point",
                )
            )  # fmt: skip
            return lead.type
        if lead.index in self.context.nested:
            # The least range that takes twice the step.
            high = 2 * lead.qparams.scale * (RANGES[law.dtype][1] - law.zero_point)
        if domain.kind != "scheme" or relabels or not isinstance(law.zero_point, int):
            return grid.fit(lead.type, law, low, high)
        unit = self._unit("power" if law.scale == POWER_OF_TWO else "any", members)
        plain = grid.fit(lead.type, law, low, high)
        if plain != grid.fit(lead.type, law, 2 * low, 2 * high):
            self.units.append(unit)
        factor = self.factors.get(unit, 1.0)
        return grid.fit(lead.type, law, factor * low, factor * high)

    def _folded(
        self, tensors: list[Tensor], domain: Domain, law: ActivationLaw, relabels: bool
    ) -> TensorType | None:
        """The source's own grid with the zero point that the law asks for, if it may be folded."""
        lead = tensors[0]
        if (
            not self.context.fold
            or self.context.scheme.bias.own_scale  # few bits: no room for what a fold adds
            or domain != self.context.default
            or not isinstance(law.zero_point, int)
            or law.scale == POWER_OF_TWO
        ):
            return None
        near = grid.shifted(lead.type, law.dtype)
        indices = {t.index for t in tensors}
        if near is None or law.takes(near.qparams.zero_point):
            return None
        if indices & self.context.named or not self._at_home(indices, domain):
            return None
        if not folding.may_fold(
            self.context.subgraph, indices, self.context.producers, self.context.consumers,
            self.context.padded,
        ):  # fmt: skip
            return None
        scale = near.qparams.scale
        if not relabels:
            unit = Unit("any", tuple(sorted(indices)))
            self.units.append(unit)
            scale = QParams.of(scale * self.factors.get(unit, 1.0), 0).scale
        offset = scale * (near.qparams.zero_point - law.zero_point)
        self.offsets.update(dict.fromkeys(sorted(indices), offset))
        return TensorType(law.dtype, QParams((scale,), (law.zero_point,)))

    def _at_home(self, indices: set[int], domain: Domain) -> bool:
        """Whether every operator around these tensors follows the same law."""
        around = [op for t in indices for op, _ in self.context.consumers.get(t, ())]
        around += [self.context.producers[t] for t in indices if t in self.context.producers]
        return all(self.context.domains.get(op.index) == domain for op in around)

    def _fixed_type(
        self, domain: Domain, law: ActivationLaw, fixed: tuple, tensors: list[Tensor]
    ) -> TensorType:
        by_dtype, operator = fixed
        prescribed = TensorType(law.dtype, QParams.of(*by_dtype[law.dtype]))
        may_stand = self.context.scheme.operators.may_be_fixed(operator)
        if domain.kind == "scheme" and not grid.is_legal(prescribed, law) and not may_stand:
            self.findings.append(
                Finding(
                    "error", tensors[0].label(), "fixed-output",
                    f"TFLite fixes scale {prescribed.qparams.scale:.9g}, zero point "
                    f"{prescribed.qparams.zero_point} for the output of {operator}",
                    f"zero point {law.zero_point}, scale {law.scale}",
                    f"put {operator} into [operators] cpu if it does not run on the hardware",
                )
            )  # fmt: skip
        return prescribed
