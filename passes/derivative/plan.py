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
from collections.abc import Iterable
from dataclasses import dataclass, field

from numbad.passes.analysis.induction import Affine, affine
from numbad.passes.analysis.loops import Loop
from numbad.passes.analysis.trips import Trip, trip
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.needs import Base, Count, Edge, Item, Iteration, Needs, Shadow, Snapshot, Trips
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Call, GetElementPtr, Instruction, Load, Phi
from numbad.passes.ir.types import I32, I64, PTR, Type, size_of
from numbad.passes.ir.values import Argument, Constant, Named, Value
from numbad.passes.rules.memory import Part, effect_of

CHEAP = frozenset(
    """add sub mul shl lshr ashr and or xor icmp fcmp zext sext trunc ptrtoint bitcast addrspacecast select
    getelementptr extractvalue insertvalue udiv sdiv urem srem sitofp uitofp""".split())
CHEAP_FLOAT = frozenset("fadd fsub fmul fneg fpext fptrunc".split())
PURE_CALLS = ("numbad.tape.part", "llvm.smax", "llvm.smin", "llvm.umax", "llvm.umin", "llvm.abs.", "llvm.fabs",
              "llvm.copysign",
              "llvm.smul.with.overflow", "llvm.sadd.with.overflow", "llvm.ssub.with.overflow",
              "llvm.umul.with.overflow", "llvm.uadd.with.overflow", "llvm.usub.with.overflow")
SHADOW_MOVES = frozenset("getelementptr select bitcast addrspacecast".split())


@dataclass(frozen=True)
class Options:
    """Switches of the plan, each tested against the baseline with all of them off."""

    repeat_loads: bool = True
    recompute_floats: bool = True
    count_trips: bool = True


def item_type(item: Item) -> Type:
    match item:
        case Shadow(value=value):
            return value.type
        case Edge():
            return I32
        case Count():
            return I64
        case Snapshot() | Base():
            return PTR
        case Iteration() | Trips():
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
        floats: dict[Item, None] = {}
        self._resolve(needs.items(), floats)
        self._resolve_floats(floats)
        self.records: dict[Loop | None, Record] = {}
        for item in self.stored:
            self.records.setdefault(self.level(item), Record()).items.append(item)
        self.trips: dict[Loop, Trip] = {}
        for loop in reversed(self.loops.loops):  # inner before outer, which keep where the arrays of the inner are
            if loop in self.laws and loop in self.records:
                self.trips[loop] = self.laws[loop]
                self.stored[Base(loop)] = None
                self.records.setdefault(loop.parent, Record()).items.append(Base(loop))
        for record in self.records.values():
            record.close()
        self._kinds = {what: number for number, what in enumerate([None, *self.loops.loops, *self.stored])}

    def _trip(self, loop: Loop) -> Trip | None:
        """The trip count of a loop that is left normally on one edge only (exceptions end everything)."""
        if not self.options.count_trips or loop in self.needs.inert_loops:
            return None
        live = self.needs.live
        exits = [(b, s) for b in loop.blocks if b in live for s in b.successors if s in live and s not in loop.blocks]
        return trip(loop, *exits[0]) if len(exits) == 1 else None

    def is_indexed(self, item: Item) -> bool:
        """The item has a place on the tape for each iteration, allocated before its loop."""
        return item in self.stored and self.level(item) in self.trips

    def level(self, item: Item) -> Loop | None:
        """The innermost loop in each of whose iterations the item has a new value."""
        match item:
            case Shadow(value=value):
                return self.level(value)
            case Snapshot(call=call):
                return self.level(call)
            case Edge(block=block):
                return None if block is None else self.loops.innermost[block]
            case Count(loop=loop) | Base(loop=loop):
                return loop.parent
            case Instruction():
                assert item.block is not None
                return self.loops.innermost[item.block]
        return None

    def record(self, loop: Loop | None) -> Record:
        return self.records.get(loop) or Record()

    def kind(self, what: Loop | Item | None) -> int:
        """The number of a loop's records on the tape, or of an item's array, different in every function."""
        return zlib.crc32(self.function.name.encode()) << 28 | self._kinds[what]

    # --- decisions ---

    def _resolve(self, items: Iterable[Item], floats: dict[Item, None]) -> None:
        """Store or recompute, transitively; floats are left for later, when it is known what is there."""
        work = list(items)
        while work:
            item = work.pop()
            if item in self.stored or item in self.recomputed or item in floats or self.is_free(item):
                continue
            parts = self._parts(item)
            if parts is not None:
                self.recomputed[item] = None
                work += parts
            elif isinstance(item, Instruction) and item.type.is_float and self.options.recompute_floats \
                    and item.opcode in CHEAP_FLOAT:
                floats[item] = None
            else:
                self.stored[item] = None

    def _resolve_floats(self, floats: dict[Item, None]) -> None:
        order = {i: n for n, i in enumerate(self.function.instructions)}
        for item in sorted(floats, key=order.__getitem__):  # type: ignore[arg-type]
            assert isinstance(item, Instruction)
            if all(self.is_free(o) or o in self.stored or o in self.recomputed for o in item.operands):
                self.recomputed[item] = None
            else:
                self.stored[item] = None

    def is_free(self, item: Item) -> bool:
        """Known in the reverse sweep without further ado."""
        value = item.value if isinstance(item, Shadow) else item
        if isinstance(value, (Edge, Count, Snapshot)):
            return False
        return isinstance(value, Constant) or not isinstance(value, (Instruction, Argument)) or (
            isinstance(value, Argument) and not self.split)

    def _parts(self, item: Item) -> list[Item] | None:
        """What an item can be computed from; None if it has to be stored."""
        if isinstance(item, Shadow):
            return self._shadow_parts(item.value)
        if isinstance(item, Count):
            known = self.laws.get(item.loop)
            return [known.start, known.bound] if known is not None else None
        if isinstance(item, Snapshot):
            pointer = item.call.arguments[item.position]
            return [pointer] if self.options.repeat_loads and self.is_constant_memory(pointer) else None
        if not isinstance(item, Instruction):
            return None
        law = self._law(item)
        if law is not None:
            return [law.start, law.step]
        if item.opcode in CHEAP:
            return list(item.operands)
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
        for loop, record in self.records.items():
            how = " (indexed by the iteration)" if loop in self.trips else ""
            where = "once" if loop is None else f"each iteration of {loop.header}{how}"
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
        case Base(loop=loop):
            return f"the address of the arrays of {loop.header}"
        case Snapshot(call=call, position=position):
            return f"a copy of {call.arguments[position]} at {call}"
        case Named():
            return str(item)
    return str(item)
