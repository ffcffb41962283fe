"""Dominators: noted on small graphs, and against the definition on random ones."""

from __future__ import annotations

import random

import pytest

from analysis import graphs
from analysis.notes import Notes
from numbad.passes.analysis.dominators import Dominators, Postdominators, reverse_postorder
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.values import Named

DIAMOND = """
define void @f(i1 %c) {
entry:                                ; dominates: left right join
  br i1 %c, label %left, label %right
left:                                 ; immediate: entry
  br label %join
right:                                ; immediate: entry
  br label %join
join:                                 ; immediate: entry
  ret void
}
"""

LOOP_WITH_BREAK = """
define void @f(i1 %c, i1 %d) {
entry:                                ; dominates: head body broken latch after
  br label %head
head:                                 ; immediate: entry; dominates: body broken latch after
  br i1 %c, label %body, label %after
body:                                 ; immediate: head; dominates: broken latch
  br i1 %d, label %broken, label %latch
broken:                               ; immediate: body
  br label %after
latch:                                ; immediate: body
  br label %head
after:                                ; immediate: head
  ret void
}
"""

TWO_ENTRIES = """
define void @f(i1 %c, i1 %d) {
entry:                                ; dominates: left right after
  br i1 %c, label %left, label %right
left:                                 ; immediate: entry
  br i1 %d, label %right, label %after
right:                                ; immediate: entry
  br i1 %d, label %left, label %after
after:                                ; immediate: entry
  ret void
}
"""

SWITCH = """
define void @f(i32 %n, i1 %c) {
entry:                                ; dominates: one many again last
  switch i32 %n, label %many [ i32 0, label %one i32 1, label %one i32 2, label %many ]
one:                                  ; immediate: entry
  br label %last
many:                                 ; immediate: entry; dominates: again
  br label %again
again:                                ; immediate: many
  br i1 %c, label %again, label %last
last:                                 ; immediate: entry
  ret void
}
"""


@pytest.mark.parametrize("text", [DIAMOND, LOOP_WITH_BREAK, TWO_ENTRIES, SWITCH],
                         ids=["diamond", "loop with break", "two entries", "switch"])
def test_noted(text: str) -> None:
    notes = Notes(text, "dominates", "immediate")
    function = notes.function()
    dominators = Dominators(function)

    def dominates(subject: Named) -> str | None:
        below = [b.name for b in function.blocks if b is not subject and dominators.dominates(subject, b)] \
            if isinstance(subject, Block) else []
        return " ".join(below) or None

    def immediate(subject: Named) -> str | None:
        above = dominators.immediate(subject) if isinstance(subject, Block) else None
        return above.name if above is not None else None

    notes.check("dominates", dominates)
    notes.check("immediate", immediate)


def test_unreachable_blocks() -> None:
    notes = Notes("""
define void @f() {
entry:
  ret void
island:
  br label %beach
beach:
  br label %island
}
""")
    entry, island, beach = notes.function().blocks
    dominators = Dominators(notes.function())
    assert dominators.order == [entry]
    assert dominators.dominates(island, beach) and dominators.dominates(entry, beach)
    assert not dominators.dominates(island, entry)


def random_functions(count: int) -> list[Function]:
    rng = random.Random(1)
    return [graphs.random_function(rng, rng.randint(1, 12)) for _ in range(count)]


def test_random_graphs_against_removal_of_a_block() -> None:
    related = sum(map(graphs.check_dominators, random_functions(200)))
    assert related > 100  # the graphs are not all flat


def test_random_orders() -> None:
    for function in random_functions(200):
        order = reverse_postorder(function.entry)
        assert set(order) == graphs.reachable([function.entry]) and len(set(order)) == len(order)
        assert order[0] is function.entry
        place = {block: k for k, block in enumerate(order)}
        for block in order:
            for successor in block.successors:
                is_back = place[successor] <= place[block]
                assert not is_back or block in graphs.reachable([successor])


def test_predecessors_are_the_reachable_ones() -> None:
    for function in random_functions(50):
        dominators = Dominators(function)
        assert dominators.predecessors == {
            b: [p for p in dominators.order if b in p.successors] for b in dominators.order}


def test_postdominators_against_removal_of_a_block() -> None:
    """Of the blocks that reach an end: without the block, no end is reached any more."""
    related = 0
    for function in random_functions(200):
        blocks = [b for b in reverse_postorder(function.entry)
                  if any(not end.successors for end in graphs.reachable([b]))]
        after = Postdominators(blocks)
        for a in blocks:
            for b in blocks:
                seen, work = {a}, [b] if a is not b else []
                while work:
                    block = work.pop()
                    if block not in seen:
                        seen.add(block)
                        work += [s for s in block.successors if s in blocks]
                escapes = any(not block.successors for block in seen - {a})
                assert after.postdominates(a, b) == (not escapes), (a, b, function)
                related += a is not b and not escapes
        assert not any(after.postdominates(a, b) for a in function.blocks if a not in blocks for b in blocks)
    assert related > 100
