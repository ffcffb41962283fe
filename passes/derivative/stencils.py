"""Loads of neighbours, whose adjoints are added row by row and not cell by cell.

    for i: y[i] = x[i-1] + x[i] + x[i+1]         for i: s[i] = y'[i]
                                           ->    for i: x'[i] += s[i+1] + s[i] + s[i-1]

The mechanical adjoint of the loop adds to x' in three places an iteration apart: each iteration waits for the last, and
nothing is vectorised. With the adjoints put off, by way of scratch rows, every loop goes to each place once: the
scatter has become a gather. It is the splitting of Hueckelheim et al. (PerforAD, 2019), with borders peeled at run time
(`rows`). Loads that go into one sum have one adjoint, and so one scratch row. One load may still add at once.

    for i: for j: b[i, j] = a[i-1, j] + a[i, j-1] + a[i, j+1] + a[i+1, j]            shifts 0 1 1 2, places 1 0 2 1

Loads of other rows join, if the loop around leads from row to row: their scratch is a ring that holds the rows of the
last iterations, and a row of a' is added to when the last of those iterations is over that have something for it.

Given   facts of one function and its loops with known trip counts.
Gives   `put_off`: the loads whose adjoints wait, by groups that add to the same rows, and `of_one_sum`: which have the
        same adjoint.
Unsure  (a loop may write what it loads, an iteration may leave the load out, the rows of an array may be left out) the
        load adds at once, or with those of its own row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from numbad.passes.analysis.addresses import Addresses, Form, Product
from numbad.passes.analysis.induction import invariant
from numbad.passes.analysis.loops import Loop
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.writes import Writes
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Branch, Instruction, Load
from numbad.passes.ir.types import size_of

MOST = 9
"""Loads of one group: the pass that adds to a row reads as many scratch rows, each by a register."""
HIGHEST = 8
"""Rows of one ring: farther rows have left the nearest cache by the time they are added to."""


@dataclass(frozen=True)
class Rows:
    """Loads whose adjoints are put off. In iteration q of `outer` a load reads what belongs to row q + its shift, from
    its place on; both count from the first row and the first place that a load of the group reads."""

    loads: tuple[Load, ...]
    places: tuple[int, ...]
    shifts: tuple[int, ...]
    outer: Loop | None  # None: all are of one row

    @property
    def height(self) -> int:
        """The iterations of `outer` that add to one row."""
        return max(self.shifts) + 1


Member = tuple[Load, int, int]
"""A load, its shift, its place."""


def put_off(facts: Facts, function: Function, loops: Collection[Loop]) -> dict[Loop, list[Rows]]:
    search = _Search(facts, function, loops)
    return {loop: found for loop in loops if (found := search.groups(loop))}


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


class _Search:
    def __init__(self, facts: Facts, function: Function, loops: Collection[Loop]):
        self.facts, self.function, self.loops = facts, function, loops
        self.dominators, self.innermost = facts.dominators[function], facts.loops[function].innermost
        self.addresses = Addresses(facts.loops[function])
        self._writes: dict[Loop, Writes] = {}
        self._pivots: dict[object, Product] = {}

    def groups(self, loop: Loop) -> list[Rows]:
        loads = self._loads(loop)
        if len(loads) < 2:
            return []
        outer = loop.parent
        if outer is None or outer not in self.loops or not self._runs_alike(loop, outer):
            outer = None
        found = []
        for group in self._by_rows(loads, loop, outer):
            for part in _parts(group):
                if outer is not None and _is_worth_it(part) and self._spare(part, outer):
                    found.append(_rows(part, outer))
                else:
                    found += [_rows(row, None) for row in self._by_rows([load for load, _, _ in part], loop, None)
                              if 1 < len(row) <= MOST and self._spare(row, loop)]
        return found

    def _spare(self, group: list[Member], loop: Loop) -> bool:
        """Nothing writes what is loaded: until the loop is over nobody but loads goes to its shadow, to add."""
        if loop not in self._writes:
            self._writes[loop] = Writes(self.facts, self.addresses, loop)
        return all(self._writes[loop].spare(load) for load, _, _ in group)

    def _loads(self, loop: Loop) -> list[Load]:
        """Loads with adjoints that run in every iteration and move one place in each."""
        found = []
        for block in self.dominators.order:
            if self.innermost[block] is not loop or not self.dominators.dominates(block, loop.latch):
                continue
            for i in block.instructions:
                if isinstance(i, Load) and i.type.is_float and self.facts.activity.is_active(i):
                    form = self.addresses.form(i.pointer)
                    moving = [product for product in form.terms if any(_changes(symbol, loop) for symbol in product)]
                    if moving == [(loop,)] and form.terms[loop,] == size_of(i.type):
                        found.append(i)
        return found

    def _by_rows(self, loads: list[Load], loop: Loop, outer: Loop | None) -> list[list[Member]]:
        """Loads that are whole iterations of the outer loop and a constant number of elements apart."""
        found: dict[tuple, list[Member]] = {}
        for load in loads:
            form, size = self.addresses.form(load.pointer), size_of(load.type)
            step = _step(form, loop, outer) if outer is not None else Form()
            terms = frozenset(step.terms.items())
            row = 0
            if terms:
                pivot = self._pivots.setdefault(terms, next(iter(step.terms)))
                row = form.terms.get(pivot, 0) // step.terms[pivot]
            rest = form.plus(step, -row)
            distance = 0 if terms or step.constant % size else step.constant // size
            key = load.type, rest.constant % size, frozenset(rest.terms.items()), terms, step.constant
            members = found.setdefault(key, [])
            place = rest.constant // size
            if distance and members:  # rows are told from places by which is nearer
                _, first_row, first = members[0]
                row = first_row + (2 * (place - first) + distance) // (2 * distance)
            members.append((load, row, place - row * distance))
        return list(found.values())

    def _runs_alike(self, loop: Loop, outer: Loop) -> bool:
        """A loop runs once in every iteration of the loop around it, or in none of them."""
        (start,) = (p for p in self.dominators.predecessors[loop.header] if p not in loop.blocks)
        before, work = {start}, [start]
        while work:
            block = work.pop()
            for predecessor in self.dominators.predecessors[block] if block is not outer.header else ():
                if predecessor not in before:
                    before.add(predecessor)
                    work.append(predecessor)
        live = set(self.facts.live[self.function])
        return all(
            all(s in before or s is loop.header for s in block.successors if s in live)
            or (self.dominators.dominates(block, start) and _decides_once(block, outer)) for block in before)


def _decides_once(block: Block, loop: Loop) -> bool:
    branch = block.terminator
    return isinstance(branch, Branch) and branch.is_conditional and invariant(branch.operands[0], loop)


def _changes(symbol: object, loop: Loop) -> bool:
    if isinstance(symbol, Loop):
        return loop.contains(symbol)
    return getattr(symbol, "block", None) in loop.blocks


def _step(form: Form, loop: Loop, outer: Loop) -> Form:
    """What one iteration of the outer loop adds to an address; nothing if that is not the same in all of them."""
    step = Form()
    for product, coefficient in form.terms.items():
        others = tuple(symbol for symbol in product if symbol is not outer)
        if product.count(outer) > 1 or (product != (loop,) and any(_changes(symbol, outer) for symbol in others)):
            return Form()
        if others != product:
            step = step.plus(Form(0, {others: coefficient}) if others else Form(coefficient))
    return step


def _parts(group: list[Member]) -> list[list[Member]]:
    """Neighbouring rows, as many as one ring holds and one pass adds."""
    rows: dict[int, list[Member]] = {}
    for member in group:
        rows.setdefault(member[1], []).append(member)
    parts: list[list[Member]] = []
    first = 0
    for shift in sorted(rows):
        if parts and shift - first < HIGHEST and len(parts[-1]) + len(rows[shift]) <= MOST:
            parts[-1] += rows[shift]
        else:
            parts.append(list(rows[shift]))
            first = shift
    return parts


def _is_worth_it(group: list[Member]) -> bool:
    """Rows that wait for each other cost less than each on its own."""
    rows: dict[int, list[Load]] = {}
    for load, shift, _ in group:
        rows.setdefault(shift, []).append(load)
    return len(rows) > 1 and _cost([load for load, _, _ in group]) < sum(map(_cost, rows.values()))


def _cost(loads: list[Load]) -> int:
    """What is read and, twice, what is written, in each iteration: to add at once, or by way of scratch rows."""
    return 3 if len(loads) == 1 else len(loads) + 1 + 2 * (len(set(of_one_sum(loads).values())) + 1)


def _rows(group: list[Member], outer: Loop | None) -> Rows:
    """All of a group but the first that shares its adjoint with none: a scratch row of its own would save nothing."""
    same = of_one_sum(load for load, _, _ in group)
    sums = list(same.values())
    left_out = next((load for load in same if sums.count(same[load]) == 1), None)
    loads, shifts, places = zip(*sorted((member for member in group if member[0] is not left_out),
                                        key=lambda member: member[2]), strict=True)
    is_one_row = outer is None or len(set(shifts)) == 1
    return Rows(loads, tuple(place - min(places) for place in places),
                tuple(0 if is_one_row else shift - min(shifts) for shift in shifts), None if is_one_row else outer)
