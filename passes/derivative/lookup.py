"""Items in the reverse sweep: taken from their slot, or computed again from others.

Given   a plan and the slots into which the stored items of the current iteration have been put back.
Gives   `lookup(item)`: the value at the builder's point. It is written once, and known from there on.
"""

from __future__ import annotations

from collections.abc import Callable

from numbad.passes.derivative.layout import item_type
from numbad.passes.derivative.needs import (
    Address,
    At,
    Count,
    Edge,
    Extent,
    Item,
    Iteration,
    Moves,
    Scratch,
    Shadow,
    Snapshot,
)
from numbad.passes.derivative.plan import Plan
from numbad.passes.derivative.scopes import RECORDS, SCRATCH, Accesses
from numbad.passes.diagnostics import Bug
from numbad.passes.ir.builder import Builder, i32
from numbad.passes.ir.function import Block
from numbad.passes.ir.instructions import GetElementPtr, Instruction, Load, Phi
from numbad.passes.ir.types import I64, size_of
from numbad.passes.ir.values import Value, integer


class Lookup:
    """`passed` tells which blocks' items are known in the reverse of another block (see `backwards`); `free` gives what
    the reverse sweep knows without ado: constants, and arguments where they can be seen."""

    def __init__(self, plan: Plan, builder: Builder, slots: dict[Item, Value], accesses: Accesses,
                 passed: Callable[[Block, Block], bool], free: Callable[[Item], Value]):
        self.plan, self.builder, self.slots, self.accesses, self.free = plan, builder, slots, accesses, free
        self._passed = passed
        self._known: dict[Item, Value] = {}  # at the builder's point
        self._block: Block | None = None  # whose reverse that is, None between blocks
        self._last: dict[Item, tuple[Block, Value]] = {}  # where an item was written last

    def begin(self, block: Block) -> None:
        """The reverse of a block starts."""
        self._known, self._block = {}, block

    def forget(self) -> None:
        """What comes now is in the reverse of no block, or slots have changed."""
        self._known, self._block = {}, None

    def _is_known(self, item: Item) -> bool:
        if item not in self._known and self._block is not None and item in self._last:
            block, value = self._last[item]
            if self._passed(block, self._block):
                self._known[item] = value
        return item in self._known

    def __call__(self, item: Item) -> Value:
        work = [item]
        while work:
            top = work[-1]
            if self._is_known(top):
                work.pop()
                continue
            missing = [part for part in self._parts(top) if not self._is_known(part)]
            if missing:
                work += missing
                continue
            work.pop()
            self._known[top] = self._write(top)
            if self._block is not None:
                self._last[top] = self._block, self._known[top]
        return self._known[item]

    def _parts(self, item: Item) -> list[Item]:
        if isinstance(item, At):
            return [self.plan.at(part, item.moves) for part in self._parts(item.value)]
        bank, own = self.plan.layout.bank(item), self.plan.layout.own_array(item)
        if bank is not None:
            return [Address(bank), Extent(bank), Iteration(bank.loop)]
        if own is not None:
            return [Iteration(loop) for loop in own.nest]
        if item not in self.plan.recomputed:
            return []
        if isinstance(item, Count):
            return [self.plan.laws[item.loop].start, self.plan.laws[item.loop].bound]
        if isinstance(item, Snapshot):
            return [item.call.arguments[item.position]]
        if isinstance(item, Edge):
            return [self.plan.conditions[item.block].value]  # type: ignore[index]
        value = item.value if isinstance(item, Shadow) else item
        assert isinstance(value, Instruction)
        law = self.plan.affine.get(value)
        if law is not None:
            start: Item = Shadow(law.start) if isinstance(item, Shadow) else law.start
            return [start, law.step, self._iteration(value)]
        source = self.plan.source(item)
        if source is not None:
            return [source]
        return [self._part(item, o) for o in value.operands if not self._stays(o)]

    @staticmethod
    def _stays(operand: Value) -> bool:
        return getattr(operand, "prefix", "") == "@"  # a callee

    @staticmethod
    def _part(item: Item, operand: Value) -> Item:
        return Shadow(operand) if isinstance(item, Shadow) and operand.type.is_pointer else operand

    def _iteration(self, phi: Value) -> Iteration:
        assert isinstance(phi, Phi) and phi.block is not None
        loop = self.plan.loops.innermost[phi.block]
        assert loop is not None
        return Iteration(loop)

    def _write(self, item: Item, moves: Moves = Moves()) -> Value:  # noqa: B008
        if isinstance(item, At):
            return self._write(item.value, item.moves)
        own = self.plan.layout.own_array(item)
        if own is not None:
            index = self.plan.layout.index(self.builder, own, lambda loop: self._moved(Iteration(loop), moves))
            return self.builder.load(item_type(item), self.builder.element(item_type(item), self.slots[item], index))
        if item in self.slots:
            return self.builder.load(item_type(item), self.slots[item])
        bank = self.plan.layout.bank(item)
        if bank is not None:
            return self._indexed(item, moves)
        if item not in self.plan.recomputed:
            if not self.plan.is_free(item):
                raise Bug(f"the plan of {self.plan.function} does not have {item}")
            return self.free(item)
        if isinstance(item, Count):
            trips = self.plan.laws[item.loop].write(self.builder, self._known)  # type: ignore[arg-type]
            return self.builder.binary("sub", trips, integer(I64, 1))
        if isinstance(item, Snapshot):
            return self._known[item.call.arguments[item.position]]
        if isinstance(item, Edge):
            condition = self.plan.conditions[item.block]  # type: ignore[index]
            return self.builder.select(self._known[condition.value], i32(condition.yes), i32(condition.no))
        value = item.value if isinstance(item, Shadow) else item
        assert isinstance(value, Instruction)
        if value in self.plan.affine:
            return self._affine(item, value, moves)
        source = self.plan.source(item)
        if source is not None:
            return self._moved(source, moves)
        twin = value.with_operands(
            o if self._stays(o) else self._moved(self._part(item, o), moves) for o in value.operands)
        if isinstance(item, Shadow) and isinstance(twin, GetElementPtr):
            twin.flags = ()
        if isinstance(value, Load):
            self.accesses.primal(twin, value.pointer)
        return self.builder.insert(twin)

    def _moved(self, item: Item, moves: Moves) -> Value:
        return self._known[self.plan.at(item, moves)]

    def place(self, item: Item, ahead: int = 0, moves: Moves = Moves()) -> Value:  # noqa: B008
        """Where an item of a bank lies in this iteration, or in a ring `ahead` iterations of the loop around later."""
        bank = self.plan.layout.bank(item)
        assert bank is not None
        address, extent = self(Address(bank)), self(Extent(bank))
        iteration = self(self.plan.at(Iteration(bank.loop), moves))
        if isinstance(item, Scratch) and item.rows > 1:
            assert bank.loop.parent is not None
            around = self.builder.binary("add", self(Iteration(bank.loop.parent)), integer(I64, ahead))
            row = self.builder.binary("and", around, integer(I64, item.rows - 1))
            iteration = self.builder.binary("add", iteration, self.builder.binary("mul", row, extent))
        return self.plan.layout.place(self.builder, item, address, extent, iteration)

    def put(self, item: Item, value: Value) -> None:
        """Change what an item of a bank is in this iteration."""
        self.accesses.places[self.builder.store(value, self.place(item), align=min(8, size_of(value.type)))] = SCRATCH

    def _indexed(self, item: Item, moves: Moves) -> Value:
        type, place = item_type(item), self.place(item, moves=moves)
        value = self.builder.load(type, place, align=min(8, size_of(type)))
        self.accesses.places[value] = RECORDS
        return value

    def _affine(self, item: Item, phi: Instruction, moves: Moves) -> Value:
        law = self.plan.affine[phi]
        count = self._moved(self._iteration(phi), moves)
        step = self._moved(law.step, moves)
        start = self._moved(Shadow(law.start) if isinstance(item, Shadow) else law.start, moves)
        if law.source is not None:
            wide = self.builder.cast("sext", step, I64)
            distance = self.builder.binary("mul", count, wide)
            return self.builder.element(law.source, start, distance)
        count = self.builder.cast("trunc" if phi.type.bits < 64 else "zext", count, phi.type)  # type: ignore[attr-defined]
        distance = self.builder.binary("mul", count, step)
        return self.builder.binary("sub" if law.negated else "add", start, distance)
