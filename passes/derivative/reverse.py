"""Reverse mode: a forward sweep that keeps what is needed, then the adjoint of every instruction in reverse order.

    %y = fmul double %x, %k         y.bar taken and cleared;  %x.bar += %k * y.bar;  %k.bar += %x * y.bar
    %v = load double, %p            *p.shadow += v.bar
    store double %v, %p             v.bar += *p.shadow;  *p.shadow = 0
    br, loops                       taken the other way, by the edges and counts that the forward sweep kept

Given   Facts of a call graph that the fence let through.
Gives   for the entry a function `f(arguments, shadows[, seeds])` with both sweeps. The shadow of a number is a cell to
        which its adjoint is added, that of an array the array of adjoints; seeds are what the shadows of results hold.
        For every function that is called: an augmented function, which runs the primal and pushes what its reverse
        needs on the tape, and a reverse function, which takes the tape back and returns adjoints through cells.
Unsure  never: what has no rule was refused by the fence; anything unexpected raises `Bug`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from numbad.passes.analysis.loops import Loop
from numbad.passes.analysis.memory import holds_float, holds_pointer
from numbad.passes.analysis.outcomes import returns_status
from numbad.passes.canonical import remove_unreachable
from numbad.passes.derivative.adjoint_rules import AdjointRules
from numbad.passes.derivative.adjoints import Adjoints, Stack
from numbad.passes.derivative.backwards import Backwards
from numbad.passes.derivative.duals import new_function
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
    Item,
    Iteration,
    Kept,
    Length,
    Needs,
    Shadow,
    Way,
)
from numbad.passes.derivative.plan import Options, Plan
from numbad.passes.derivative.rerun_sweep import RerunSweep
from numbad.passes.derivative.rows import add_rows
from numbad.passes.derivative.scopes import RECORDS, Accesses
from numbad.passes.derivative.sweep import ForwardSweep
from numbad.passes.derivative.tape import tape_function
from numbad.passes.diagnostics import Bug, refuse
from numbad.passes.ir.builder import Builder, i32, i64
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Instruction, Phi
from numbad.passes.ir.types import I1, I32, I64, PTR, VOID, FunctionType, StructType, size_of
from numbad.passes.ir.values import Argument, Value


@dataclass(frozen=True)
class Split:
    """The two halves of the derivative of a function that is called."""

    augmented: Function
    reverse: Function


def write_reverse(facts: Facts, name: str, options: Options) -> tuple[Function, list[Plan]]:
    """The derivative of the entry, called `name`, and the plans that were followed."""
    halves: dict[Function, Split] = {}
    for function in facts.functions:
        called = function is not facts.entry or any(facts.callee(i) is function  # type: ignore[arg-type]
                                                    for f in facts.functions for i in f.instructions
                                                    if i.opcode == "call")
        if called and facts.needs_derivative(function):
            halves[function] = _declare_split(facts, function, f"{name}.{function.name}")
    augmented = {f: s.augmented for f, s in halves.items()}
    plans = []
    for function, split in halves.items():
        plans.append(_plan(facts, function, True, options))
        _write_split(facts, function, split, plans[-1], halves, augmented)
    plans.append(_plan(facts, facts.entry, False, options))
    return _write_combined(facts, name, plans[-1], halves, augmented), plans


def _plan(facts: Facts, function: Function, split: bool, options: Options) -> Plan:
    for loop in facts.loops[function].loops:
        entries = [p for p in facts.dominators[function].predecessors[loop.header] if p not in loop.blocks]
        if len(loop.latches) != 1 or len(entries) != 1:
            raise refuse("unsupported", "a loop with several entries or latches", "restructure the loop",
                         loop.header.terminator)
    _check_loop_closed(facts, function)
    return Plan(facts, function, Needs(facts, function), split, options)


def _check_loop_closed(facts: Facts, function: Function) -> None:
    """Values leave a loop through phis only: the reverse sweep has a loop's values while it is in the loop."""
    innermost = facts.loops[function].innermost
    for block in facts.live[function]:
        for i in block.instructions:
            for position, operand in enumerate(i.operands):
                home = innermost.get(operand.block) if isinstance(operand, Instruction) else None  # type: ignore[arg-type]
                if home is None:
                    continue
                place = i.operands[position + 1] if isinstance(i, Phi) else block
                if place not in home.blocks:
                    raise Bug(f"{operand} is used by {i} outside its loop: the text is not in LCSSA form")


# --- signatures ------------------------------------------------------------------------------------------------------


def _pointer_shadows(facts: Facts, function: Function) -> list[Argument]:
    return [a for a in facts.shadow_parameters(function) if holds_pointer(a.type)]


def _cells(facts: Facts, function: Function) -> list[Argument]:
    return [a for a in facts.shadow_parameters(function) if not holds_pointer(a.type)]


def _active_result(facts: Facts, function: Function) -> bool:
    return holds_float(function.signature.result)


def _declare_split(facts: Facts, function: Function, name: str) -> Split:
    shadows, cells = _pointer_shadows(facts, function), _cells(facts, function)
    result = function.signature.result
    parts = [I1] + ([] if result == VOID else [result] * (1 + holds_pointer(result)))
    augmented = new_function(
        facts, f"{name}.augmented",
        FunctionType(StructType(tuple(parts)), (*(a.type for a in (*function.arguments, *shadows)), PTR)),
        [*(a.name for a in function.arguments), *(f"{a.name}.shadow" for a in shadows), "tape"])
    seed = [result] if _active_result(facts, function) else []
    reverse = new_function(facts, f"{name}.reverse", FunctionType(VOID, (*seed, PTR, *(PTR for _ in cells))),
                           [*("seed" for _ in seed), "tape", *(f"{a.name}.cell" for a in cells)])
    augmented.name_values()
    reverse.name_values()
    return Split(augmented, reverse)


# --- the two forms ---------------------------------------------------------------------------------------------------


def _write_combined(facts: Facts, name: str, plan: Plan, halves: dict[Function, Split],
                    augmented: dict[Function, Function]) -> Function:
    """Both sweeps in one function: slots stay on the stack (in registers) outside loops."""
    entry, shadows = facts.entry, facts.shadow_parameters(facts.entry)
    types = [a.type for a in entry.arguments] + [a.type if holds_pointer(a.type) else PTR for a in shadows]
    names = [a.name for a in entry.arguments] + [f"{a.name}.shadow" for a in shadows]
    if facts.task.seeded:
        types, names = [*types, PTR], [*names, "seeds"]
    if not returns_status(entry):
        raise refuse("unsupported", "the entry does not follow the status convention")
    function = new_function(facts, name, FunctionType(entry.signature.result, tuple(types)), names, "")
    function.name_values()
    forward = ForwardSweep(facts, entry, function, plan, False, augmented)
    forward.write()
    builder = forward.builder
    builder.location = None
    builder.at_end(forward.turn)
    if not forward.returns:  # it always raises: the derivative is the primal
        builder.unreachable()
        forward.stack.close()
        _drop_unused_tape(function, forward.tape)
        function.name_values()
        return function
    status, _ = forward.at_turn()
    assert status is not None
    if facts.task.seeded and entry.arguments[0] in shadows:
        slot = shadows.index(entry.arguments[0])
        results = function.arguments[len(entry.arguments) + slot]
        builder.call_symbol("numbad.seed", VOID, [function.arguments[0], results, function.arguments[-1]])
    cells = {a: function.arguments[len(entry.arguments) + i] for i, a in enumerate(shadows)
             if not holds_pointer(a.type)}

    def free(item: Item) -> Value:
        if isinstance(item, Shadow):
            return forward.duals.of(item.value)[0]
        return forward.copier.twin(item)  # type: ignore[arg-type]

    def finish() -> None:
        builder.call(tape_function(facts.module, "release"), [forward.tape])
        builder.ret(status)

    backwards = Backwards(plan.needs, forward.returns)
    sweep = ReverseSweep(facts, plan, builder, forward.stack, forward.slots, forward.tape, halves, cells,
                         backwards, Lookup(plan, builder, forward.slots, forward.accesses, backwards.passed, free),
                         forward.failed)
    sweep.write(finish)
    forward.stack.close()
    remove_unreachable(function)  # what leads to exceptions that are caught where the entry calls itself
    _drop_unused_tape(function, forward.tape)
    function.name_values()
    forward.accesses.close(function)
    return function


def _write_split(facts: Facts, function: Function, split: Split, plan: Plan, halves: dict[Function, Split],
                 augmented: dict[Function, Function]) -> None:
    forward = ForwardSweep(facts, function, split.augmented, plan, True, augmented)
    forward.write()
    forward.builder.location = None
    forward.builder.at_end(forward.turn)
    value, shadow = forward.at_turn()
    forward.keeper.push(None)
    forward.result(False, value, shadow)
    forward.stack.close()
    split.augmented.name_values()
    forward.accesses.close(split.augmented)

    reverse = split.reverse
    builder = Builder(reverse.append(Block("start")))
    stack = Stack(reverse)
    slots = Slots(plan, stack)
    parameters = list(reverse.arguments)
    seed = parameters.pop(0) if _active_result(facts, function) else None
    tape, *places = parameters
    cells = dict(zip(_cells(facts, function), places, strict=True))
    backwards = Backwards(plan.needs, forward.returns)
    sweep = ReverseSweep(facts, plan, builder, stack, slots, tape, halves, cells, backwards,
                         Lookup(plan, builder, slots, Accesses(facts, plan.options.separate), backwards.passed,
                                lambda item: item.value if isinstance(item, Shadow) else item))  # type: ignore[arg-type,return-value]
    sweep.pop(None)
    sweep.rules.seed = seed
    sweep.write(builder.ret)
    stack.close()
    reverse.name_values()
    sweep.lookup.accesses.close(reverse)


def _drop_unused_tape(function: Function, tape: Value) -> None:
    users = list(dict.fromkeys(tape.users))  # type: ignore[attr-defined]
    if all(u.callee_name in ("numbad.tape.init", "numbad.tape.release") for u in users):
        for user in users:
            user.erase()
        tape.erase()  # type: ignore[attr-defined]


# --- the reverse sweep -----------------------------------------------------------------------------------------------


@dataclass
class Door:
    """The only way into a reversed loop: `place` holds the number of the block in `targets` where to go on."""

    block: Block
    place: Value
    targets: list[Block] = field(default_factory=list)


class ReverseSweep:
    """Walks the control flow of one function backwards. The builder stands where the sweep starts."""

    def __init__(self, facts: Facts, plan: Plan, builder: Builder, stack: Stack, slots: Slots, tape: Value,
                 halves: dict[Function, Split], cells: Mapping[Argument, Value], backwards: Backwards,
                 lookup: Lookup, failed: Callable[[], Block] | None = None):
        self.facts, self.plan, self.builder, self.slots, self.tape = facts, plan, builder, slots, tape
        self.function, self.needs, self.loops = plan.function, plan.needs, plan.loops
        self.cells, self.backwards, self.lookup = cells, backwards, lookup
        self.target = builder.function
        self.adjoints = Adjoints(builder, stack, facts.activity.is_active)
        reverses = {f: s.reverse for f, s in halves.items()}
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
                before, adjoint = self.builder.load(argument.type, cell), self.adjoints.take(argument)
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

    def pop(self, loop: Loop | None) -> None:
        """Take a loop's record back from the tape into the slots."""
        record = self.plan.layout.record(loop)
        if not record.size:
            return
        memory = self._pop(i64(record.size), loop)
        for item, offset in record.offsets.items():
            type = item_type(item)
            kept = self.builder.load(type, self.builder.offset(memory, offset), align=min(8, size_of(type)))
            self.lookup.accesses.places[kept] = RECORDS
            self.builder.store(kept, self.slots[item])

    def _pop(self, bytes: Value, what: Loop | Bank | None) -> Value:
        pop = tape_function(self.facts.module, "pop")
        return self.builder.call(pop, [self.tape, bytes, i64(self.plan.layout.kind(what))])
