"""Loads that give what an earlier loop stored or loaded: in place of being kept, they are found there.

    for i: t[i] = a[i] * b[i]           iteration n of the second loop loads what iteration n of the first one stored:
    for i: s += sin(t[i])               the reverse sweep takes a[i] * b[i] of that iteration, kept or computed again

The two loops are neighbours, or one and the same, in one iteration of the loop around them. They read and write the
same address in the same iteration: the forms of both addresses are equal but for the number of the iteration. Where the
later loop runs, the earlier one has run as often, and nothing has written there in between.

Given   facts of one function and its loops with known trip counts.
Gives   `of(load)`: a Source, the value that the load gives and the loop in whose iterations it is defined.
Unsure  (a call that may write, arguments that may overlap, other trip counts, an iteration that may leave the store
        out) None: the load is kept.

`visited` says of a plan that is made in which records of other loops the reverse of a loop finds something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numbad.passes.analysis.addresses import Addresses, Form
from numbad.passes.analysis.loops import Loop
from numbad.passes.analysis.trips import Trip
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.needs import At, Bank, Moves
from numbad.passes.derivative.writes import Writes
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Branch, Instruction, Load, Store
from numbad.passes.ir.types import size_of
from numbad.passes.ir.values import Value

if TYPE_CHECKING:
    from numbad.passes.derivative.plan import Plan

TRIED = 4
"""Accesses of one place that are tried as the source of a load, the nearest first."""
ITERATION = object()
"""In place of an access's own loop in the form of its address."""


@dataclass(frozen=True)
class Source:
    """`access` had the value, in the same iteration of `loop`; `moves` leads from there to the loop of the load."""

    value: Value
    access: Instruction
    loop: Loop
    moves: Moves


class Sources:
    def __init__(self, facts: Facts, function: Function, laws: Mapping[Loop, Trip]):
        self.facts, self.function, self.laws = facts, function, laws
        self.dominators, self.loops = facts.dominators[function], facts.loops[function]
        self.addresses = Addresses(self.loops)
        self.live = set(facts.live[function])
        self._found: dict[Load, Source | None] = {}
        self._writes: dict[object, Writes] = {}
        self._places: dict[object, list[Load | Store]] = {}  # in the order of the program
        self._position: dict[Load | Store, tuple[object, int]] = {}
        for block in self.dominators.order:
            loop = self.loops.innermost[block]
            if loop in laws and block in self.live:
                for i in block.instructions:
                    if isinstance(i, (Load, Store)) and not i.volatile and i.ordering is None:
                        place = self._place(i, loop)
                        accesses = self._places.setdefault(place, [])
                        self._position[i] = place, len(accesses)
                        accesses.append(i)

    def of(self, load: Load) -> Source | None:
        if load not in self._position or self.facts.memory.node(load.pointer).escaped:
            return None
        place, here = self._position[load]
        for access in self._places[place][:here + 1] if load not in self._found else ():  # one may lead to another
            if isinstance(access, Load) and access not in self._found:
                self._found[access] = self._source(access)
        return self._found[load]

    def _source(self, load: Load) -> Source | None:
        loop = self._loop(load)
        for access in self._before(load):
            if not self._gives(access, load):
                continue
            earlier = self._loop(access)
            assert earlier is not None and loop is not None
            moves = Moves(frozenset([(earlier, loop)]) if earlier is not loop else frozenset())
            if isinstance(access, Store):
                return Source(access.value, access, earlier, moves)
            source = self._found[access]
            return Source(access, access, earlier, moves) if source is None else \
                Source(source.value, source.access, source.loop, source.moves.then(moves))
        return None

    def _before(self, load: Load) -> Iterator[Load | Store]:
        """Accesses of the same place, from the nearest on."""
        place, here = self._position[load]
        return reversed(self._places[place][max(here - TRIED, 0):here])

    def _place(self, i: Load | Store, loop: Loop | None) -> object:
        """The same for accesses of the same address in the same iteration, each of its loop."""
        form = self.addresses.form(i.pointer)
        around = loop.parent if loop is not None else None
        terms = frozenset(
            (tuple(sorted((ITERATION if symbol is loop else symbol for symbol in product), key=id)), factor)
            for product, factor in form.terms.items())
        return around, _type(i), form.constant, terms

    def _gives(self, access: Load | Store, load: Load) -> bool:
        earlier, later = self._loop(access), self._loop(load)
        assert earlier is not None and later is not None and access.block is not None and load.block is not None
        if earlier is later:
            return self.dominators.dominates(access.block, load.block) and self._spares(later, load, access)
        if not self.dominators.dominates(access.block, earlier.latch) or not self._are_as_long(earlier, later):
            return False
        if earlier.parent is None and any(loop.parent is earlier for loop in self.loops.loops):
            return False  # its iterations may be run again, and are not on the tape then
        start = self._start(earlier, later)
        return start is not None and self._spares(earlier, load, access) and self._spares(later, load, None) \
            and self._spares_between(earlier, later, start, load)

    # --- the same iterations ---

    def _are_as_long(self, earlier: Loop, later: Loop) -> bool:
        one, other = self.laws[earlier], self.laws[later]
        if one == other:
            return True
        return one.predicate == other.predicate == "ne" and one.step == other.step \
            and self._rounds(one) == self._rounds(other)

    def _rounds(self, law: Trip) -> Form:
        first = self.addresses.form(law.start).plus(Form(law.step if law.ahead else 0))
        return self.addresses.form(law.bound).plus(first, -1)

    def _start(self, earlier: Loop, later: Loop) -> Block | None:
        """A block that control passes on its way to the later loop, and that leads to the earlier one if it goes there;
        None if the later may run without the earlier."""
        if self.dominators.dominates(earlier.header, later.header):
            return earlier.header
        guard, needed = self._guard(self._entry(earlier))
        if guard is None or not self.dominators.dominates(guard, later.header):
            return None
        block: Block | None = self._entry(later)
        while block is not None and block is not guard:
            other, taken = self._guard(block)
            if other is not None and other.terminator.operands[0] is guard.terminator.operands[0] and taken == needed:
                return guard
            block = self.dominators.immediate(block)
        return None

    def _guard(self, block: Block) -> tuple[Block | None, bool]:
        """The block whose condition decides whether this one runs, and what the condition is then."""
        predecessors = self.dominators.predecessors[block]
        if len(predecessors) != 1:
            return None, False
        branch = predecessors[0].terminator
        if not isinstance(branch, Branch) or not branch.is_conditional:
            return None, False
        _, yes, no = branch.operands
        return (predecessors[0], yes is block) if yes is not no else (None, False)

    def _entry(self, loop: Loop) -> Block:
        return next(p for p in self.dominators.predecessors[loop.header] if p not in loop.blocks)

    # --- nothing is written ---

    def _spares(self, loop: Loop, load: Load, access: Load | Store | None) -> bool:
        """The loop writes where the load reads in one place only, if at all, and that is the access."""
        if loop not in self._writes:
            self._writes[loop] = Writes(self.facts, self.addresses, loop)
        if not isinstance(access, Store):
            return self._writes[loop].spare(access or load)
        return self._moves_on(access, loop) and self._writes[loop].spare(access, but=access)

    def _moves_on(self, store: Store, loop: Loop) -> bool:
        """No two iterations of the loop write to the same byte."""
        form = self.addresses.form(store.pointer)
        changing = [product for product in form.terms if any(_changes(symbol, loop) for symbol in product)]
        return changing == [(loop,)] and abs(form.terms[loop,]) >= size_of(store.value.type)

    def _spares_between(self, earlier: Loop, later: Loop, start: Block, load: Load) -> bool:
        if (earlier, later) not in self._writes:
            blocks = self._between(earlier, later, start)
            self._writes[earlier, later] = Writes(self.facts, self.addresses, later, blocks)
        return self._writes[earlier, later].spare(load)

    def _between(self, earlier: Loop, later: Loop, start: Block) -> set[Block]:
        """The blocks on the way from the end of one loop to another."""
        entry = self._entry(later)
        found, work = {entry}, [entry]
        while work:
            for block in self.dominators.predecessors[work.pop()]:
                if block not in found and block not in earlier.blocks and block is not start:
                    found.add(block)
                    work.append(block)
        return found

    def _loop(self, i: Instruction) -> Loop | None:
        assert i.block is not None
        return self.loops.innermost[i.block]


def visited(plan: Plan) -> dict[Loop, list[Bank]]:
    """The banks of earlier loops in which the reverse of a loop finds something, by the loop."""
    found: dict[Loop, dict[Bank, None]] = {}
    for load in plan.found:
        loop = plan.layout.level(load)
        if load not in plan.recomputed or loop is None:
            continue
        banks = found.setdefault(loop, {})
        work, seen = [plan.source(load)], set()
        while work:
            item = work.pop()
            if not isinstance(item, At) or item in seen:
                continue
            seen.add(item)
            bank = plan.layout.bank(item.value)
            if bank is not None:
                if not bank.is_shared:  # else the reverse sweep is in its home already
                    banks[bank] = None
                continue
            source = plan.source(item.value)
            parts = [source] if source is not None else plan.choices[item.value].parts or ()
            work += [plan.at(part, item.moves) for part in parts]  # type: ignore[arg-type]
    return {loop: list(banks) for loop, banks in found.items()}


def _changes(symbol: object, loop: Loop) -> bool:
    if isinstance(symbol, Loop):
        return loop.contains(symbol)
    return getattr(symbol, "block", None) in loop.blocks


def _type(i: Load | Store) -> object:
    return i.type if isinstance(i, Load) else i.value.type
