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

from dataclasses import dataclass
from itertools import chain

from numbad.passes.analysis.memory import Node, holds_float, holds_pointer
from numbad.passes.analysis.outcomes import returns_status
from numbad.passes.canonical import remove_unreachable
from numbad.passes.derivative.adjoints import Stack
from numbad.passes.derivative.backwards import Backwards
from numbad.passes.derivative.duals import new_function
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.forward_sweep import ForwardSweep, tape_parameters
from numbad.passes.derivative.global_shadows import clear_shared
from numbad.passes.derivative.keep import Slots
from numbad.passes.derivative.lookup import Lookup
from numbad.passes.derivative.needs import (
    Item,
    Needs,
    Shadow,
)
from numbad.passes.derivative.plan import Options, Plan
from numbad.passes.derivative.restored import Restored, candidates
from numbad.passes.derivative.reverse_sweep import ReverseSweep
from numbad.passes.derivative.scopes import Accesses
from numbad.passes.derivative.tape import tape_function
from numbad.passes.diagnostics import Bug, refuse
from numbad.passes.ir.builder import Builder, constant_bool
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Instruction, Phi, Store
from numbad.passes.ir.types import I1, I64, PTR, VOID, FunctionType, StructType
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
    augmented = {function: split.augmented for function, split in halves.items()}
    reverses = {function: split.reverse for function, split in halves.items()}
    plans = []
    for function, split in halves.items():
        plans.append(_plan(facts, function, True, options))
        _write_split(facts, function, split, plans[-1], augmented, reverses)
    plans.append(_plan(facts, facts.entry, False, options))
    return _write_combined(facts, name, plans[-1], augmented, reverses), plans


def _plan(facts: Facts, function: Function, split: bool, options: Options) -> Plan:
    for loop in facts.loops[function].loops:
        entries = [p for p in facts.dominators[function].predecessors[loop.header] if p not in loop.blocks]
        if len(loop.latches) != 1 or len(entries) != 1:
            raise refuse("unsupported", "a loop with several entries or latches", "restructure the loop",
                         loop.header.terminator)
    _check_loop_closed(facts, function)
    plan = Plan(facts, function, Needs(facts, function), split, options)
    return _with_restored_memory(plan) if options.restore and not split else plan


def _with_restored_memory(plan: Plan) -> Plan:
    """The cheapest plan: memory is put back where that spares more than it takes."""
    facts, function = plan.facts, plan.function
    chosen = candidates(facts, function) if any(map(plan.layout.level, plan.stored)) else {}
    if not chosen:
        return plan

    def following(stores: dict[Node, list[Store]]) -> Plan:
        needs = Needs(facts, function, chain.from_iterable(stores.values()))
        return Plan(facts, function, needs, plan.split, plan.options, Restored(facts, needs, stores))

    best = following(chosen)
    for node in list(chosen) if len(chosen) > 1 else ():
        fewer = {other: stores for other, stores in chosen.items() if other is not node}
        without = following(fewer)
        if without.cost <= best.cost:
            best, chosen = without, fewer
    return best if best.cost < plan.cost else plan


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


def _write_combined(facts: Facts, name: str, plan: Plan, augmented: dict[Function, Function],
                    reverses: dict[Function, Function]) -> Function:
    """Both sweeps in one function: slots stay on the stack (in registers) outside loops."""
    entry, shadows = facts.entry, facts.shadow_parameters(facts.entry)
    types = [a.type for a in entry.arguments] + [a.type if holds_pointer(a.type) else PTR for a in shadows]
    names = [a.name for a in entry.arguments] + [f"{a.name}.shadow" for a in shadows]
    if facts.task.seeded:
        types, names = [*types, PTR], [*names, "seeds"]
    if tape_parameters(facts, False):
        types, names = [*types, PTR, I64, PTR], [*names, "tape.memory", "tape.words", "tape.needed"]
    if not returns_status(entry) and entry.signature.result != VOID:
        raise refuse("unsupported", "the entry does not follow the status convention")
    function = new_function(facts, name, FunctionType(entry.signature.result, tuple(types)), names, facts.entry_head)
    function.tail = facts.entry_tail
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
    if tape_parameters(facts, False):
        end, go_on = (function.append(Block(name)) for name in ("measured", "reverse"))
        builder.branch_if(builder.call(tape_function(facts.module, "is_measured"), [forward.tape]), end, go_on)
        builder.at_end(end)
        builder.ret(status)
        builder.at_end(go_on)
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
        forward.release()
        builder.ret(status)

    backwards = Backwards(plan.needs, forward.returns)
    sweep = ReverseSweep(facts, plan, builder, forward.stack, forward.slots, forward.tape, reverses, cells,
                         backwards, Lookup(plan, builder, forward.slots, forward.accesses, backwards.passed, free),
                         forward.failed)
    sweep.write(finish)
    forward.stack.close()
    clear_shared(facts.module, facts.target, function)
    remove_unreachable(function)  # what leads to exceptions that are caught where the entry calls itself
    _drop_unused_tape(function, forward.tape)
    function.name_values()
    forward.accesses.close(function)
    return function


def _write_split(facts: Facts, function: Function, split: Split, plan: Plan, augmented: dict[Function, Function],
                 reverses: dict[Function, Function]) -> None:
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
    sweep = ReverseSweep(facts, plan, builder, stack, slots, tape, reverses, cells, backwards,
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
    idle = ("init", "open", "is_measured", "release")
    if all(u.callee_name in [f"numbad.tape.{operation}" for operation in idle] for u in users):
        for user in users:
            if user.users:
                user.replace_all_uses_with(constant_bool(False))
            user.erase()
        tape.erase()  # type: ignore[attr-defined]
