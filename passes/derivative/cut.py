"""The cheapest way to have values again: a minimum cut between storing and computing.

Given   what is needed; for each value what it costs to store it, what to compute it, and from which parts.
Gives   the values to store. All others that are needed can be computed, from parts that are stored, computed or free.
Unsure  does not happen: the cut is exact (Edmonds and Karp's augmenting paths in layers, after Dinic).

Every value v has two nodes, "v is needed" and "v is computed":

    needed(v)   --- store(v) --->  computed(v)          a cut here: v is needed, and not computed: it is stored
    computed(v) --- compute(v) --> sink                 a cut here: v is computed
    computed(v) --- infinity ----> needed(p)            for each part p of v

Of several cheapest cuts it takes the one nearest to what is needed, which computes the least.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

V = TypeVar("V", bound=Hashable)
_INFINITE = 1 << 60


@dataclass(frozen=True)
class Choice:
    """What a value costs. `parts` is None where it cannot be computed; parts that have no choice are free."""

    store: int
    compute: int = 0
    parts: Sequence[Hashable] | None = None


def cheapest(needed: Iterable[V], choices: Mapping[V, Choice]) -> set[V]:
    """The values to store."""
    network = _Network()
    source, sink = network.node(), network.node()
    wanted = {v: network.node() for v in choices}
    computed = {v: network.node() for v, choice in choices.items() if choice.parts is not None}
    for v, choice in choices.items():
        if choice.parts is None:
            network.edge(wanted[v], sink, choice.store)
            continue
        network.edge(wanted[v], computed[v], choice.store)
        network.edge(computed[v], sink, choice.compute)
        for part in choice.parts:
            if part in wanted:
                network.edge(computed[v], wanted[part], _INFINITE)
    for v in needed:
        if v in wanted:
            network.edge(source, wanted[v], _INFINITE)
    reached = network.cut(source, sink)
    return {v for v in choices if wanted[v] in reached and (v not in computed or computed[v] not in reached)}


class _Network:
    """Edges in pairs: edge e and its reverse e ^ 1."""

    def __init__(self) -> None:
        self.edges: list[list[int]] = []  # of each node
        self.target: list[int] = []
        self.room: list[int] = []

    def node(self) -> int:
        self.edges.append([])
        return len(self.edges) - 1

    def edge(self, source: int, target: int, capacity: int) -> None:
        for end, other, room in ((source, target, capacity), (target, source, 0)):
            self.edges[end].append(len(self.target))
            self.target.append(other)
            self.room.append(room)

    def cut(self, source: int, sink: int) -> set[int]:
        """Fill the network; the nodes that can still be reached from the source."""
        while True:
            depth = self._layers(source)
            if sink not in depth:
                return set(depth)
            self._fill(source, sink, depth)

    def _layers(self, source: int) -> dict[int, int]:
        depth, work = {source: 0}, [source]
        for node in work:
            for e in self.edges[node]:
                if self.room[e] and self.target[e] not in depth:
                    depth[self.target[e]] = depth[node] + 1
                    work.append(self.target[e])
        return depth

    def _fill(self, source: int, sink: int, depth: dict[int, int]) -> None:
        """Paths along the layers until there is none; an edge that leads nowhere is not looked at again."""
        edges, target, room = self.edges, self.target, self.room
        looked = [0] * len(edges)  # edges of each node that are done with
        path: list[int] = []
        node = source
        while True:
            if node == sink:
                flow = min(room[e] for e in path)
                for e in path:
                    room[e] -= flow
                    room[e ^ 1] += flow
                full = next(k for k, e in enumerate(path) if not room[e])
                node = target[path[full] ^ 1]
                del path[full:]
            here, below = edges[node], depth[node] + 1
            k = looked[node]
            while k < len(here) and not (room[here[k]] and depth.get(target[here[k]]) == below):
                k += 1
            looked[node] = k
            if k < len(here):
                path.append(here[k])
                node = target[here[k]]
            elif path:
                node = target[path.pop() ^ 1]
                looked[node] += 1
            else:
                return
