"""A plan in words: what is kept on the tape and why, what is computed again, what is run again.

Given   a plan.
Gives   `report`: lines of text, the same for the same program. Places are those in the user's source where LLVM still
        knows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from numbad.passes.analysis.loops import Loop
from numbad.passes.derivative.exact import REWRITTEN
from numbad.passes.derivative.needs import Base, Before, Count, Edge, Item, Kept, Length, Scratch, Shadow, Snapshot
from numbad.passes.diagnostics import locate
from numbad.passes.ir.function import Block
from numbad.passes.ir.instructions import Call, Instruction, Load, Phi, Store

if TYPE_CHECKING:
    from numbad.passes.derivative.plan import Plan
    from numbad.passes.derivative.sources import Source
    from numbad.passes.derivative.stencils import Rows


def report(plan: Plan) -> str:
    lines = [f"plan of {plan.function}"]
    tape = ", in memory of the launch" if plan.facts.target.many_threads else ""
    places = [("once" if loop is None else f"in each iteration of {_loop(loop)}{tape}", record)
              for loop, record in plan.layout.records.items()]
    places += [(f"in each iteration of {_loop(loop)}, in arrays of {plan.layout.runs[loop]} on the thread's own stack",
                record) for loop, record in plan.layout.own.items()]
    places += [(f"in each iteration of {_loop(bank.loop)}, indexed by the iteration"
                f"{f', the same in each of {_loop(bank.home)}' if bank.is_shared else ''}", record)
               for bank, record in plan.layout.banks.items()]
    for where, record in places:
        lines.append(f"  stored {where}: {record.size} bytes")
        lines += [f"    {_spell(item)}: {_reason(plan, item)}" for item in record.offsets]
    for loop, groups in plan.put_off.items():
        lines.append(f"  adjoints that wait in scratch rows until {_loop(loop)} is over")
        lines += [f"    {_group(rows)}" for rows in groups]
    for loop, rerun in plan.reruns.items():
        slice = [i for i in plan.function.instructions if i in rerun.instructions]
        lines.append(f"  run again, each iteration of {_loop(loop)} that finds {plan.options.tape_limit} bytes on the "
                     f"tape: {len(slice)} instructions, from {', '.join(map(str, rerun.inputs))}")
    found = [load for load in plan.found if load in plan.recomputed]
    if found:
        lines.append("  found in place of being kept, for nothing writes there in between")
        lines += [f"    {_named(load)}: {_source(plan.found[load])}" for load in found]
    if plan.held:
        lines.append("  held until the end, to be read again, for nothing writes there any more: "
                     + ", ".join(map(_named, plan.held)))
    if plan.accumulations:
        lines.append("  sums in memory, whose adjoints stay where they are: " + ", ".join(
            sorted({_line(store).strip(" ()") or str(store.value) for store in plan.accumulations})))
    lines.append("  computed again: " + ", ".join(map(_spell, plan.recomputed)))
    return "\n".join(lines)


def _reason(plan: Plan, item: Item) -> str:
    match item:
        case Base() | Length() | Kept() | Scratch():
            return "for the reverse sweep itself"
        case Before():
            return "put back by the reverse sweep, so that it can be read again"
        case Count(loop=loop) if loop not in plan.laws:
            return "not known before the loop"
        case Edge() if item not in plan.choices or plan.choices[item].parts is None:
            return "no single condition tells it"
        case Snapshot():
            return "the array may be overwritten"
    choice = plan.choices.get(item)
    if choice is None or choice.parts is not None:
        again = f", to compute it again {choice.compute} and its operands" if choice is not None else ""
        return f"to keep it costs {choice.store if choice is not None else 0}{again}"
    value = item.value if isinstance(item, Shadow) else item
    match value:
        case Load(volatile=True):
            return "volatile"
        case Load():
            return "the memory may be overwritten"
        case Phi():
            is_header = plan.needs.loop_of_header(value.block) is not None  # type: ignore[arg-type]
            return "goes on from iteration to iteration" if is_header else "depends on the way that was taken"
        case Instruction() if REWRITTEN & set(value.flags):
            return "fast-math may compute another number"
        case Call():
            return "what the call gives is not computed again"
    return "cannot be computed again"


def _named(value: object) -> str:
    """A value with its line."""
    return f"{value}{_line(value)}" if isinstance(value, Instruction) else str(value)


def _line(i: Instruction) -> str:
    module = i.function.module
    places = locate(module, i.metadata.get("dbg")) if module is not None else ()
    return f" (line {places[0].line})" if places else ""


def _loop(loop: Loop) -> str:
    return f"{loop.header}{next(filter(None, map(_line, loop.header.instructions)), '')}"


def _group(rows: Rows) -> str:
    if rows.outer is None:
        return ", ".join(map(str, rows.loads))
    named = (f"{load} (row {shift})" for load, shift in zip(rows.loads, rows.shifts, strict=True))
    return f"{', '.join(named)}: rows go by {_loop(rows.outer)}, and wait for {rows.height} of its iterations"


def _source(source: Source) -> str:
    verb = "stored" if isinstance(source.access, Store) else "loaded"
    where = f" of {_loop(source.loop)}" if source.moves.pairs else ""
    return f"{_named(source.value)}, which is {verb}{_line(source.access)} in the same iteration{where}"


def _spell(item: Item) -> str:
    match item:
        case Shadow(value=value):
            return f"shadow of {_named(value)}"
        case Edge(block=Block() as block):
            return f"the edge into {block}"
        case Edge():
            return "the return taken"
        case Count(loop=loop):
            return f"the count of {_loop(loop)}"
        case Kept(loop=loop):
            return f"how many iterations of {_loop(loop)} are on the tape"
        case Base(bank=bank):
            return f"the address of the arrays of {_loop(bank.loop)}"
        case Scratch(load=load, rows=rows):
            return f"({'scratch' if rows == 1 else f'{rows} scratch rows'} for the adjoint of {load})"
        case Before(store=store):
            return f"what {store.pointer}{_line(store)} held before"
        case Length(bank=bank):
            return f"the length of the arrays of {_loop(bank.loop)}"
        case Snapshot(call=call, position=position):
            return f"a copy of {call.arguments[position]} at {call}"
    return _named(item)
