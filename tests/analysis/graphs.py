"""Random control flow, and what is known about it by definition.

Given   a random generator.
Gives   functions whose blocks do nothing but branch, and slow answers taken straight from the definitions.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from numbad.passes.analysis.dominators import Dominators
from numbad.passes.analysis.loops import Loops
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Branch, Instruction, Switch
from numbad.passes.ir.types import I1, I32, VOID, FunctionType
from numbad.passes.ir.values import ConstantInt


def random_function(rng: random.Random, blocks: int) -> Function:
    """Up to three successors a block, any block but the first; some blocks cannot be reached."""
    function = Function("f", FunctionType(VOID, (I1, I32)))
    condition, number = function.arguments
    made = [function.append(Block(f"b{k}")) for k in range(blocks)]
    for block in made:
        targets = [rng.choice(made[1:]) for _ in range(rng.choice([0, 1, 1, 2, 2, 2, 3]))] if blocks > 1 else []
        match targets:
            case []:
                block.append(Instruction("ret", VOID))
            case [target]:
                block.append(Branch(target))
            case [yes, no]:
                block.append(Branch(condition, yes, no))
            case [default, *cases]:
                block.append(Switch(number, default, [(ConstantInt(I32, k), t) for k, t in enumerate(cases)]))
    return function


def reachable(start: Iterable[Block], without: Block | None = None) -> set[Block]:
    """The blocks that paths from `start` lead to, paths through `without` left aside."""
    found = {block for block in start if block is not without}
    work = list(found)
    while work:
        for block in work.pop().successors:
            if block is not without and block not in found:
                found.add(block)
                work.append(block)
    return found


def dominates(function: Function, a: Block, b: Block) -> bool:
    """b cannot be reached if a is removed."""
    return a is b or b not in reachable([function.entry], without=a)


def is_reducible(function: Function) -> bool:
    """Whether the graph shrinks to one block by T1 (drop a self loop) and T2 (join a block with its only
    predecessor)."""
    blocks = reachable([function.entry])
    edges = {block: set(block.successors) for block in blocks}
    while True:
        for block in edges:
            edges[block].discard(block)
        entries = {block: [p for p in edges if block in edges[p]] for block in edges if block is not function.entry}
        single = next((block for block, sources in entries.items() if len(sources) == 1), None)
        if single is None:
            return len(edges) == 1
        (source,) = entries[single]
        edges[source].discard(single)
        edges[source] |= edges.pop(single)


def check_dominators(function: Function) -> int:
    """The dominators that the analysis finds are those of the definition; gives how many are not immediate."""
    dominators, related = Dominators(function), 0
    known = set()
    for a in function.blocks:
        without = reachable([function.entry], without=a)
        known |= {(a, b) for b in function.blocks if b is a or b not in without}
    assert {(a, b) for a in function.blocks for b in function.blocks if dominators.dominates(a, b)} == known
    for block in dominators.order[1:]:
        strict = [a for a in dominators.order if a is not block and (a, block) in known]
        closest = [a for a in strict if all((other, a) in known for other in strict)]
        assert [dominators.immediate(block)] == closest
        related += len(strict) > 1
    return related


def natural_loops(function: Function) -> dict[Block, set[Block]]:
    """By definition: a header, and all blocks that reach one of its back edges on paths without the header."""
    blocks = [b for b in function.blocks if b in reachable([function.entry])]
    found: dict[Block, set[Block]] = {}
    for latch in blocks:
        for header in latch.successors:
            if dominates(function, header, latch):
                body = {b for b in blocks if latch in reachable([b], without=header)}
                found.setdefault(header, {header}).update(body)
    return found


def check_loops(function: Function) -> int:
    """The loops that the analysis finds are those of the definition; gives their depth."""
    loops, known = Loops(function, Dominators(function)), natural_loops(function)
    assert {loop.header: loop.blocks for loop in loops.loops} == known
    assert len(loops.loops) == len(known)
    around = {block: sorted((header for header in known if block in known[header]), key=lambda h: len(known[h]))
              for block in loops.innermost}
    for loop in loops.loops:
        outer = around[loop.header][1:]
        assert (loop.parent.header if loop.parent is not None else None) == (outer[0] if outer else None)
        assert loop.depth == 1 + len(outer)
        assert loop.parent is None or loops.loops.index(loop.parent) < loops.loops.index(loop)
        assert set(loop.latches) == {b for b in known[loop.header] if loop.header in b.successors}
    for block, headers in around.items():
        inner = loops.innermost[block]
        assert (inner.header if inner is not None else None) == (headers[0] if headers else None)
        for target in block.successors:
            assert [loop.header for loop in loops.left(block, target)] == [h for h in headers if target not in known[h]]
            assert loops.is_back_edge(block, target) == (target in known and block in known[target])
    return max((loop.depth for loop in loops.loops), default=0)
