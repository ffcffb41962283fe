"""Copies a primal function, instruction by instruction, into the function that a writer builds.

Metadata and attributes that hold for the primal alone are not carried over (`tail`, alias scopes, ranges, tbaa,
parameter attributes): a stale one would miscompile silently. Source locations are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from numbad.passes.ir.builder import Builder
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Call, Instruction, Phi
from numbad.passes.ir.values import Argument, Value


class Copier:
    """`values` maps primal to copy; `first` and `last` are the blocks where a primal block's copy starts and ends.

    `blocks`: those of the source that are copied, all by default.
    """

    def __init__(self, source: Function, target: Function, blocks: Iterable[Block] | None = None,
                 builder: Builder | None = None):
        self.source, self.target = source, target
        self.values: dict[Value, Value] = {}
        self.first: dict[Block, Block] = {}
        self.last: dict[Block, Block] = {}
        self.edges: dict[tuple[Block, Block], Block] = {}  # where the copy of an edge arrives from, if it was split
        for block in source.blocks if blocks is None else blocks:
            self.first[block] = self.last[block] = target.append(Block(block.name))
        self.builder = Builder(self.first[source.entry]) if builder is None else builder

    def twin(self, value: Value) -> Value:
        """The copy of a primal value; constants and globals stand for themselves."""
        if isinstance(value, Block):
            return self.first[value]
        if isinstance(value, (Instruction, Argument)):
            return self.values[value]
        return value

    def copy(self, instruction: Instruction) -> Instruction:
        """Write the copy at the builder's point; a phi stays without incoming values until `close`."""
        if isinstance(instruction, Phi):
            twin: Instruction = self.builder.phi(instruction.type, name=instruction.name)
            twin.flags = instruction.flags
        else:
            twin = instruction.with_operands(map(self.twin, instruction.operands))
            if isinstance(twin, Call):
                twin.tail = ""
            self.builder.insert(twin)
        if "dbg" in instruction.metadata:
            twin.metadata["dbg"] = instruction.metadata["dbg"]
        self.values[instruction] = twin
        return twin

    def arrivals(self, block: Block) -> list[tuple[Block, Block]]:
        """(predecessor, block from which the copy is entered), once for each entry that a phi must have."""
        found: list[tuple[Block, Block]] = []
        for user in block.users:  # a terminator is a user once for each edge
            if not user.is_terminator or user.block not in self.first:
                continue
            split = self.edges.get((user.block, block))
            arrival = split or self.last[user.block]
            if split is None or (user.block, arrival) not in found:
                found.append((user.block, arrival))
        return found

    def complete(self, primal: Phi, twin: Phi, value: Callable[[Value], Value]) -> None:
        """Give a phi that stands for `primal` its incoming values, `value` of the primal's."""
        assert primal.block is not None
        for source, arrival in self.arrivals(primal.block):
            twin.add_incoming(value(primal.incoming_from(source)), arrival)

    def close(self) -> None:
        """Give the copied phis their incoming values."""
        for block in self.first:
            for phi in block.phis:
                twin = self.values.get(phi)
                if isinstance(twin, Phi):
                    self.complete(phi, twin, self.twin)
