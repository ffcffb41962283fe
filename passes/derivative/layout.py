"""Where stored items lie on the tape.

A loop whose trip count is known before it starts has banks: an array for each item, indexed by the iteration (both
sweeps then run through memory with unit stride and without calls). An item that does not vary in the loops around its
own has one such array for all of their iterations. Other loops push a record in each iteration, but for loops of a few
iterations whose items have arrays on the stack (see `own_arrays`).

Given   one function's loops, those with known trip counts, and in which loops values vary (None: in all).
Gives   Layout: for each item the loop of whose iterations it is, and after `close` its record, bank or own array.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from numbad.passes.analysis.induction import invariant
from numbad.passes.analysis.loops import Loop, Loops
from numbad.passes.analysis.trips import Trip
from numbad.passes.derivative.needs import (
    Address,
    At,
    Bank,
    Base,
    Before,
    Count,
    Edge,
    Extent,
    Item,
    Iteration,
    Kept,
    Length,
    Scratch,
    Shadow,
    Snapshot,
)
from numbad.passes.derivative.own_arrays import own_arrays
from numbad.passes.derivative.tape import place_in_array
from numbad.passes.derivative.variation import Variation
from numbad.passes.ir.builder import Builder, i64
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Instruction
from numbad.passes.ir.types import I32, I64, PTR, Type, size_of
from numbad.passes.ir.values import Value


def item_type(item: Item) -> Type:
    match item:
        case Shadow(value=value) | At(value=value):
            return value.type
        case Edge():
            return I32
        case Snapshot() | Base() | Address():
            return PTR
        case Scratch(load=load):
            return load.type
        case Before(store=store):
            return store.value.type
        case Iteration() | Extent() | Length() | Count() | Kept():
            return I64
    return item.type


def item_bytes(item: Item) -> int:
    """What one iteration stores."""
    return size_of(item_type(item)) * (item.rows if isinstance(item, Scratch) else 1)


@dataclass
class Record:
    """What is stored together, with byte offsets; `size` is a multiple of 8."""

    items: list[Item] = field(default_factory=list)
    offsets: dict[Item, int] = field(default_factory=dict)
    size: int = 0

    def close(self) -> None:
        """Lay out the items: wide ones first, so that none needs padding."""
        for item in sorted(self.items, key=lambda i: -size_of(item_type(i))):
            align = min(size_of(item_type(item)), 8)
            self.size = -(-self.size // align) * align
            self.offsets[item] = self.size
            self.size += item_bytes(item)
        self.size = -(-self.size // 8) * 8


class Layout:
    """`records[loop]`: what each iteration pushes; `records[None]`: what the function keeps once; `banks`; `own[loop]`:
    what each iteration puts into arrays on the stack, which have room for so many iterations (`runs`) in all."""

    def __init__(self, function: Function, loops: Loops, laws: Mapping[Loop, Trip], variation: Variation | None):
        self.function, self.loops, self.laws, self.variation = function, loops, laws, variation
        self.records: dict[Loop | None, Record] = {}
        self.banks: dict[Bank, Record] = {}
        self.own: dict[Loop, Record] = {}
        self.runs: dict[Loop, int] = {}
        self._trips: Mapping[Loop, int] = {}
        self._own: dict[Item, Loop] = {}
        self._bank: dict[Item, Bank] = {}
        self._kinds: dict[object, int] = {}
        self._in_records: dict[Loop, frozenset[Item]] = {}

    def give_up_bank(self, loop: Loop, items: frozenset[Item]) -> None:
        """What each iteration keeps of these goes into a record, which can be taken off the tape; so does where the
        arrays of inner loops are."""
        self._in_records[loop] = items

    def close(self, stored: dict[Item, None], trips: Mapping[Loop, int], room: int) -> None:
        """Give each item its place; adds to `stored` what says where the banks are. `trips`: those that are
        constant; `room`: bytes on the stack."""
        for item in list(stored):
            self._keep(item, self.home(item))
        for loop in reversed(self.loops.loops):  # inner before outer, which keep where the arrays of the inner are
            for bank in self.banks_at(loop):
                for item in (Base(bank), Length(bank)) if bank.is_shared else (Base(bank),):
                    stored[item] = None
                    self._keep(item, loop.parent)
        kept = {loop: sum(map(item_bytes, record.items)) for loop, record in self.records.items() if loop is not None}
        self._trips = trips
        self.runs = own_arrays(kept, trips, room)
        self.own = {loop: self.records.pop(loop) for loop in self.runs}
        self._own = {item: loop for loop, record in self.own.items() for item in record.items}
        for record in (*self.records.values(), *self.banks.values(), *self.own.values()):
            record.close()
        self._kinds = {what: number for number, what in enumerate([None, *self.loops.loops, *self.banks, *stored])}

    def _keep(self, item: Item, home: Loop | None) -> None:
        """Give a stored item its place."""
        loop = self.level(item)
        if loop is None or home is None or loop not in self.laws or self._is_taken_off(item, loop):
            self.records.setdefault(loop, Record()).items.append(item)
            return
        bank = self._bank[item] = Bank(loop, home)
        self.banks.setdefault(bank, Record()).items.append(item)

    def _is_taken_off(self, item: Item, loop: Loop) -> bool:
        return loop in self._in_records and (item in self._in_records[loop] or isinstance(item, (Base, Length)))

    def home(self, item: Item) -> Loop | None:
        """The outermost loop around an item's own in which neither the item nor the trip count varies."""
        home = self.level(item)
        law = self.laws.get(home)  # type: ignore[arg-type]
        if home is None or law is None or self.variation is None or not isinstance(item, (Instruction, Scratch)):
            return home
        varies = self.variation.loops(item) if isinstance(item, Instruction) else frozenset()
        while home.parent is not None and home.parent not in varies \
                and invariant(law.start, home.parent) and invariant(law.bound, home.parent):
            home = home.parent
        return home

    def bank(self, item: Item) -> Bank | None:
        """The bank of an item that has a place for each iteration of its loop."""
        return self._bank.get(item)

    def own_array(self, item: Item) -> Loop | None:
        """The loop for whose iterations an item has an array on the stack."""
        return self._own.get(item)

    def index(self, builder: Builder, loop: Loop, iteration: Callable[[Loop], Value]) -> Value:
        """Which run of a loop's body this is, those in earlier iterations of the loops around it counted."""
        if loop.parent is None:
            return iteration(loop)
        before = builder.binary("mul", self.index(builder, loop.parent, iteration), i64(self._trips[loop]))
        return builder.binary("add", before, iteration(loop))

    def banks_at(self, home: Loop) -> list[Bank]:
        """The banks that are allocated where a loop is entered."""
        return [bank for bank in self.banks if bank.home is home]

    def level(self, item: Item) -> Loop | None:
        """The innermost loop in each of whose iterations the item has a new value."""
        match item:
            case Shadow(value=value):
                return self.level(value)
            case Snapshot(call=call):
                return self.level(call)
            case Scratch(load=load):
                return self.level(load)
            case Before(store=store):
                return self.level(store)
            case Edge(block=block):
                return None if block is None else self.loops.innermost[block]
            case Count(loop=loop) | Kept(loop=loop):
                return loop.parent
            case Base(bank=bank) | Length(bank=bank):
                return bank.home.parent
            case Instruction():
                assert item.block is not None
                return self.loops.innermost[item.block]
        return None

    def record(self, loop: Loop | None) -> Record:
        return self.records.get(loop) or Record()

    def kind(self, what: Loop | Bank | Item | None) -> int:
        """The number of a loop's records on the tape, of a bank, or of an item's array, different in every function."""
        return zlib.crc32(self.function.name.encode()) << 28 | self._kinds[what]

    def place(self, builder: Builder, item: Item, base: Value, length: Value, iteration: Value) -> Value:
        """Where an item of a bank lies, the bank's arrays being at `base` and so long."""
        offset = self.banks[self._bank[item]].offsets[item]
        return place_in_array(builder, base, length, offset, self.kind(item), item_type(item), iteration)
