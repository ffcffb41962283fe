"""The reverse sweep of reverse mode: the control flow of one function walked backwards, with the adjoint of every
instruction in reverse order.

    loop:  %i = phi ...                      loop.bar:  adjoints of the loop;  pop the slots of the iteration before
           br %c, loop, exit           ->               br (the first iteration), top.bar, loop.bar
    exit:  ...                               exit.bar:  adjoints of exit;  back into the last iteration of the loop

Given   the plan of one function, where the builder stands, the slots and the tape that the forward sweep has filled.
Gives   the blocks of the sweep; `finish` is asked for what comes at the end.
Unsure  does not happen: what the reverse needs has been planned, anything else raises `Bug`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from numbad.passes.analysis.loops import Loop
from numbad.passes.derivative.adjoint_rules import AdjointRules
from numbad.passes.derivative.adjoints import Adjoints, Stack
from numbad.passes.derivative.backwards import Backwards
from numbad.passes.derivative.device.sums import add_among_threads
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.keep import Slots
from numbad.passes.derivative.layout import item_type
from numbad.passes.derivative.lookup import Lookup
from numbad.passes.derivative.needs import (
    Address,
    Bank,
    Base,
    Count,
    Edge,
    Extent,
    Iteration,
    Kept,
    Length,
    Way,
)
from numbad.passes.derivative.plan import Plan
from numbad.passes.derivative.rerun_sweep import RerunSweep
from numbad.passes.derivative.rows import add_rows
from numbad.passes.derivative.scopes import RECORDS
from numbad.passes.derivative.tape import parts_in_record, tape_function
from numbad.passes.ir.builder import Builder, i32, i64
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Phi
from numbad.passes.ir.types import I32, I64, size_of
from numbad.passes.ir.values import Argument, Value


@dataclass
class Door:
    """The only way into a reversed loop: `place` holds the number of the block in `targets` where to go on."""

    block: Block
    place: Value
    targets: list[Block] = field(default_factory=list)


class ReverseSweep:
    """Walks the control flow of one function backwards. The builder stands where the sweep starts."""

    def __init__(self, facts: Facts, plan: Plan, builder: Builder, stack: Stack, slots: Slots, tape: Value,
                 reverses: Mapping[Function, Function], cells: Mapping[Argument, Value], backwards: Backwards,
                 lookup: Lookup, failed: Callable[[], Block] | None = None):
        self.facts, self.plan, self.builder, self.slots, self.tape = facts, plan, builder, slots, tape
        self.function, self.needs, self.loops = plan.function, plan.needs, plan.loops
        self.cells, self.backwards, self.lookup = cells, backwards, lookup
        self.target = builder.function
        self.adjoints = Adjoints(builder, stack, facts.activity.is_active)
        self.rules = AdjointRules(facts, builder, stack, self.adjoints, lookup, tape, reverses)
        self.blocks = {b: Block(f"{b.name}.bar") for b in backwards.blocks}
        self.failed = failed
        self.again = {loop: Block(f"{loop.header.name}.again") for loop in plan.reruns}
        self.doors = {loop: Door(Block(f"{loop.header.name}.door"), stack.place(I32, "door"))
                      for loop in self.backwards.with_doors()}

    def write(self, finish: Callable[[], object]) -> None:
        returns = [self.blocks[b] for b in self.backwards.returns]
        self._go(self._number(Edge(None), len(returns)), returns)
        for door in self.doors.values():
            self.target.append(door.block)
        order = self.facts.dominators[self.function].order
        for block in reversed(order):
            if block not in self.blocks:
                continue
            self.builder.at_end(self.target.append(self.blocks[block]))
            self.lookup.begin(block)
            for instruction in reversed(block.instructions):
                if instruction in self.needs.by_instruction and not isinstance(instruction, Phi):
                    self.rules.visit(instruction)
            phis = {phi: self.adjoints.take(phi) for phi in block.phis if phi in self.needs.by_instruction}
            if block is self.function.entry:
                self._give_back()
                finish()
            else:
                self._to_predecessors(block, phis)
        for loop, start in self.again.items():
            self.builder.at_end(self.target.append(start))
            self.run_again(loop)
        for door in self.doors.values():
            self.builder.at_end(door.block)
            first, *others = door.targets
            number = self.builder.load(I32, door.place)
            self.builder.switch(number, first, [(i32(n), target) for n, target in enumerate(others, 1)])

    def _enter(self, source: Block, loops: list[Loop]) -> None:
        """Go to the reverse of a block, through the doors of the loops that are entered (innermost first)."""
        target = self.blocks[source]
        for loop in loops:
            if loop in self.again:  # its one exit is at the latch, and `source` is that
                target = self.again[loop]
            if loop in self.doors:
                door = self.doors[loop]
                if target not in door.targets:
                    door.targets.append(target)
                self.builder.store(i32(door.targets.index(target)), door.place)
                target = door.block
        self.builder.branch(target)

    def _give_back(self) -> None:
        """Add the adjoints of numbers to their cells."""
        for argument, cell in self.cells.items():
            if self.facts.activity.is_active(argument):
                adjoint = self.adjoints.take(argument)
                if self.facts.target.many_threads and not self.plan.split:  # a caller's cell is on its stack
                    add_among_threads(self.builder, adjoint, cell, together=True)
                else:
                    before = self.builder.load(argument.type, cell)
                    self.builder.store(self.builder.binary("fadd", before, adjoint), cell)

    def _to_predecessors(self, block: Block, phis: dict[Phi, Value]) -> None:
        ways, loop = self.needs.ways(block), self.needs.loop_of_header(block)
        number = self._number(Edge(block), len(ways)) if loop is None else None
        targets = [self._way_back(way, block, phis) for way in ways]
        if loop is None:
            self._go(number, targets)
            return
        around = self.needs.way_of(block, loop.latch)
        iteration = self.builder.load(I64, self.slots[Iteration(loop)])
        first = self.builder.compare("icmp", "eq", iteration, i64(0))
        self.builder.branch_if(first, targets[1 - around], targets[around])

    def _number(self, edge: Edge, ways: int) -> Value | None:
        """Which way the forward sweep came, where there are several."""
        return self.lookup(edge) if ways > 1 else None

    def _go(self, number: Value | None, targets: list[Block]) -> None:
        if number is None:
            self.builder.branch(targets[0])
        else:
            self.builder.switch(number, targets[0], [(i32(n), target) for n, target in enumerate(targets) if n])

    def _way_back(self, way: Way, block: Block, phis: dict[Phi, Value]) -> Block:
        """A block on the way: phis hand on their adjoints, iterations that had ended come back from the tape."""
        here = self.builder.block
        start = self.target.append(Block(f"{block.name}.{way.source.name}.bar"))
        self.builder.at_end(start)
        predecessor = way.predecessors[0]
        for phi, adjoint in phis.items():
            self.adjoints.add(phi.incoming_from(predecessor), adjoint)
        loop = self.needs.loop_of_header(block)
        if loop is not None and predecessor in loop.blocks:
            place = self.slots[Iteration(loop)]
            self.builder.store(self.builder.binary("sub", self.builder.load(I64, place), i64(1)), place)
            if loop not in self.again:
                self.pop(loop)
        elif loop is not None:
            self.lookup.forget()  # what is used behind a loop keeps LLVM from vectorising it
            for rows in self.plan.put_off.get(loop, ()):
                add_rows(self.builder, self.lookup, loop, rows)
            for bank in reversed(self.plan.layout.banks_at(loop)):
                extent = self.lookup(Extent(bank))
                self._pop(self.builder.binary("mul", extent, i64(self.plan.layout.banks[bank].size)), bank)
        left = self.backwards.left(way, block)
        for ended in reversed(left):
            self.reenter(ended)
        goes_round = loop is not None and predecessor in loop.blocks
        self._enter(way.source, [loop] if goes_round else left)  # type: ignore[list-item]
        self.builder.at_end(here)
        return start

    def run_again(self, loop: Loop) -> None:
        """An iteration that is not on the tape is run again; then, as ever, its record is taken back."""
        self.lookup.forget()
        iteration, kept = self.builder.load(I64, self.slots[Iteration(loop)]), self.lookup(Kept(loop))
        gone, there = self.target.append(Block("gone")), Block("there")
        self.builder.branch_if(self.builder.compare("icmp", "uge", iteration, kept), gone, there)
        self.builder.at_end(gone)
        assert self.failed is not None
        sweep = RerunSweep(self.plan, loop, self.builder, self.slots, self.tape, self.lookup, self.failed)
        sweep.write()
        self.builder.branch(self.target.append(there))
        self.builder.at_end(there)
        self.lookup.forget()
        self.pop(loop)
        self.builder.branch(self.blocks[loop.latch])

    def reenter(self, loop: Loop) -> None:
        """Come back into the last iteration of a loop."""
        self.lookup.forget()
        last = self.lookup(Count(loop))
        self.builder.store(last, self.slots[Iteration(loop)])
        if loop not in self.again:
            self.pop(loop)
        for bank in self.plan.layout.banks_at(loop):  # here, and not where they are used, so that LLVM keeps them
            extent = self.lookup(Length(bank)) if bank.is_shared else self.builder.binary("add", last, i64(1))
            self.builder.store(extent, self.slots[Extent(bank)])
            self.builder.store(self.lookup(Base(bank)), self.slots[Address(bank)])
        for bank in self.plan.visited.get(loop, ()):  # of loops that run as often
            self.builder.store(self.builder.binary("add", last, i64(1)), self.slots[Extent(bank)])
            self.builder.store(self.lookup(Base(bank)), self.slots[Address(bank)])

    def pop(self, loop: Loop | None) -> None:
        """Take a loop's record back from the tape into the slots."""
        record = self.plan.layout.record(loop)
        if not record.size:
            return
        memory = self._pop(i64(record.size), loop)
        for item, offset in record.offsets.items():
            parts = parts_in_record(self.builder, self.tape, memory, offset, self.slots[item], item_type(item))
            for type, slot, place in parts:
                kept = self.builder.load(type, place, align=min(8, size_of(type)))
                self.lookup.accesses.places[kept] = RECORDS
                self.builder.store(kept, slot)

    def _pop(self, bytes: Value, what: Loop | Bank | None) -> Value:
        pop = tape_function(self.facts.module, "pop")
        return self.builder.call(pop, [self.tape, bytes, i64(self.plan.layout.kind(what))])
