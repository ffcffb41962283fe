"""The plan: for everything that the reverse sweep reads, whether it is kept on the tape or computed again.

Given   Needs of one function.
Gives   Plan: the items to store, per loop (a value is stored once in each iteration of the innermost loop around it);
        everything else that is needed can be computed again from those, the arguments and the loop counters.
        It decides only; `reverse` writes. `str(plan)` explains.
Unsure  stores: that is always right.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from numbad.passes.analysis.induction import Affine, affine
from numbad.passes.analysis.loops import Loop
from numbad.passes.analysis.trips import Trip, trip
from numbad.passes.derivative.accumulations import accumulations
from numbad.passes.derivative.conditions import Condition, condition_of
from numbad.passes.derivative.costs import COPY, ITERATIONS, compute_cost, store_cost, tape_cost, times
from numbad.passes.derivative.cut import Choice, cheapest
from numbad.passes.derivative.exact import CHEAP, PURE_CALLS, is_exact
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.held import Held
from numbad.passes.derivative.layout import Layout, item_type
from numbad.passes.derivative.needs import (
    At,
    Before,
    Count,
    Edge,
    Item,
    Iteration,
    Kept,
    Moves,
    Needs,
    Scratch,
    Shadow,
    Snapshot,
)
from numbad.passes.derivative.reruns import find
from numbad.passes.derivative.restored import Restored
from numbad.passes.derivative.sources import Source, Sources, visited
from numbad.passes.derivative.stencils import Rows, of_one_sum, put_off
from numbad.passes.derivative.variation import Variation
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Call, GetElementPtr, Instruction, Load, Phi
from numbad.passes.ir.values import Argument, Constant, Value
from numbad.passes.rules.memory import Part, effect_of

SHADOW_MOVES = frozenset("getelementptr select bitcast addrspacecast".split())


@dataclass(frozen=True)
class Options:
    """Switches of the plan, each tested against the baseline with all of them off."""

    repeat_loads: bool = True
    weigh: bool = True
    count_trips: bool = True
    reuse: bool = True
    hoist: bool = True
    share: bool = True
    find: bool = True
    hold: bool = True
    put_off: bool = True
    accumulate: bool = True
    separate: bool = True
    rerun: bool = True
    restore: bool = True
    own_arrays: bool = True
    ranges: bool = True
    tape_limit: int = 64 << 20  # bytes of tape from which on iterations are run again in place of being kept

    def for_many_threads(self) -> Options:
        """Only what does not rest on one thread alone: between two of its accesses to memory, others may have been
        there."""
        kept = ("repeat_loads", "weigh", "count_trips", "accumulate", "reuse", "restore", "own_arrays", "ranges",
                "tape_limit")
        return Options(**{f.name: getattr(self, f.name) if f.name in kept else False for f in fields(self)})


class Plan:
    """What is `stored`, and where (`layout`); what is `recomputed`; the rows whose adjoints are `put_off`; the stores
    that are `accumulations`; the iterations that can be run again (`reruns`); where loads are `found` that are
    recomputed, and the banks of other loops that each loop `visited` for that; the objects that are `held`; the memory
    that is `restored`."""

    def __init__(self, facts: Facts, function: Function, needs: Needs, split: bool, options: Options,
                 restored: Restored | None = None):
        self.facts, self.function, self.needs, self.split, self.options = facts, function, needs, split, options
        self.restored = restored
        self.loops = facts.loops[function]
        self.stored: dict[Item, None] = {}
        self.recomputed: dict[Item, None] = {}
        self.choices: dict[Item, Choice] = {}  # what was chosen from
        self.affine: dict[Value, Affine] = {}
        self.found: dict[Load, Source] = {}  # where a load may be found that is not kept itself
        self.laws = {loop: law for loop in self.loops.loops if (law := self._trip(loop)) is not None}
        if len(facts.returns(function, split)) > 1:
            self.stored[Edge(None)] = None
        self.conditions: dict[Block, Condition] = {}
        self.trips = {loop: law.constant for loop, law in self.laws.items() if law.constant is not None}
        # Arrays for a loop do not help where the words of all threads lie beside each other anyway.
        self.layout = Layout(function, self.loops, {} if facts.target.many_threads else self.laws,
                             Variation(facts, function) if options.share else None)
        self._held = Held(facts, function) if options.hold and not split else None
        self._read_again: dict[Item, list[Call]] = {}  # the objects to hold for that
        self.sources = Sources(facts, function, self.laws) if options.find else None
        self._resolve(list(needs.items()))
        self.scratch: dict[Load, Scratch] = {}
        self.put_off = self._put_off()
        self.accumulations = accumulations(facts, function) if options.accumulate else {}
        self.reruns = find(self)
        for loop, rerun in self.reruns.items():
            self._resolve(list(rerun.inputs))
            self.stored[Kept(loop)] = None
            self.layout.give_up_bank(loop, rerun.items)
        room = facts.target.own_arrays if options.own_arrays and not split else 0
        self.layout.close(self.stored, self.trips, room)
        self.visited = visited(self)
        self.held = dict.fromkeys(
            call for item, calls in self._read_again.items() if item in self.recomputed for call in calls)

    def _trip(self, loop: Loop) -> Trip | None:
        """The trip count of a loop that is left normally on one edge only (exceptions end everything)."""
        if not self.options.count_trips or loop in self.needs.inert_loops:
            return None
        live = self.needs.live
        exits = [(b, s) for b in loop.blocks if b in live for s in b.successors if s in live and s not in loop.blocks]
        return trip(loop, *exits[0]) if len(exits) == 1 else None

    def _put_off(self) -> dict[Loop, list[Rows]]:
        """Per loop the loads whose adjoints wait in scratch rows; these are allocated once, outside of all loops."""
        if not self.options.put_off:
            return {}
        found = {}
        for loop, groups in put_off(self.facts, self.function, self.laws).items():
            home = self.layout.home(Scratch(groups[0].loads[0]))
            if home is not None and home.parent is None:
                found[loop] = groups
                same = of_one_sum(load for rows in groups for load in rows.loads)
                height: dict[Load, int] = {}
                for rows in groups:
                    height |= {same[load]: max(height.get(same[load], 1), rows.height) for load in rows.loads}
                self.scratch |= {load: Scratch(first, 1 << (height[first] - 1).bit_length())
                                 for load, first in same.items()}
        self.stored |= dict.fromkeys(self.scratch.values())
        return found

    @property
    def cost(self) -> int:
        """Of all that is kept and computed again."""
        return sum(self.choices[item].store for item in self.stored if item in self.choices) \
            + sum(self.choices[item].compute for item in self.recomputed)

    # --- decisions ---

    def _resolve(self, items: list[Item]) -> None:
        """Store what cannot be computed again, or what a minimum cut says, and compute the rest again."""
        choices = self._choices(items)
        self.choices |= choices
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
            parts, runs = self._parts(item), times(self.layout.level(item))
            level, target = self.layout.level(item), self.facts.target
            store = COPY if isinstance(item, Snapshot) else store_cost(item_type(item), level, target)
            value = item.value if isinstance(item, Shadow) else item
            compute = compute_cost(value, target) if isinstance(value, Instruction) else 0
            found[item] = Choice(self._store_cost(item, store), compute * runs, parts)
            work += parts or ()
        return found

    def is_free(self, item: Item) -> bool:
        """Known in the reverse sweep without further ado."""
        value = item.value if isinstance(item, Shadow) else item
        if isinstance(value, (Before, Edge, Count, Kept, Snapshot)):
            return False
        return isinstance(value, Constant) or not isinstance(value, (Instruction, Argument)) or (
            isinstance(value, Argument) and not self.split)

    def _store_cost(self, item: Item, once: int) -> int:
        """Places that are written again and again stay in the cache."""
        level, home = self.layout.level(item), self.layout.home(item)
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
            if self.options.repeat_loads and self.is_constant_memory(pointer):
                return [pointer]
            return [pointer] if self._is_held(item, item.call, pointer) else None
        if not isinstance(item, Instruction):
            return None
        law = self._law(item)
        if law is not None:
            return [law.start, law.step]
        if (item.opcode in CHEAP or self.options.weigh) and is_exact(item):
            return list(item.arguments if isinstance(item, Call) else item.operands)
        if isinstance(item, Call) and (item.callee_name or "").startswith(PURE_CALLS):
            return list(item.arguments)
        if isinstance(item, Load) and self.options.repeat_loads and not item.volatile and item.ordering is None \
                and self.is_constant_memory(item.pointer):
            return [item.pointer]
        if isinstance(item, Load) and self.restored is not None and self.restored.can_be_read(item):
            return [item.pointer]
        if isinstance(item, Load) and self.layout.level(item) is not None \
                and self._is_held(item, item, item.pointer):
            return [item.pointer]
        if isinstance(item, Load) and self.sources is not None and (source := self.sources.of(item)) is not None:
            self.found[item] = source
            return [source.value]
        return None

    def _is_held(self, item: Item, i: Load | Call, pointer: Value) -> bool:
        """What is behind the pointer stays as it is, if the objects are held that this may be."""
        objects = self._held.objects(i, pointer) if self._held is not None else []
        if objects:
            self._read_again[item] = objects
        return bool(objects)

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

    # --- what is found in other loops ---

    def at(self, item: Item, moves: Moves) -> Item:
        """An item as it is taken in other loops than its own."""
        if isinstance(item, Iteration):
            return Iteration(moves(item.loop))
        if isinstance(item, At):
            return self.at(item.value, item.moves.then(moves))
        if not isinstance(item, Instruction):
            return item
        loop = self.layout.level(item)
        return At(item, moves) if loop is not None and moves(loop) is not loop else item

    def source(self, item: Item) -> Item | None:
        """What has the number of a load that is not kept."""
        source = self.found.get(item) if isinstance(item, Load) else None
        return self.at(source.value, source.moves) if source is not None else None

    def is_constant_memory(self, pointer: Value) -> bool:
        """It can be read again at any time: an argument's memory that stays as it is.

        Arguments may overlap each other; without the caller's word that written ones don't, no argument's memory may
        be written at all.
        """
        node = self.facts.memory.node(pointer)
        if self.split or node.escaped or not node.roots or not all(isinstance(r, Argument) for r in node.roots):
            return False
        return not any(self.facts.may_overlap(node, other) for other in self.facts.written)

    def __str__(self) -> str:
        from numbad.passes.derivative.report import report
        return report(self)
