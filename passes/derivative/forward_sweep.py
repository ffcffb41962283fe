"""The forward sweep of reverse mode: the primal, which also keeps what the reverse sweep will read.

    loop:  %i = phi ...                      loop:  %i = phi ...
           %y = call double @sin(%x)   ->           %y = call double @sin(%x);  store %y, %y.slot
           br %c, loop, exit                 back:  push the slots of this loop on the tape;  br loop
                                             out:   push them, note the loop's count;         br exit

What is kept and where is the keeper's business (`keep`).

Given   Facts, the plan of one function, the function to write into.
Gives   the block `turn`, where all returns that matter meet, with the number of the return and the returned values.
"""

from __future__ import annotations

from numbad.passes.analysis.memory import holds_pointer
from numbad.passes.analysis.outcomes import returns_status
from numbad.passes.derivative.adjoints import Stack
from numbad.passes.derivative.copier import Copier
from numbad.passes.derivative.duals import MOVES, Duals
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.keep import Keeper, Slots
from numbad.passes.derivative.needs import Before, Edge, Shadow, Snapshot
from numbad.passes.derivative.plan import Plan
from numbad.passes.derivative.scopes import Accesses
from numbad.passes.derivative.tape import TAPE, tape_function
from numbad.passes.diagnostics import Bug, refuse
from numbad.passes.ir.builder import constant_bool, i32, i64
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Alloca, Call, Instruction, Store
from numbad.passes.ir.types import I32, I64, PTR, VOID, size_of
from numbad.passes.ir.values import ConstantInt, Value, undefined, zero
from numbad.passes.rules import blas
from numbad.passes.rules import memory as effects


def tape_parameters(facts: Facts, split: bool) -> int:
    """How many parameters at the end say where the tape is: of a kernel its memory, how many words of it each thread
    may use, and where to tell how many were needed (see `device`)."""
    return 3 if facts.target.many_threads and not split else 0


OUT_OF_MEMORY = 1000  # the status code of a derivative whose tape found no memory


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
        self.turn = Block("turn")
        self.returns = facts.returns(function, split)
        self._failed: Block | None = None
        self.memory = target.arguments[len(target.arguments) - tape_parameters(facts, split):]
        parameters = list(target.arguments)
        for argument in function.arguments:
            self.copier.values[argument] = parameters.pop(0)
        for argument in facts.shadow_parameters(function):
            if holds_pointer(argument.type):
                self.duals.set(argument, [parameters.pop(0)])
            elif not split:  # the cell for the adjoint of a number; only the reverse sweep uses it
                parameters.pop(0)
        self.tape: Value = target.arguments[-1] if split else self.stack.place(TAPE, "tape", clear=False)
        self.accesses = Accesses(facts, plan.options.separate)
        self.held = {call: self.stack.place(PTR, "held") for call in plan.held}
        self.keeper = Keeper(plan, self.copier, self.slots, self.tape, self.accesses, self.failed)

    def write(self) -> None:
        if not self.split:
            operation = "open" if self.facts.target.many_threads else "init"
            self.stack.add(_call(self.target, operation, [self.tape, *self.memory]))
        for block in self.facts.dominators[self.function].order:
            self.builder.at_end(self.copier.first[block])
            for argument in self.function.arguments if block is self.function.entry else ():
                self.keep(argument)
            phis = block.phis
            for instruction in block.instructions[:len(phis)]:
                self.visit(instruction, block in self.live)
            if block in self.live:
                self.keeper.behind_phis(block)
                for phi in phis:
                    self.keep(phi)
            for instruction in block.instructions[len(phis):-1]:
                self.visit(instruction, block in self.live)
                if block in self.live:
                    self.keep(instruction)
            self.copier.last[block] = self.builder.block
            self.terminator(block)
        self.target.append(self.turn)
        self.copier.close()
        self.duals.close()
        self.keeper.close()

    # --- instructions ---

    def visit(self, i: Instruction, live: bool) -> None:
        self.builder.location = None
        if isinstance(i, Call) and live:
            callee = self.facts.callee(i)
            if callee in self.augmented:
                self.call(i, self.augmented[callee])
                return
        if live and i in self.needs.undone:
            assert isinstance(i, Store)
            before = self.builder.load(i.value.type, self.copier.twin(i.pointer), align=i.align)
            self.keeper.keep_item(Before(i), before)
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
        if self.facts.target.many_threads and (i.operands or size_of(i.allocated) > 8):
            raise refuse("unsupported", "a local array in a function that is called", "keep it in the kernel", i)
        count = self.copier.twin(i.operands[0]) if i.operands else i64(1)
        bytes = self.builder.binary("mul", self.builder.cast("zext", count, I64), i64(size_of(i.allocated)))
        self.duals.set(i, [self.keeper.memory("keep", bytes)])

    def snapshots(self, i: Call) -> None:
        """Copies of the factors of a matrix product."""
        product = blas.product_of(i)
        for position in product.factors if product is not None else ():
            if Snapshot(i, position) in self.plan.stored:
                bytes = blas.bytes_of(self.builder, i, position, self.copier.twin)
                copy = self.keeper.memory("keep", bytes)
                self.duals.copy_memory(copy, self.copier.twin(i.arguments[position]), bytes)
                self.keeper.keep_item(Snapshot(i, position), copy)

    def effect(self, i: Call) -> None:
        shadowed = self.facts.activity.is_shadowed
        match effects.effect_of(i):
            case effects.Part():
                if shadowed(i):
                    self.part(i)
            case effects.Allocate(size=size, header=header):
                if i in self.held:
                    self.builder.call_symbol("NRT_incref", VOID, [self.copier.twin(i)])
                    self.builder.store(self.copier.twin(i), self.held[i])
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
        shadow = self.keeper.memory("keep", self.builder.cast("zext", self.copier.twin(size), I64))
        if header:
            data, shadow = shadow, self.keeper.memory("keep", i64(effects.HEADER_BYTES))
            self.builder.store(data, self.builder.offset(shadow, effects.HEADER_DATA))
        self.duals.set(i, [shadow])

    def inner_tape(self, i: Call, gives: bool) -> None:
        """The tape of a derivative that is differentiated again.

        Shadows of its memory must outlive it, so they are kept on the tape of this sweep; the inner tape's shadow is a
        tape of their addresses with the same history, on which `pop` finds the shadow of what was pushed.
        """
        operation = (i.callee_name or "").removeprefix("numbad.tape.")
        shadow_tape = self.duals.of(i.arguments[0])[0]
        if not gives:
            rest = [self.copier.twin(a) for a in i.arguments[1:]]
            self.builder.call(tape_function(self.facts.module, operation), [shadow_tape, *rest])
            return
        address = [shadow_tape, i64(8)]  # the records of addresses are of kinds of their own
        address += [self.builder.binary("xor", self.copier.twin(kind), i64(1 << 60)) for kind in i.arguments[2:]]
        if operation == "pop":
            place: Value = self.builder.call(tape_function(self.facts.module, "pop"), address)
            self.duals.set(i, [self.builder.load(PTR, place)])
            return
        shadow = self.keeper.memory("keep", self.copier.twin(i.arguments[1]))
        if operation == "push":
            place = self.builder.call(tape_function(self.facts.module, "push"), address)
            self.keeper.fail_if(self.builder.compare("icmp", "eq", place, zero(PTR)))
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
        self.keeper.fail_if(self.builder.extract(results, [0]))
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
            self.keeper.keep_item(value, self.copier.twin(value))
        if Shadow(value) in self.plan.stored:
            self.keeper.keep_item(Shadow(value), self.duals.of(value)[0])

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
                edge = self.keeper.edge(block, successor)
                if edge is not None:
                    twin.replace(self.copier.first[successor], edge)

    def failed(self) -> Block:
        """The block to go to without memory."""
        if self._failed is None:
            self._failed = self.target.append(Block("out_of_memory"))
            here, before = self.builder.block, self.builder.before
            self.builder.at_end(self._failed)
            self.leave(i32(OUT_OF_MEMORY), out_of_memory=True)
            self.builder.block, self.builder.before = here, before
        return self._failed

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
        self.release()
        if returns_status(self.function):
            self.builder.ret(status)
        elif out_of_memory and self.function.signature.result != VOID:
            self.builder.unreachable()
        else:
            self.builder.ret(None if out_of_memory else status)

    def release(self) -> None:
        """Let go of the memory that is only the derivative's own."""
        for place in self.held.values():
            self.builder.call_symbol("NRT_decref", VOID, [self.builder.load(PTR, place)])
        self.builder.call(tape_function(self.facts.module, "release"), [self.tape])

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
