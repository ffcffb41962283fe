"""Keeps what the reverse sweep will read, while the primal's instructions are copied.

Every stored item has a slot on the stack, written where the item gets its value. At the end of each iteration, by the
back edge or by an exit, the slots of the loop are pushed; the reverse sweep pops them when it comes back along that
edge. That holds for every reducible control flow. Items of a bank go straight to their place in its arrays, others to
that in their own array on the stack.

Given   the plan of a function, a copier of its blocks or of some of them, the tape.
Gives   `Keeper`: what a writer calls at phis, at the ends of iterations, and where an item has its value.
Unsure  does not happen: memory that cannot be had ends the derivative at the block that `failed` gives.
"""

from __future__ import annotations

from collections.abc import Callable

from numbad.passes.analysis.loops import Loop
from numbad.passes.derivative.adjoints import Stack
from numbad.passes.derivative.copier import Copier
from numbad.passes.derivative.layout import item_type
from numbad.passes.derivative.needs import Address, Bank, Base, Count, Edge, Extent, Item, Iteration, Kept, Length
from numbad.passes.derivative.plan import Plan
from numbad.passes.derivative.scopes import RECORDS, Accesses
from numbad.passes.derivative.tape import array_bytes, parts_in_record, tape_function
from numbad.passes.ir.builder import i32, i64
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Instruction, Load, Phi, Store
from numbad.passes.ir.types import I32, I64, PTR, ArrayType, size_of
from numbad.passes.ir.values import Value, zero


class Slots(dict[Item, Value]):
    """A place on the stack for each stored item, or an array of places; records move between slots and tape as a
    whole."""

    def __init__(self, plan: Plan, stack: Stack):
        super().__init__()
        for item in plan.stored:
            loop = plan.layout.own_array(item)
            if loop is not None:
                self[item] = stack.place(ArrayType(plan.layout.runs[loop], item_type(item)), "kept", clear=False)
            elif plan.layout.bank(item) is None:
                self[item] = stack.place(item_type(item), "slot")
        for loop in plan.loops.loops:
            if loop not in plan.needs.inert_loops:
                self[Iteration(loop)] = stack.place(I64, "iteration")
        for bank in plan.layout.banks:
            self[Address(bank)] = stack.place(PTR, "address")
            self[Extent(bank)] = stack.place(I64, "extent")


class Keeper:
    """`slots` may be those of another keeper in the same function; `failed` gives where to go without memory."""

    def __init__(self, plan: Plan, copier: Copier, slots: Slots, tape: Value, accesses: Accesses,
                 failed: Callable[[], Block]):
        self.plan, self.copier, self.slots, self.tape, self.failed = plan, copier, slots, tape, failed
        self.accesses = accesses
        self.needs, self.loops, self.builder, self.target = plan.needs, plan.loops, copier.builder, copier.target
        self.counts: dict[Loop, Phi] = {}
        self.arrays: dict[Bank, tuple[Value, Value]] = {}  # where, how long
        self.absurd: dict[Bank, Value] = {}  # of shared banks: no memory is large enough, should the loop be entered
        self._at_close: list[Callable[[], None]] = []

    def close(self) -> None:
        """When all blocks are written."""
        for primal, twin in self.copier.values.items():
            if isinstance(primal, (Load, Store)) and isinstance(twin, Instruction):
                self.accesses.primal(twin, primal.pointer)
        for action in self._at_close:
            action()

    def operation(self, name: str) -> Function:
        assert self.target.module is not None
        return tape_function(self.target.module, name)

    # --- items ---

    def keep_item(self, item: Item, value: Value) -> None:
        bank, own = self.plan.layout.bank(item), self.plan.layout.own_array(item)
        if own is not None:
            index = self.plan.layout.index(self.builder, own, self.counts.__getitem__)
            self.builder.store(value, self.builder.element(item_type(item), self.slots[item], index))
            return
        if bank is None:
            self.builder.store(value, self.slots[item])
            return
        base, length = self.arrays[bank]
        place = self.plan.layout.place(self.builder, item, base, length, self.counts[bank.loop])
        self.accesses.places[self.builder.store(value, place, align=min(8, size_of(value.type)))] = RECORDS

    def behind_phis(self, block: Block) -> None:
        loop = self.needs.loop_of_header(block)
        if loop is not None:
            self.count(loop, block)
        if Edge(block) in self.plan.stored:
            self.number_edges(block)

    def count(self, loop: Loop, header: Block) -> None:
        """The number of the current iteration, from 0."""
        counter = self.builder.phi(I64, name=f"{header.name}.count")
        self.counts[loop] = counter
        following = self.builder.binary("add", counter, i64(1))

        def close() -> None:
            for source, arrival in self.copier.arrivals(header):
                counter.add_incoming(following if source in loop.blocks else i64(0), arrival)
        self._at_close.append(close)
        if loop in self.plan.reruns:
            self.builder.call(self.operation("mark"), [self.tape])

    def number_edges(self, block: Block) -> None:
        number = self.builder.phi(I32, name=f"{block.name}.edge")

        def close() -> None:
            for source, arrival in self.copier.arrivals(block):
                number.add_incoming(i32(self.needs.way_of(block, source)), arrival)
        self._at_close.append(close)
        self.keep_item(Edge(block), number)

    # --- ends of iterations ---

    def edge(self, source: Block, target: Block) -> Block | None:
        """A block on the edge that ends the iteration of the loops concerned; None if nothing is to be kept."""
        ending = [loop for loop in self.loops.left(source, target) if loop not in self.needs.inert_loops]
        leaves = bool(ending)
        back = self.needs.loop_of_header(target)
        if back is not None and source in back.blocks:
            ending.append(back)
        banks = self.plan.layout.banks_at(back) if back is not None and back not in ending else []
        missing = [bank for bank in self.absurd if bank.loop is back] if back not in ending else []
        tells = any(self.is_pushed(loop) or loop in self.plan.reruns for loop in ending)
        if not leaves and not banks and not missing and not tells:
            return None
        start = self.target.append(Block(f"{source.name}.{target.name}"))
        self.builder.at_end(start)
        for loop in ending:
            if self.is_pushed(loop):
                self.push(loop)
            if loop in self.plan.reruns:
                self.shed(loop)
            if loop is not back and Count(loop) in self.plan.stored:
                self.keep_item(Count(loop), self.counts[loop])
        for bank in missing:
            self.fail_if(self.absurd[bank])
        for bank in banks:
            self.allocate_bank(bank)
        self.copier.edges[source, target] = self.builder.block
        self.builder.branch(self.copier.first[target])
        return start

    def allocate_bank(self, bank: Bank) -> None:
        length = self.plan.laws[bank.loop].write(self.builder, self.copier.values)
        if bank.is_shared:  # the loop itself may not be entered: then the formula gives anything
            less = self.builder.binary("sub", length, i64(1))
            self.absurd[bank] = self.builder.compare("icmp", "ugt", less, i64(1 << 47))
            length = self.builder.select(self.absurd[bank], i64(1), length)
            self.keep_item(Length(bank), length)
        bytes = array_bytes(self.builder, length, self.plan.layout.banks[bank].size)
        self.arrays[bank] = self.memory("push", bytes, i64(self.plan.layout.kind(bank))), length
        self.keep_item(Base(bank), self.arrays[bank][0])

    def shed(self, loop: Loop) -> None:
        """Take what the iteration kept off a tape that is long enough; all later ones follow."""
        kept, count = self.builder.load(I64, self.slots[Kept(loop)]), self.counts[loop]
        limit = i64(self.plan.options.tape_limit)
        over = self.builder.call(self.operation("is_over"), [self.tape, limit])
        gap = self.builder.cast("zext", self.builder.compare("icmp", "ne", kept, count), I64)
        gone = self.builder.binary("or", over, gap)
        self.builder.call(self.operation("rewind"), [self.tape, gone])
        stays = self.builder.compare("icmp", "eq", gone, i64(0))
        following = self.builder.binary("add", count, i64(1))
        self.builder.store(self.builder.select(stays, following, kept), self.slots[Kept(loop)])

    def is_pushed(self, loop: Loop) -> bool:
        """Each iteration of the loop pushes a record."""
        return bool(self.plan.layout.record(loop).size)

    def push(self, loop: Loop | None) -> None:
        record = self.plan.layout.record(loop)
        if not record.size:
            return
        memory = self.memory("push", i64(record.size), i64(self.plan.layout.kind(loop)))
        for item, offset in record.offsets.items():
            parts = parts_in_record(self.builder, self.tape, memory, offset, self.slots[item], item_type(item))
            for type, slot, place in parts:
                kept = self.builder.load(type, slot)
                self.accesses.places[self.builder.store(kept, place, align=min(8, size_of(type)))] = RECORDS

    def memory(self, operation: str, bytes: Value, *kind: Value) -> Value:
        """Memory from the tape; without it the derivative ends here."""
        memory = self.builder.call(self.operation(operation), [self.tape, bytes, *kind])
        self.fail_if(self.builder.compare("icmp", "eq", memory, zero(PTR)))
        return memory

    def fail_if(self, condition: Value) -> None:
        following = self.target.append(Block("kept"))
        self.builder.branch_if(condition, self.failed(), following)
        self.builder.at_end(following)
