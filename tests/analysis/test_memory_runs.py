"""Memory nodes are never contradicted by random programs that run (see `pointers`)."""

from __future__ import annotations

import random

from analysis import pointers
from numbad.passes.analysis.memory import Memory
from numbad.passes.ir.function import Module
from numbad.passes.ir.parser import parse
from numbad.passes.ir.values import Named
from numbad.passes.ir.verifier import verify


def contradictions(module: Module, run: pointers.Run) -> list[str]:
    """What an execution did that the analysis says cannot happen."""
    memory = Memory([f for f in module.functions.values() if not f.is_declaration])
    found = [f"nothing is written at {value}" for value in run.written if not memory.node(value).written]
    owner: dict[int, Named] = {}
    for value, places in run.seen.items():
        offset = memory.cell(value)[1]
        found += [f"{value} is at {at}, not {offset}" for _, at in places if offset not in (None, at)]
        for object, _ in places:
            first = owner.setdefault(object, value)  # type: ignore[arg-type]
            if memory.node(first) is not memory.node(value):
                found.append(f"{first} and {value} reach the same memory")
    return found


def test_random_programs() -> None:
    """Pointers that reach the same memory in some execution are in one node, at the offset that it says."""
    shared = stored = 0
    for seed in range(150):
        rng = random.Random(seed)
        text = pointers.program(rng)
        module = parse(text)
        verify(module)
        for _ in range(3):
            run = pointers.Run(module, rng)
            assert not contradictions(module, run), text
            shared += sum(len(places) > 1 for places in run.seen.values())
            stored += len(run.written)
    assert shared > 150 and stored > 500  # the executions are not all over at once


def test_the_interpreter_of_random_programs() -> None:
    module = parse(pointers.DECLARATIONS + """
define ptr @main(i1 %c, i64 %n) {
entry:
  %first = alloca [4 x ptr]
  %second = alloca [4 x ptr]
  %place = getelementptr i8, ptr %first, i64 16
  store ptr %second, ptr %place
  call void @llvm.memcpy.p0.p0.i64(ptr %second, ptr %first, i64 24, i1 false)
  %never = call ptr @g(i1 %c, i64 %n, ptr %second, ptr %first)
  ret ptr %never
}

define ptr @g(i1 %c, i64 %n, ptr %a, ptr %b) {
entry:
  %copied = getelementptr i8, ptr %a, i64 16
  %loaded = load ptr, ptr %copied
  %outside = getelementptr i8, ptr %b, i64 32
  store ptr %a, ptr %outside
  ret ptr %a
}
""")
    run = pointers.Run(module, random.Random(0))
    assert {str(value): places for value, places in run.seen.items()} == {
        "%first": {(1, 0)}, "%second": {(2, 0)}, "%place": {(1, 16)}, "%a": {(2, 0)}, "%b": {(1, 0)},
        "%copied": {(2, 16)}, "%loaded": {(2, 0)}, "%outside": {(1, 32)}}
    assert [str(pointer) for pointer in run.written] == ["%place", "%second", "%outside"]
