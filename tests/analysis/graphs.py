"""Random control flow, and what is known about it by definition.

Given   a random generator.
Gives   functions whose blocks do nothing but branch, and slow answers taken straight from the definitions.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

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
