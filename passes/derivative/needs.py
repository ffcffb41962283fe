"""What the reverse sweep reads of the forward sweep.

An *item* is something that the reverse sweep may have to know:

    a value            a primal value, in the iteration in which the reverse sweep is
    Shadow(value)      the shadow of a pointer
    Edge(block)        from which predecessor the block was entered, as a number
    Count(loop)        how often the loop went round
    Snapshot(call, k)  where the k-th argument of a matrix product is kept as it was
    At(value, moves)   a primal value of another loop, in the same iteration of that (see `sources`)
    Before(store)      what was in memory before the store (see `restored`)

Given   Facts and one of its functions.
Gives   Needs: the items that each instruction's reverse reads, the loops and branches that need not be reversed
        because nothing in them has an adjoint.
Unsure  does not happen: the lists are derived from the same rules that write the adjoints, and the writer raises `Bug`
        when it reads an item that was not announced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from numbad.passes.analysis.loops import Loop
from numbad.passes.analysis.memory import holds_pointer
from numbad.passes.derivative.facts import Facts
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import AtomicRMW, Call, Instruction, Load, Phi, Store
from numbad.passes.ir.values import Value
from numbad.passes.rules import memory as effects
from numbad.passes.rules.blas import Product, product_of
from numbad.passes.rules.symbols import Elementary, classify, rule_of
from numbad.passes.rules.table import Rule


@dataclass(frozen=True)
class Shadow:
    value: Value


@dataclass(frozen=True)
class Edge:
    block: Block | None  # None: the return that was taken


@dataclass(frozen=True)
class Count:
    loop: Loop


@dataclass(frozen=True)
class Snapshot:
    """The address of what an argument of a matrix product points to, as it was at the call."""

    call: Call
    position: int


@dataclass(frozen=True)
class Before:
    """What a store has overwritten."""

    store: Store


@dataclass(frozen=True)
class Kept:
    """How many iterations of a loop are on the tape; the others are run again (see `reruns`)."""

    loop: Loop


@dataclass(frozen=True)
class Iteration:
    """The number of the iteration of a loop in which the reverse sweep is."""

    loop: Loop


@dataclass(frozen=True)
class Moves:
    """Loops in each of whose iterations values are taken as they were in the same iteration of another loop."""

    pairs: frozenset[tuple[Loop, Loop]] = frozenset()  # (the loop of the values, the loop where they are taken)

    def __call__(self, loop: Loop) -> Loop:
        return next((to for origin, to in self.pairs if origin is loop), loop)

    def then(self, later: Moves) -> Moves:
        return Moves(frozenset((origin, later(to)) for origin, to in self.pairs) | later.pairs)


@dataclass(frozen=True)
class At:
    """What a value was in the iteration of its loop that `moves` says."""

    value: Instruction
    moves: Moves


@dataclass(frozen=True)
class Bank:
    """Arrays on the tape, indexed by the iteration of a loop with a known trip count, allocated at the entry of `home`:
    the loop itself, or one around it in whose iterations the items do not vary."""

    loop: Loop
    home: Loop

    @property
    def is_shared(self) -> bool:
        return self.home is not self.loop


@dataclass(frozen=True)
class Base:
    """Where the arrays of a bank are."""

    bank: Bank


@dataclass(frozen=True)
class Length:
    """How long the arrays of a shared bank are."""

    bank: Bank


@dataclass(frozen=True)
class Scratch:
    """A place for the adjoint of a load in each iteration, until the loop is over (see `stencils`); a ring of `rows` of
    them, a power of two, until as many iterations of the loop around are over."""

    load: Load
    rows: int = 1


@dataclass(frozen=True)
class Address:
    """Where the arrays of a bank are, while the reverse sweep is in its home; set when it comes there."""

    bank: Bank


@dataclass(frozen=True)
class Extent:
    """How long the arrays of a bank are, while the reverse sweep is in its home."""

    bank: Bank


Item = Value | Shadow | Edge | Count | Before | Kept | Snapshot | Iteration | At | Base | Length | Scratch | Address \
    | Extent


@dataclass(frozen=True)
class Way:
    """One way back from a block: the block where the reverse sweep goes on, and the predecessors that this stands for.

    Usually that is one predecessor; several are one way where nothing between them and `source` has an adjoint.
    """

    source: Block
    predecessors: tuple[Block, ...]


def elementary_rule(i: Instruction) -> Rule | None:
    """The rule of an arithmetic instruction or of a call of a known function."""
    if isinstance(i, Call):
        decision = classify(i)
        return decision.rule if isinstance(decision, Elementary) else None
    return rule_of(i)


def overwrites_shadow(facts: Facts, i: Store) -> bool:
    """The store puts something that is no pointer over memory that carries derivatives."""
    return facts.activity.is_active_memory(i.pointer) and not holds_pointer(i.value.type)


def reads(facts: Facts, i: Instruction) -> list[Item] | None:
    """The items that the reverse of one live instruction reads; None if it has no reverse."""
    active = facts.activity.is_active
    if isinstance(i, Phi):
        return [] if active(i) else None
    if isinstance(i, Load):
        return [Shadow(i.pointer)] if active(i) else None
    if isinstance(i, Store):
        return [Shadow(i.pointer)] if overwrites_shadow(facts, i) else None
    if isinstance(i, AtomicRMW):  # what was there before is not used (the fence saw to it)
        return [Shadow(i.pointer)] if active(i.value) and facts.activity.is_active_memory(i.pointer) else None
    if i.opcode == "ret":
        return [] if any(map(active, i.operands)) else None
    if isinstance(i, Call):
        found = _call_reads(facts, i)
        if found is not None or effects.effect_of(i) is not None:
            return found
    if not active(i):
        return None
    if i.opcode == "select":
        return [i.operands[0]]
    if i.opcode in ("extractelement", "insertelement"):
        return [i.operands[-1]]
    rule = elementary_rule(i)
    if rule is None:
        return []
    operands = i.arguments if isinstance(i, Call) else i.operands
    positions = {p for k, o in enumerate(operands) if active(o) for p in rule.reads[k]}
    return [i if p == rule.arity else operands[p] for p in sorted(positions)]


def _call_reads(facts: Facts, i: Call) -> list[Item] | None:
    memory = facts.activity.is_active_memory
    match effects.effect_of(i):
        case effects.Copy():
            if not memory(i.arguments[0]):
                return None
            sources: list[Item] = [Shadow(i.arguments[1])] if memory(i.arguments[1]) else []
            return [Shadow(i.arguments[0]), *sources, i.arguments[2]]
        case effects.Synchronise(arguments=count):
            return list(i.arguments[:count]) if facts.has_active_memory else None
        case effects.Shuffle():
            return [a for k, a in enumerate(i.arguments) if k != 2] if facts.activity.is_active(i) else None
        case effects.Fill():
            return [Shadow(i.arguments[0]), i.arguments[2]] if memory(i.arguments[0]) else None
        case None:
            callee = facts.callee(i)
            if callee is not None:
                return [] if facts.needs_derivative(callee) else None
            product = product_of(i)
            if product is not None and memory(i.arguments[product.result]):
                return _product_reads(facts, i, product)
    return None


def _product_reads(facts: Facts, i: Call, product: Product) -> list[Item]:
    """The dimensions, the shadows, and each factor whose partner has an adjoint."""
    found: list[Item] = [a for a in i.arguments if a.type.is_int]
    found.append(Shadow(i.arguments[product.result]))
    for position, other in zip(product.factors, product.factors[::-1], strict=True):  # a norm is its own partner
        if facts.activity.is_active_memory(i.arguments[position]):
            found += [Shadow(i.arguments[position]), Snapshot(i, other)]
    return found


class Needs:
    """`undone`: stores whose reverse puts back what was there before."""

    def __init__(self, facts: Facts, function: Function, undone: Iterable[Store] = ()):
        self.facts, self.function, self.undone = facts, function, frozenset(undone)
        self.loops, self.dominators = facts.loops[function], facts.dominators[function]
        self.live = set(facts.live[function])
        self.by_instruction: dict[Instruction, list[Item]] = {}
        for block in facts.live[function]:
            for i in block.instructions:
                items = reads(facts, i)
                if i in self.undone:
                    assert isinstance(i, Store)
                    items = [*(items or ()), i.pointer, Before(i)]
                if items is not None:
                    self.by_instruction[i] = items
        busy = {i.block for i in self.by_instruction}
        self.inert_loops = {loop for loop in self.loops.loops if not busy & loop.blocks}
        self._busy = busy
        self._ways: dict[Block, list[Way]] = {}
        self.bypass = self._bypasses()

    def items(self) -> Iterator[Item]:
        """Everything that is read, by instructions and by control flow."""
        for items in self.by_instruction.values():
            yield from items
        for block in self.facts.live[self.function]:
            if self.in_inert_loop(block):
                continue
            loop = self.loop_of_header(block)
            if loop is not None:
                yield Count(loop)
            elif len(self.ways(block)) > 1:
                yield Edge(block)

    def loop_of_header(self, block: Block) -> Loop | None:
        loop = self.loops.innermost[block]
        return loop if loop is not None and loop.header is block and loop not in self.inert_loops else None

    def in_inert_loop(self, block: Block) -> bool:
        return self.loops.innermost[block] in self.inert_loops

    def ways(self, block: Block) -> list[Way]:
        """The ways on which the reverse sweep may go on behind `block`."""
        if block not in self._ways:
            self._ways[block] = self._find_ways(block)
        return self._ways[block]

    def way_of(self, block: Block, predecessor: Block) -> int:
        """The number of the way that leads back over a predecessor."""
        return next(n for n, way in enumerate(self.ways(block)) if predecessor in way.predecessors)

    def _find_ways(self, block: Block) -> list[Way]:
        predecessors = self.dominators.predecessors[block]
        if block in self.bypass:
            return [Way(self.bypass[block], tuple(predecessors))]
        phis = [phi for phi in block.phis if phi in self.by_instruction]
        found: dict[tuple, list[Block]] = {}
        for predecessor in predecessors:
            values = tuple(map(id, (phi.incoming_from(predecessor) for phi in phis)))
            found.setdefault((self._before_inert(predecessor), values), []).append(predecessor)
        return [Way(source, tuple(group)) for (source, _), group in found.items()]

    def _before_inert(self, block: Block) -> Block:
        """In place of a block in an inert loop, the block from which the loop was entered."""
        while self.in_inert_loop(block):
            loop = self.loops.innermost[block]
            assert loop is not None
            while loop.parent in self.inert_loops:
                loop = loop.parent
            (block,) = [p for p in self.dominators.predecessors[loop.header] if p not in loop.blocks]
        return block

    def _bypasses(self) -> dict[Block, Block]:
        """Joins behind branches in which nothing has an adjoint: the reverse sweep goes on at the dominator."""
        found: dict[Block, Block] = {}
        for block in self.facts.live[self.function]:
            predecessors = self.dominators.predecessors[block]
            top = self.dominators.immediate(block)
            loop = self.loops.innermost[block]
            if len(predecessors) < 2 or top is None or (loop is not None and loop.header is block):
                continue
            if self.loops.innermost[top] is not loop or any(phi in self.by_instruction for phi in block.phis):
                continue
            if self._nothing_between(top, block):
                found[block] = top
        return found

    def _nothing_between(self, top: Block, bottom: Block) -> bool:
        seen: set[Block] = set()
        work = [p for p in self.dominators.predecessors[bottom] if p is not top]
        loop = self.loops.innermost[bottom]
        while work:
            block = work.pop()
            if block in seen:
                continue
            seen.add(block)
            here = self.loops.innermost[block]
            if block in self._busy or len(seen) > 64:
                return False
            if here is not loop and here not in self.inert_loops:
                return False
            work += [p for p in self.dominators.predecessors[block] if p is not top]
        return True
