"""The plan: for everything that the reverse sweep reads, whether it is kept on the tape or computed again.

Given   Needs of one function.
Gives   Plan: the items to store, per loop (a value is stored once in each iteration of the innermost loop around it);
        everything else that is needed can be computed again from those, the arguments and the loop counters.
        It decides only; `reverse` writes. `str(plan)` explains.
Unsure  stores: that is always right.

A loop whose trip count is known before it starts has one piece of tape, an array for each item, indexed by the
iteration (both sweeps then run through memory with unit stride and without calls); other loops push a record in each
iteration.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from numbad.passes.analysis.induction import Affine, affine, invariant
from numbad.passes.analysis.loops import Loop
from numbad.passes.analysis.trips import Trip, trip
from numbad.passes.derivative.conditions import Condition, condition_of
from numbad.passes.derivative.costs import COPY, ITERATIONS, compute_cost, store_cost, tape_cost, times
from numbad.passes.derivative.cut import Choice, cheapest
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.needs import (
    Bank,
    Base,
    Count,
    Edge,
    Item,
    Iteration,
    Length,
    Needs,
    Scratch,
    Shadow,
    Snapshot,
    Trips,
    elementary_rule,
)
from numbad.passes.derivative.stencils import put_off
from numbad.passes.derivative.variation import Variation
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Call, GetElementPtr, Instruction, Load, Phi
from numbad.passes.ir.types import I32, I64, PTR, Type, size_of
from numbad.passes.ir.values import Argument, Constant, Named, Value
from numbad.passes.rules.memory import Part, effect_of

CHEAP = frozenset(
    """add sub mul shl lshr ashr and or xor icmp fcmp zext sext trunc ptrtoint bitcast addrspacecast select
    getelementptr extractvalue insertvalue udiv sdiv urem srem sitofp uitofp""".split())
PURE_CALLS = ("numbad.tape.part", "llvm.smax", "llvm.smin", "llvm.umax", "llvm.umin", "llvm.abs.", "llvm.fabs",
              "llvm.copysign",
              "llvm.smul.with.overflow", "llvm.sadd.with.overflow", "llvm.ssub.with.overflow",
              "llvm.umul.with.overflow", "llvm.uadd.with.overflow", "llvm.usub.with.overflow")
SHADOW_MOVES = frozenset("getelementptr select bitcast addrspacecast".split())


@dataclass(frozen=True)
class Options:
    """Switches of the plan, each tested against the baseline with all of them off."""

    repeat_loads: bool = True
    weigh: bool = True
    count_trips: bool = True
    hoist: bool = True
    share: bool = True
    put_off: bool = True


def item_type(item: Item) -> Type:
    match item:
        case Shadow(value=value):
            return value.type
        case Edge():
            return I32
        case Snapshot() | Base():
            return PTR
        case Scratch(load=load):
            return load.type
        case Iteration() | Trips() | Length() | Count():
            return I64
    return item.type


@dataclass
class Record:
    """What is stored together, with byte offsets; `size` is a multiple of 8."""

    items: list[Item] = field(default_factory=list)
    offsets: dict[Item, int] = field(default_factory=dict)
    size: int = 0

    def close(self) -> None:
        """Lay out the items: wide ones first, so that none needs padding."""
        for item in sorted(self.items, key=lambda i: -size_of(item_type(i))):
            bytes = size_of(item_type(item))
            align = min(bytes, 8)
            self.size = -(-self.size // align) * align
            self.offsets[item] = self.size
            self.size += bytes
        self.size = -(-self.size // 8) * 8


class Plan:
    """`records[loop]`: what each iteration stores; `records[None]`: what the function stores once."""

    def __init__(self, facts: Facts, function: Function, needs: Needs, split: bool, options: Options):
        self.facts, self.function, self.needs, self.split, self.options = facts, function, needs, split, options
        self.loops = facts.loops[function]
        self.stored: dict[Item, None] = {}
        self.recomputed: dict[Item, None] = {}
        self.affine: dict[Value, Affine] = {}
        self.laws = {loop: law for loop in self.loops.loops if (law := self._trip(loop)) is not None}
        if len(facts.returns(function, split)) > 1:
            self.stored[Edge(None)] = None
        self.conditions: dict[Block, Condition] = {}
        self.variation = Variation(facts, function)
        self._resolve(list(needs.items()))
        self.records: dict[Loop | None, Record] = {}
        self.banks: dict[Bank, Record] = {}
        self._bank: dict[Item, Bank] = {}
        for item in list(self.stored):
            self._keep(item, self._home(item))
        self.put_off = self._put_off()
        for loop in reversed(self.loops.loops):  # inner before outer, which keep where the arrays of the inner are
            for bank in self.banks_at(loop):
                for item in (Base(bank), Length(bank)) if bank.is_shared else (Base(bank),):
                    self.stored[item] = None
                    self._keep(item, loop.parent)
        for record in (*self.records.values(), *self.banks.values()):
            record.close()
        self._kinds = {what: number for number, what in enumerate([None, *self.loops.loops, *self.banks, *self.stored])}

    def _trip(self, loop: Loop) -> Trip | None:
        """The trip count of a loop that is left normally on one edge only (exceptions end everything)."""
        if not self.options.count_trips or loop in self.needs.inert_loops:
            return None
        live = self.needs.live
        exits = [(b, s) for b in loop.blocks if b in live for s in b.successors if s in live and s not in loop.blocks]
        return trip(loop, *exits[0]) if len(exits) == 1 else None

    def _keep(self, item: Item, home: Loop | None) -> None:
        """Give a stored item its place."""
        loop = self.level(item)
        if loop is None or home is None or loop not in self.laws:
            self.records.setdefault(loop, Record()).items.append(item)
            return
        bank = self._bank[item] = Bank(loop, home)
        self.banks.setdefault(bank, Record()).items.append(item)

    def _home(self, item: Item) -> Loop | None:
        """The outermost loop around an item's own in which neither the item nor the trip count varies."""
        home = self.level(item)
        law = self.laws.get(home)  # type: ignore[arg-type]
        if home is None or law is None or not self.options.share or not isinstance(item, (Instruction, Scratch)):
            return home
        varies = self.variation.loops(item) if isinstance(item, Instruction) else frozenset()
        while home.parent is not None and home.parent not in varies \
                and invariant(law.start, home.parent) and invariant(law.bound, home.parent):
            home = home.parent
        return home

    def _put_off(self) -> dict[Loop, list[Load]]:
        """Per loop the loads whose adjoints wait in scratch rows; these are allocated once, outside of all loops."""
        found: dict[Loop, list[Load]] = {}
        for load in put_off(self.facts, self.function, self.laws) if self.options.put_off else ():
            item, loop = Scratch(load), self.level(load)
            home = self._home(item)
            if loop is not None and home is not None and home.parent is None:
                self.stored[item] = None
                self._keep(item, home)
                found.setdefault(loop, []).append(load)
        return found

    def bank(self, item: Item) -> Bank | None:
        """The bank of an item that has a place for each iteration of its loop."""
        return self._bank.get(item)

    def banks_at(self, home: Loop) -> list[Bank]:
        """The banks that are allocated where a loop is entered."""
        return [bank for bank in self.banks if bank.home is home]

    def has_own_bank(self, loop: Loop) -> bool:
        return Bank(loop, loop) in self.banks

    def level(self, item: Item) -> Loop | None:
        """The innermost loop in each of whose iterations the item has a new value."""
        match item:
            case Shadow(value=value):
                return self.level(value)
            case Snapshot(call=call):
                return self.level(call)
            case Scratch(load=load):
                return self.level(load)
            case Edge(block=block):
                return None if block is None else self.loops.innermost[block]
            case Count(loop=loop):
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

    # --- decisions ---

    def _resolve(self, items: list[Item]) -> None:
        """Store what cannot be computed again, or what a minimum cut says, and compute the rest again."""
        choices = self._choices(items)
        if self.options.weigh:
            cut = cheapest(items, choices)
        else:
            cut = {item for item, choice in choices.items() if choice.parts is None}
        work = list(items)
        while work:
            item = work.pop()
            if item in self.stored or item in self.recomputed or item not in choices:
                continue
            if item in cut:
                self.stored[item] = None
            else:
                self.recomputed[item] = None
                work += choices[item].parts or ()  # type: ignore[arg-type]

    def _choices(self, items: list[Item]) -> dict[Item, Choice]:
        """What each item costs that may be needed."""
        found: dict[Item, Choice] = {}
        work = list(items)
        while work:
            item = work.pop()
            if item in found or self.is_free(item):
                continue
            parts, runs = self._parts(item), times(self.level(item))
            store = COPY if isinstance(item, Snapshot) else store_cost(item_type(item))
            value = item.value if isinstance(item, Shadow) else item
            compute = compute_cost(value) if isinstance(value, Instruction) else 0
            found[item] = Choice(self._store_cost(item, store), compute * runs, parts)
            work += parts or ()
        return found

    def is_free(self, item: Item) -> bool:
        """Known in the reverse sweep without further ado."""
        value = item.value if isinstance(item, Shadow) else item
        if isinstance(value, (Edge, Count, Snapshot)):
            return False
        return isinstance(value, Constant) or not isinstance(value, (Instruction, Argument)) or (
            isinstance(value, Argument) and not self.split)

    def _store_cost(self, item: Item, once: int) -> int:
        """Places that are written again and again stay in the cache."""
        level, home = self.level(item), self._home(item)
        if level is None or home is None or level is home:
            return once * tape_cost(level)
        return once * tape_cost(level) // ITERATIONS ** (level.depth - home.depth) + once * times(level) // 4

    def _parts(self, item: Item) -> list[Item] | None:
        """What an item can be computed from; None if it has to be stored."""
        if isinstance(item, Shadow):
            return self._shadow_parts(item.value)
        if isinstance(item, Count):
            known = self.laws.get(item.loop)
            return [known.start, known.bound] if known is not None else None
        if isinstance(item, Edge):
            return self._edge_parts(item)
        if isinstance(item, Snapshot):
            pointer = item.call.arguments[item.position]
            return [pointer] if self.options.repeat_loads and self.is_constant_memory(pointer) else None
        if not isinstance(item, Instruction):
            return None
        law = self._law(item)
        if law is not None:
            return [law.start, law.step]
        if item.opcode in CHEAP or (self.options.weigh and elementary_rule(item) is not None):
            return list(item.arguments if isinstance(item, Call) else item.operands)
        if isinstance(item, Call) and (item.callee_name or "").startswith(PURE_CALLS):
            return list(item.arguments)
        if isinstance(item, Load) and self.options.repeat_loads and not item.volatile and item.ordering is None \
                and self.is_constant_memory(item.pointer):
            return [item.pointer]
        return None

    def _shadow_parts(self, value: Value) -> list[Item] | None:
        if not isinstance(value, Instruction):
            return None
        law = self._law(value)
        if law is not None:
            return [Shadow(law.start), law.step]
        if isinstance(value, GetElementPtr):
            return [Shadow(value.base), *value.indices]
        if value.opcode in SHADOW_MOVES or (isinstance(value, Call) and isinstance(effect_of(value), Part)):
            return [Shadow(o) if o.type.is_pointer else o for o in value.operands]
        return None

    def _edge_parts(self, edge: Edge) -> list[Item] | None:
        """The condition of the branch that chose between the two ways to a join."""
        if edge.block is None or not self.options.weigh:
            return None
        found = condition_of(edge.block, self.needs)
        if found is None:
            return None
        self.conditions[edge.block] = found
        return [found.value]

    def _law(self, value: Value) -> Affine | None:
        if not isinstance(value, Phi) or value.block is None:
            return None
        loop = self.needs.loop_of_header(value.block)
        law = affine(value, loop) if loop is not None else None
        if law is not None:
            self.affine[value] = law
        return law

    def is_constant_memory(self, pointer: Value) -> bool:
        """It can be read again at any time: an argument's memory that stays as it is.

        Arguments may overlap each other; without the caller's word that written ones don't, no argument's memory may
        be written at all.
        """
        node = self.facts.memory.node(pointer)
        if self.split or node.written or node.escaped:
            return False
        if not node.roots or not all(isinstance(r, Argument) for r in node.roots):
            return False
        if self.facts.task.disjoint:
            return True
        return not any(n.written and n.roots and any(isinstance(r, Argument) or r == "unknown" for r in n.roots)
                       for n in self.facts.memory.nodes)

    def __str__(self) -> str:
        lines = [f"plan of {self.function}"]
        places = {"once" if loop is None else f"each iteration of {loop.header}": record
                  for loop, record in self.records.items()}
        places |= {f"each iteration of {bank.loop.header} (indexed by the iteration"
                   f"{f', again in each of {bank.home.header}' if bank.is_shared else ''})": record
                   for bank, record in self.banks.items()}
        for where, record in places.items():
            lines.append(f"  stored {where}: {record.size} bytes")
            lines += [f"    {_spell(item)}" for item in record.offsets]
        lines.append("  computed again: " + ", ".join(map(_spell, self.recomputed)))
        return "\n".join(lines)


def _spell(item: Item) -> str:
    match item:
        case Shadow(value=value):
            return f"shadow of {value}"
        case Edge(block=block):
            return f"the edge into {block}" if block is not None else "the return taken"
        case Count(loop=loop):
            return f"the count of {loop.header}"
        case Base(bank=bank):
            return f"the address of the arrays of {bank.loop.header}"
        case Scratch(load=load):
            return f"(scratch for the adjoint of {load})"
        case Length(bank=bank):
            return f"the length of the arrays of {bank.loop.header}"
        case Snapshot(call=call, position=position):
            return f"a copy of {call.arguments[position]} at {call}"
        case Named():
            return str(item)
    return str(item)
