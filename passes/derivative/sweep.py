"""The forward sweep of reverse mode: the primal, which also keeps what the reverse sweep will read.

    loop:  %i = phi ...                      loop:  %i = phi ...
           %y = call double @sin(%x)   ->           %y = call double @sin(%x);  store %y, %y.slot
           br %c, loop, exit                 back:  push the slots of this loop on the tape;  br loop
                                             out:   push them, note the loop's count;         br exit

Every stored item has a slot on the stack, written where the item gets its value. At the end of each iteration, by the
back edge or by an exit, the slots of the loop are pushed; the reverse sweep pops them when it comes back along that
edge. That holds for every reducible control flow.

Given   Facts, the plan of one function, the function to write into.
Gives   the block `turn`, where all returns that matter meet, with the number of the return and the returned values.
"""

from __future__ import annotations

from collections.abc import Callable

from numbad.passes.analysis.loops import Loop
from numbad.passes.analysis.memory import holds_pointer
from numbad.passes.analysis.outcomes import returns_status
from numbad.passes.derivative.adjoints import Stack
from numbad.passes.derivative.copier import Copier
from numbad.passes.derivative.duals import MOVES, Duals
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.layout import item_type
from numbad.passes.derivative.needs import Bank, Base, Count, Edge, Item, Iteration, Length, Shadow, Snapshot, Trips
from numbad.passes.derivative.plan import Plan
from numbad.passes.derivative.tape import TAPE, array_bytes, tape_function
from numbad.passes.diagnostics import Bug
from numbad.passes.ir.builder import constant_bool, i32, i64
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Alloca, Call, Instruction, Phi, Store
from numbad.passes.ir.types import I32, I64, PTR, VOID, size_of
from numbad.passes.ir.values import ConstantInt, Value, undefined, zero
from numbad.passes.rules import blas
from numbad.passes.rules import memory as effects

OUT_OF_MEMORY = 1000  # the status code of a derivative whose tape found no memory


class Slots(dict[Item, Value]):
    """A place on the stack for each stored item; records move between slots and tape as a whole."""

    def __init__(self, plan: Plan, stack: Stack):
        super().__init__()
        for item in plan.stored:
            if plan.layout.bank(item) is None:
                self[item] = stack.place(item_type(item), "slot")
        for loop in plan.loops.loops:
            if loop not in plan.needs.inert_loops:
                self[Iteration(loop)] = stack.place(I64, "iteration")
            if plan.layout.has_own_bank(loop):
                self[Trips(loop)] = stack.place(I64, "trips")


class ForwardSweep:
    """`split`: the reverse sweep is another function, which finds everything on the tape."""

    def __init__(self, facts: Facts, function: Function, target: Function, plan: Plan, split: bool,
                 augmented: dict[Function, Function]):
        self.facts, self.function, self.target, self.plan = facts, function, target, plan
        self.split, self.augmented = split, augmented
        self.needs, self.loops = plan.needs, plan.loops
        self.copier = Copier(function, target)
        self.builder = self.copier.builder
        self.duals = Duals(facts, self.copier, 1, facts.activity.is_shadowed)
        self.stack = Stack(target)
        self.slots = Slots(plan, self.stack)
        self.live = set(facts.live[function])
        self.records: list[Instruction] = []  # accesses to the tape
        self.counts: dict[Loop, Phi] = {}
        self.arrays: dict[Bank, tuple[Value, Value]] = {}  # where, how long
        self.absurd: dict[Bank, Value] = {}  # of shared banks: no memory is large enough, should the loop be entered
        self.turn = Block("turn")
        self.returns = facts.returns(function, split)
        self._at_close: list[Callable[[], None]] = []
        self._failed: Block | None = None
        parameters = list(target.arguments)
        for argument in function.arguments:
            self.copier.values[argument] = parameters.pop(0)
        for argument in facts.shadow_parameters(function):
            if holds_pointer(argument.type):
                self.duals.set(argument, [parameters.pop(0)])
            elif not split:  # the cell for the adjoint of a number; only the reverse sweep uses it
                parameters.pop(0)
        self.tape: Value = target.arguments[-1] if split else self.stack.place(TAPE, "tape", clear=False)

    def write(self) -> None:
        if not self.split:
            self.stack.add(_call(self.target, "init", [self.tape]))
        for block in self.facts.dominators[self.function].order:
            self.builder.at_end(self.copier.first[block])
            for argument in self.function.arguments if block is self.function.entry else ():
                self.keep(argument)
            phis = block.phis
            for instruction in block.instructions[:len(phis)]:
                self.visit(instruction, block in self.live)
            if block in self.live:
                self.behind_phis(block)
            for instruction in block.instructions[len(phis):-1]:
                self.visit(instruction, block in self.live)
                if block in self.live:
                    self.keep(instruction)
            self.copier.last[block] = self.builder.block
            self.terminator(block)
        self.target.append(self.turn)
        self.copier.close()
        self.duals.close()
        for action in self._at_close:
            action()

    # --- instructions ---

    def visit(self, i: Instruction, live: bool) -> None:
        self.builder.location = None
        if isinstance(i, Call) and live:
            callee = self.facts.callee(i)
            if callee in self.augmented:
                self.call(i, self.augmented[callee])
                return
        twin = self.copier.copy(i)
        self.builder.location = twin.metadata.get("dbg")
        if not live:
            return
        shadowed = self.facts.activity.is_shadowed
        if isinstance(i, Call):
            self.effect(i)
            self.snapshots(i)
        elif isinstance(i, Store):
            if holds_pointer(i.value.type) and shadowed(i.pointer):
                self.duals.store(i)
        elif isinstance(i, Alloca):
            if shadowed(i):
                self.alloca(i)
        elif shadowed(i):
            if i.opcode not in MOVES:
                raise Bug(f"no shadow for {i.opcode}")
            self.duals.move(i)

    def alloca(self, i: Alloca) -> None:
        """A shadow on the stack lives as long as the function: for a reverse sweep of its own it must be kept."""
        if not self.split:
            self.duals.alloca(i)
            return
        count = self.copier.twin(i.operands[0]) if i.operands else i64(1)
        bytes = self.builder.binary("mul", self.builder.cast("zext", count, I64), i64(size_of(i.allocated)))
        self.duals.set(i, [self.memory("keep", bytes)])

    def snapshots(self, i: Call) -> None:
        """Copies of the factors of a matrix product."""
        product = blas.product_of(i)
        for position in product.factors if product is not None else ():
            if Snapshot(i, position) in self.plan.stored:
                bytes = blas.bytes_of(self.builder, i, position, self.copier.twin)
                copy = self.memory("keep", bytes)
                self.duals.copy_memory(copy, self.copier.twin(i.arguments[position]), bytes)
                self.keep_item(Snapshot(i, position), copy)

    def effect(self, i: Call) -> None:
        shadowed = self.facts.activity.is_shadowed
        match effects.effect_of(i):
            case effects.Part():
                if shadowed(i):
                    self.part(i)
            case effects.Allocate(size=size, header=header):
                if shadowed(i):
                    self.allocate(i, i.arguments[size], header)
            case effects.Tape(gives=gives):
                if shadowed(i.arguments[0]):
                    self.inner_tape(i, gives)
            case effects.Copy():
                if shadowed(i.arguments[0]) and self.facts.memory.node(i.arguments[0]).pointees:
                    self.copy_pointers(i)

    def allocate(self, i: Call, size: Value, header: bool) -> None:
        """The shadow of a new object lives on the tape, whatever becomes of the object."""
        shadow = self.memory("keep", self.builder.cast("zext", self.copier.twin(size), I64))
        if header:
            data, shadow = shadow, self.memory("keep", i64(effects.HEADER_BYTES))
            self.builder.store(data, self.builder.offset(shadow, effects.HEADER_DATA))
        self.duals.set(i, [shadow])

    def inner_tape(self, i: Call, gives: bool) -> None:
        """The tape of a derivative that is differentiated again.

        Shadows of its memory must outlive it, so they are kept on the tape of this sweep; the inner tape's shadow is a
        tape of their addresses with the same history, on which `pop` finds the shadow of what was pushed.
        """
        operation = (i.callee_name or "").removeprefix("numbad.tape.")
        duals = [self.duals.of(a)[0] for a in i.arguments if holds_pointer(a.type)]
        if not gives:
            self.builder.call(tape_function(self.facts.module, operation), duals)
            return
        address = [duals[0], i64(8)]  # the records of addresses are of kinds of their own
        address += [self.builder.binary("xor", self.copier.twin(kind), i64(1 << 60)) for kind in i.arguments[2:]]
        if operation == "pop":
            place: Value = self.builder.call(tape_function(self.facts.module, "pop"), address)
            self.duals.set(i, [self.builder.load(PTR, place)])
            return
        shadow = self.memory("keep", self.copier.twin(i.arguments[1]))
        if operation == "push":
            place = self.builder.call(tape_function(self.facts.module, "push"), address)
            self.fail_if(self.builder.compare("icmp", "eq", place, zero(PTR)))
            self.builder.store(shadow, place)
        self.duals.set(i, [shadow])

    def part(self, i: Call) -> None:
        shadow = self.duals.of(i.arguments[0])[0]
        rest = [self.copier.twin(a) for a in i.arguments[1:]]
        self.duals.set(i, [self.builder.call(tape_function(self.facts.module, "part"), [shadow, *rest])])

    def copy_pointers(self, i: Call) -> None:
        """Shadow pointers go with the primal's pointers; derivatives in between stay for the reverse sweep."""
        (to,), (origin,) = self.duals.of(i.arguments[0]), self.duals.of(i.arguments[1])
        if not self.facts.activity.is_active_memory(i.arguments[0]):
            self.duals.copy_memory(to, origin, self.copier.twin(i.arguments[2]))
            return
        start, length = self.facts.memory.cell(i.arguments[0])[1], i.arguments[2]
        assert start is not None and isinstance(length, ConstantInt)  # the fence saw to it
        for field in self.facts.memory.node(i.arguments[0]).fields:
            offset = (field or 0) - start
            if 0 <= offset < length.value:
                pointer = self.builder.load(PTR, self.builder.offset(origin, offset))
                self.builder.store(pointer, self.builder.offset(to, offset))

    def call(self, i: Call, augmented: Function) -> None:
        """{ out of memory, result[, shadow of the result] } = call augmented(arguments, shadows, tape)"""
        callee = self.facts.callee(i)
        assert callee is not None
        arguments = [self.copier.twin(a) for a in i.arguments]
        for parameter in self.facts.shadow_parameters(callee):
            if holds_pointer(parameter.type):
                arguments += self.duals.of(i.arguments[callee.arguments.index(parameter)])
        results = self.builder.call(augmented, [*arguments, self.tape], i.name)
        if "dbg" in i.metadata:
            results.metadata["dbg"] = i.metadata["dbg"]
        self.fail_if(self.builder.extract(results, [0]))
        if i.type != VOID:
            self.copier.values[i] = self.builder.extract(results, [1], i.name)
            if self.facts.activity.is_shadowed(i):
                self.duals.set(i, [self.builder.extract(results, [2])])
        else:
            self.copier.values[i] = results

    # --- what the reverse sweep will read ---

    def keep(self, value: Value) -> None:
        """Put an item into its place as soon as it has its value."""
        if value in self.plan.stored:
            self.keep_item(value, self.copier.twin(value))
        if Shadow(value) in self.plan.stored:
            self.keep_item(Shadow(value), self.duals.of(value)[0])

    def keep_item(self, item: Item, value: Value) -> None:
        bank = self.plan.layout.bank(item)
        if bank is None:
            self.builder.store(value, self.slots[item])
            return
        base, length = self.arrays[bank]
        place = self.plan.layout.place(self.builder, item, base, length, self.counts[bank.loop])
        self.records.append(self.builder.store(value, place, align=min(8, size_of(value.type))))

    def behind_phis(self, block: Block) -> None:
        loop = self.needs.loop_of_header(block)
        if loop is not None:
            self.count(loop, block)
        if Edge(block) in self.plan.stored:
            self.number_edges(block)
        for phi in block.phis:
            self.keep(phi)

    def count(self, loop: Loop, header: Block) -> None:
        """The number of the current iteration, from 0."""
        counter = self.builder.phi(I64, name=f"{header.name}.count")
        self.counts[loop] = counter
        following = self.builder.binary("add", counter, i64(1))

        def close() -> None:
            for source, arrival in self.copier.arrivals(header):
                counter.add_incoming(following if source in loop.blocks else i64(0), arrival)
        self._at_close.append(close)

    def number_edges(self, block: Block) -> None:
        number = self.builder.phi(I32, name=f"{block.name}.edge")

        def close() -> None:
            for source, arrival in self.copier.arrivals(block):
                number.add_incoming(i32(self.needs.way_of(block, source)), arrival)
        self._at_close.append(close)
        self.keep_item(Edge(block), number)

    # --- control ---

    def terminator(self, block: Block) -> None:
        i = block.terminator
        self.builder.location = None
        if i.opcode == "ret":
            self.ret(block)
            return
        twin = self.copier.copy(i)
        for successor in block.successors:
            if block in self.live and successor in self.live:
                edge = self.edge(block, successor)
                if edge is not None:
                    twin.replace(self.copier.first[successor], edge)

    def edge(self, source: Block, target: Block) -> Block | None:
        """A block on the edge that ends the iteration of the loops concerned; None if nothing is to be kept."""
        ending = [loop for loop in self.loops.left(source, target) if loop not in self.needs.inert_loops]
        leaves = bool(ending)
        back = self.needs.loop_of_header(target)
        if back is not None and source in back.blocks:
            ending.append(back)
        banks = self.plan.layout.banks_at(back) if back is not None and back not in ending else []
        missing = [bank for bank in self.absurd if bank.loop is back] if back not in ending else []
        if not leaves and not banks and not missing and not any(map(self.is_pushed, ending)):
            return None
        start = self.target.append(Block(f"{source.name}.{target.name}"))
        self.builder.at_end(start)
        for loop in ending:
            if self.is_pushed(loop):
                self.push(loop)
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

    def is_pushed(self, loop: Loop) -> bool:
        """Each iteration of the loop pushes a record."""
        return bool(self.plan.layout.record(loop).size)

    def push(self, loop: Loop | None) -> None:
        record = self.plan.layout.record(loop)
        if not record.size:
            return
        memory = self.memory("push", i64(record.size), i64(self.plan.layout.kind(loop)))
        for item, offset in record.offsets.items():
            kept = self.builder.load(item_type(item), self.slots[item])
            place = self.builder.offset(memory, offset)
            self.records.append(self.builder.store(kept, place, align=min(8, size_of(kept.type))))

    def memory(self, operation: str, bytes: Value, *kind: Value) -> Value:
        """Memory from the tape; without it the derivative ends here."""
        memory = self.builder.call(tape_function(self.facts.module, operation), [self.tape, bytes, *kind])
        self.fail_if(self.builder.compare("icmp", "eq", memory, zero(PTR)))
        return memory

    def fail_if(self, condition: Value) -> None:
        if self._failed is None:
            self._failed = self.target.append(Block("out_of_memory"))
            here, before = self.builder.block, self.builder.before
            self.builder.at_end(self._failed)
            self.leave(i32(OUT_OF_MEMORY), out_of_memory=True)
            self.builder.block, self.builder.before = here, before
        following = self.target.append(Block("kept"))
        self.builder.branch_if(condition, self._failed, following)
        self.builder.at_end(following)

    def ret(self, block: Block) -> None:
        if block in self.returns:
            self.builder.branch(self.turn)
            return
        value = block.terminator.operands
        self.leave(self.copier.twin(value[0]) if value else None)

    def leave(self, status: Value | None, out_of_memory: bool = False) -> None:
        """End everything: an exception of the primal that nobody catches, or no memory."""
        if self.split:
            self.result(out_of_memory, None if out_of_memory else status, None)
            return
        self.builder.call(tape_function(self.facts.module, "release"), [self.tape])
        if returns_status(self.function):
            self.builder.ret(status)
        else:
            self.builder.unreachable() if out_of_memory else self.builder.ret(status)

    def result(self, out_of_memory: bool, value: Value | None, shadow: Value | None) -> None:
        """What an augmented function returns."""
        result: Value = undefined(self.target.signature.result)
        for index, part in enumerate((constant_bool(out_of_memory), value, shadow)):
            if part is not None:
                result = self.builder.insert_value(result, part, [index])
        self.builder.ret(result)

    def at_turn(self) -> tuple[Value | None, Value | None]:
        """At the turn: keep the number of the return; the returned value and its shadow, if there are any."""
        number = self.builder.phi(I32, name="return")
        for position, block in enumerate(self.returns):
            number.add_incoming(i32(position), self.copier.last[block])
        returned = [b.terminator.operands[0] for b in self.returns if b.terminator.operands]
        value = shadow = None
        if returned:
            value = self.builder.phi(returned[0].type, name="value")
            for block, operand in zip(self.returns, returned, strict=True):
                value.add_incoming(self.copier.twin(operand), self.copier.last[block])
            if any(self.facts.activity.is_shadowed(r) for r in returned):
                shadow = self.builder.phi(returned[0].type, name="value.shadow")
                for block, operand in zip(self.returns, returned, strict=True):
                    shadow.add_incoming(self.duals.of(operand)[0], self.copier.last[block])
        if Edge(None) in self.plan.stored:
            self.builder.store(number, self.slots[Edge(None)])
        return value, shadow


def _call(function: Function, operation: str, arguments: list[Value]) -> Call:
    assert function.module is not None
    callee = tape_function(function.module, operation)
    return Call(callee.signature, callee, arguments)
