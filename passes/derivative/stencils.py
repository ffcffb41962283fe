"""Loads of neighbours in one row, whose adjoints are added row by row and not cell by cell.

    for i: y[i] = x[i-1] + x[i+1]           for i: t = y'[i];  x'[i+1] += t;  s[i] = t
                                      ->    for i: x'[i-1] += s[i]

The mechanical adjoint of the loop adds to x' in two places an iteration apart: each iteration waits for the last, and
nothing is vectorised. With all loads but one put off, by way of a scratch row, every loop adds to each place once. It
is the splitting of Hueckelheim et al. (PerforAD, 2019) without the shift, and so without borders to peel.

Given   facts of one function and its loops with known trip counts.
Gives   `put_off`: the loads whose adjoints go to a scratch row.
Unsure  (the loop may write what it loads, an iteration may leave the load out) the load adds at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from numbad.passes.analysis.addresses import Addresses
from numbad.passes.analysis.loops import Loop
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.writes import Writes
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Load
from numbad.passes.ir.types import size_of

MOST = 8
"""Loads of one row that are put off; more of them cost more than they save."""


def put_off(facts: Facts, function: Function, loops: Iterable[Loop]) -> list[Load]:
    addresses = Addresses(facts.loops[function])
    found: list[Load] = []
    for loop in loops:
        rows = _rows(facts, function, loop, addresses)
        if rows:
            writes = Writes(facts, addresses, loop)
            found += [load for row in rows if len(row) - 1 <= MOST and all(map(writes.spare, row)) for load in row[1:]]
    return found


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
                    rows.setdefault((i.type, frozenset(form.terms.items())), []).append(i)
    return [row for row in rows.values() if len(row) > 1]


def _changes(symbol: object, loop: Loop) -> bool:
    if isinstance(symbol, Loop):
        return loop.contains(symbol)
    return getattr(symbol, "block", None) in loop.blocks
