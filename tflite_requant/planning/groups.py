"""Sets of things that must be equal: union-find with stable representatives."""

from __future__ import annotations

from collections.abc import Hashable, Iterator


class Groups:
    """Disjoint sets over hashable nodes; the representative is the node that was seen first."""

    def __init__(self) -> None:
        self._parent: dict[Hashable, Hashable] = {}
        self._order: dict[Hashable, int] = {}

    def add(self, node: Hashable) -> None:
        if node not in self._parent:
            self._parent[node] = node
            self._order[node] = len(self._order)

    def find(self, node: Hashable) -> Hashable:
        """The node's representative; adds a node that was not there."""
        self.add(node)
        root = node
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[node] != root:
            self._parent[node], node = root, self._parent[node]
        return root

    def union(self, a: Hashable, b: Hashable) -> None:
        """Make two nodes' sets one."""
        a, b = self.find(a), self.find(b)
        if a != b:
            first, second = sorted((a, b), key=self._order.__getitem__)
            self._parent[second] = first

    def members(self, node: Hashable) -> set[Hashable]:
        """Every node of the node's set."""
        root = self.find(node)
        return {n for n in self._order if self.find(n) == root}

    def sets(self) -> Iterator[tuple[Hashable, list]]:
        """(representative, members in order of appearance) of every set."""
        members: dict[Hashable, list] = {}
        for node in self._order:
            members.setdefault(self.find(node), []).append(node)
        yield from members.items()
