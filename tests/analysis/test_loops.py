"""Loops: noted on nests with several exits, and against the definition on random graphs."""

from __future__ import annotations

import random

import pytest

from analysis import graphs
from analysis.notes import Notes
from numbad.passes.analysis.dominators import Dominators
from numbad.passes.analysis.loops import Irreducible, Loops
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.values import Named

NEST = """
define void @f(i1 %a, i1 %b, i1 %c) {
entry:
  br label %outer
outer:                                     ; loop depth 1; loop of outer
  br i1 %a, label %middle, label %second
middle:                                    ; loop depth 2; loop of middle
  br label %inner
inner:                                     ; loop depth 3; loop of inner
  br i1 %b, label %inner, label %middle.end
middle.end:                                ; loop depth 2; loop of middle
  br i1 %c, label %middle, label %outer.end
second:                                    ; loop depth 2; loop of second
  br i1 %b, label %second, label %outer.end
outer.end:                                 ; loop depth 1; loop of outer
  br i1 %a, label %outer, label %after
after:
  ret void
}
"""

WAYS_OUT = """
define i32 @f(i1 %a, i1 %b, i1 %c) {
entry:
  br label %outer
outer:                                     ; loop depth 1; loop of outer
  br i1 %a, label %inner, label %normal
inner:                                     ; loop depth 2; loop of inner
  switch i32 0, label %inner.end [ i32 1, label %raised i32 2, label %outer.end i32 3, label %normal ]
inner.end:                                 ; loop depth 2; loop of inner
  br i1 %b, label %inner, label %broken
broken:                                    ; loop depth 1; loop of outer
  br i1 %c, label %outer.end, label %normal
outer.end:                                 ; loop depth 1; loop of outer
  br label %outer
raised:
  ret i32 1
normal:
  ret i32 0
}
"""

TWO_LATCHES = """
define void @f(i1 %a, i1 %b) {
entry:
  br label %head
head:                                      ; loop depth 1; loop of head
  br i1 %a, label %left, label %right
left:                                      ; loop depth 1; loop of head
  br label %head
right:                                     ; loop depth 1; loop of head
  br i1 %b, label %head, label %after
after:
  ret void
}
"""

ISLAND = """
define void @f(i1 %a) {
entry:
  br label %after
island:
  br label %island
after:
  ret void
}
"""


KINDS = ("loop depth", "loop of")


def loops_of(function: Function) -> Loops:
    return Loops(function, Dominators(function))


@pytest.mark.parametrize("text", [NEST, WAYS_OUT, TWO_LATCHES, ISLAND],
                         ids=["nest", "ways out", "two latches", "unreachable loop"])
def test_noted(text: str) -> None:
    notes = Notes(text, *KINDS)
    loops = loops_of(notes.function())

    def depth(subject: Named) -> str | None:
        loop = loops.innermost.get(subject) if isinstance(subject, Block) else None
        return str(loop.depth) if loop is not None else None

    def header(subject: Named) -> str | None:
        loop = loops.innermost.get(subject) if isinstance(subject, Block) else None
        return loop.header.name if loop is not None else None

    notes.check("loop depth", depth)
    notes.check("loop of", header)


def test_edges_that_leave() -> None:
    function = Notes(WAYS_OUT, *KINDS).function()
    loops = loops_of(function)
    block = {b.name: b for b in function.blocks}
    left = {(a.name, b.name): [loop.header.name for loop in loops.left(a, b)]
            for a in function.blocks for b in a.successors}
    assert {edge: gone for edge, gone in left.items() if gone} == {
        ("outer", "normal"): ["outer"], ("broken", "normal"): ["outer"],
        ("inner", "raised"): ["inner", "outer"], ("inner", "normal"): ["inner", "outer"],
        ("inner", "outer.end"): ["inner"], ("inner.end", "broken"): ["inner"]}
    around = {(a.name, b.name) for a in function.blocks for b in a.successors if loops.is_back_edge(a, b)}
    assert around == {("inner.end", "inner"), ("outer.end", "outer")}
    assert loops.innermost[block["inner"]].latch is block["inner.end"]


def test_containment() -> None:
    function = Notes(NEST, *KINDS).function()
    loops = {loop.header.name: loop for loop in loops_of(function).loops}
    assert sorted(loops) == ["inner", "middle", "outer", "second"]
    contained = {(a, b) for a in loops for b in loops if loops[a].contains(loops[b])}
    assert contained == {("outer", "outer"), ("outer", "middle"), ("outer", "inner"), ("outer", "second"),
                         ("middle", "middle"), ("middle", "inner"), ("inner", "inner"), ("second", "second")}
    assert not loops["inner"].contains(None)


def test_two_latches_have_no_single_one() -> None:
    (loop,) = loops_of(Notes(TWO_LATCHES, *KINDS).function()).loops
    assert sorted(latch.name for latch in loop.latches) == ["left", "right"]
    with pytest.raises(ValueError):
        _ = loop.latch


IRREDUCIBLE = """
define void @f(i1 %a, i1 %b) {
entry:
  br label %outer
outer:
  br i1 %a, label %left, label %right
left:
  br i1 %b, label %right, label %outer.end
right:
  br i1 %b, label %left, label %outer.end
outer.end:
  br i1 %a, label %outer, label %after
after:
  ret void
}
"""


def test_a_cycle_with_two_entries_is_refused() -> None:
    with pytest.raises(Irreducible) as cycle:
        loops_of(Notes(IRREDUCIBLE).function())
    assert cycle.value.args[0].name in ("left", "right")


# --- random graphs ---------------------------------------------------------------------------------------------------


def test_random_graphs_against_the_definition() -> None:
    rng = random.Random(2)
    depths, irreducible = [], 0
    for _ in range(400):
        function = graphs.random_function(rng, rng.randint(2, 10))
        if graphs.is_reducible(function):
            depths.append(graphs.check_loops(function))
        else:
            irreducible += 1
            with pytest.raises(Irreducible):
                loops_of(function)
    assert irreducible > 40 and sum(depth > 1 for depth in depths) > 10
