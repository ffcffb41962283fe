"""Loads of neighbours in one row, whose adjoints are added row by row and not cell by cell.

    for i: y[i] = x[i-1] + x[i] + x[i+1]         for i: t = y'[i];  x'[i] += t;  s[i] = t
                                           ->    for i: x'[i-1] += s[i];  x'[i+1] += s[i]

The mechanical adjoint of the loop adds to x' in three places an iteration apart: each iteration waits for the last, and
nothing is vectorised. With all loads but one put off, by way of scratch rows, every loop adds to each place once. It is
the splitting of Hueckelheim et al. (PerforAD, 2019); rows are added in pairs, whose borders are peeled at run time
(`runtime`). Loads that go into one sum have one adjoint, and so one scratch row.

Given   facts of one function and its loops with known trip counts.
Gives   `put_off`: the loads whose adjoints go to scratch rows, by rows, and `of_one_sum`: which have the same.
Unsure  (the loop may write what it loads, an iteration may leave the load out) the load adds at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from numbad.passes.analysis.addresses import Addresses
from numbad.passes.analysis.loops import Loop
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.writes import Writes
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Instruction, Load
from numbad.passes.ir.types import size_of

MOST = 8
"""Loads of one row that are put off; more of them cost more than they save."""


@dataclass(frozen=True)
class Row:
    """Loads that are put off, by address; `places` counts elements from the first one."""

    loads: tuple[Load, ...]
    places: tuple[int, ...]


def put_off(facts: Facts, function: Function, loops: Iterable[Loop]) -> dict[Loop, list[Row]]:
    addresses = Addresses(facts.loops[function])
    found: dict[Loop, list[Row]] = {}
    for loop in loops:
        rows = _rows(facts, function, loop, addresses)
        if rows:
            writes = Writes(facts, addresses, loop)
            for row in rows:
                if len(row) - 1 <= MOST and all(map(writes.spare, row)):
                    found.setdefault(loop, []).append(_row(row[1:], addresses))
    return found


def of_one_sum(loads: Iterable[Load]) -> dict[Load, Load]:
    """For each load the first one that has the same adjoint in every iteration."""
    first: dict[object, Load] = {}
    return {load: first.setdefault((load.type, *_sum(load)), load) for load in loads}


def _sum(value: Instruction) -> tuple[Instruction, bool]:
    """The sum into which a value goes and nothing else does with it, and whether it is subtracted."""
    is_negative = False
    while len(value.users) == 1:
        (user,) = value.users
        if user.opcode not in ("fadd", "fsub"):
            break
        is_negative ^= user.opcode == "fsub" and user.operands[1] is value
        value = user
    return value, is_negative


def _row(loads: list[Load], addresses: Addresses) -> Row:
    places = {load: addresses.form(load.pointer).constant // size_of(load.type) for load in loads}
    loads = sorted(loads, key=places.__getitem__)
    return Row(tuple(loads), tuple(places[load] - places[loads[0]] for load in loads))


def _rows(facts: Facts, function: Function, loop: Loop, addresses: Addresses) -> list[list[Load]]:
    """Loads that run in every iteration, by rows: those at constant distances that move one place an iteration."""
    innermost, dominates = facts.loops[function].innermost, facts.dominators[function].dominates
    rows: dict[object, list[Load]] = {}
    for block in facts.dominators[function].order:
        if innermost[block] is not loop or not dominates(block, loop.latch):
            continue
        for i in block.instructions:
            if isinstance(i, Load) and i.type.is_float and facts.activity.is_active(i):
                form = addresses.form(i.pointer)
                moving = [product for product in form.terms if any(_changes(symbol, loop) for symbol in product)]
                if moving == [(loop,)] and form.terms[loop,] == size_of(i.type):
                    phase = form.constant % size_of(i.type)
                    rows.setdefault((i.type, phase, frozenset(form.terms.items())), []).append(i)
    return [row for row in rows.values() if len(row) > 1]


def _changes(symbol: object, loop: Loop) -> bool:
    if isinstance(symbol, Loop):
        return loop.contains(symbol)
    return getattr(symbol, "block", None) in loop.blocks
