"""Which blocks not all threads of a block may reach: by hand, and against threads that are walked one by one."""

from __future__ import annotations

import random

import pytest

from numbad.passes.analysis.memory import Memory
from numbad.passes.analysis.uniformity import Uniformity
from numbad.passes.ir.parser import parse

DECLARED = """
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.barrier.cta.red.popc.aligned.all(i32, i1)
declare i32 @unknown(i32)
define void @f(ptr %x, i32 %n) {
entry:
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
"""

BRANCH = """
  %c = icmp slt i32 {0}, 5
  br i1 %c, label %yes, label %done
yes:
  br label %done
done:
  ret void
"""

LOOP = """
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %next = add i32 %i, 1
  %more = icmp slt i32 %next, {0}
  br i1 %more, label %loop, label %behind
behind:
  %left = phi i32 [ %next, %loop ]
  %c = icmp slt i32 %left, 5
  br i1 %c, label %yes, label %done
yes:
  br label %done
done:
  ret void
"""

JOIN = """
  %c = icmp slt i32 {0}, 5
  br i1 %c, label %one, label %other
one:
  br label %met
other:
  br label %met
met:
  %p = phi i32 [ 1, %one ], [ 2, %other ]
  %d = icmp eq i32 %p, 1
  br i1 %d, label %late, label %done
late:
  br label %done
done:
  ret void
"""

CASES = {
    "argument": (BRANCH, "%n", ""), "block": (BRANCH, "%b", ""), "thread": (BRANCH, "%t", "yes"),
    "sum with the thread": (BRANCH, "%s", "yes"), "unwritten memory": (BRANCH, "%loaded", ""),
    "unwritten memory by thread": (BRANCH, "%gathered", "yes"), "written memory": (BRANCH, "%w", "yes"),
    "vote": (BRANCH, "%v", ""), "unknown call": (BRANCH, "%u", "yes"),
    "loop of equal length": (LOOP, "%n", ""), "loop by thread": (LOOP, "%t", "loop yes"),
    "phi behind equal branches": (JOIN, "%n", ""), "phi behind a divergent branch": (JOIN, "%t", "one other late"),
}
VALUES = {
    "%s": "  %s = add i32 %t, %n\n", "%loaded": "  %loaded = load i32, ptr %x\n",
    "%gathered": "  %place = getelementptr i32, ptr %x, i32 %t\n  %gathered = load i32, ptr %place\n",
    "%w": "  store i32 %t, ptr %x\n  %w = load i32, ptr %x\n", "%u": "  %u = call i32 @unknown(i32 %n)\n",
    "%v": "  %odd = trunc i32 %t to i1\n"
          "  %v = call i32 @llvm.nvvm.barrier.cta.red.popc.aligned.all(i32 0, i1 %odd)\n",
}


def divergent(text: str) -> set[str]:
    function = parse(text).functions["f"]
    return {block.name for block in Uniformity(function, function.blocks, Memory([function])).divergent_blocks}


@pytest.mark.parametrize("name", CASES)
def test_by_hand(name):
    body, value, expected = CASES[name]
    assert divergent(DECLARED + VALUES.get(value, "") + body.format(value) + "}\n") == set(expected.split())


def random_program(rng: random.Random) -> tuple[str, list[tuple[str, str, str, str]]]:
    """Blocks that go forward or once back, on conditions by the thread or not: as text and as a list."""
    count = rng.randint(3, 8)
    lines, blocks = [DECLARED, "  br label %b0\n"], []
    for k in range(count):
        condition = rng.choice(["%n", "%b", "%t", ""])
        yes, no = (f"b{rng.randint(k + 1, count)}" for _ in range(2))
        if rng.random() < 0.3:
            yes, no = f"b{rng.randint(0, k)}", f"b{k + 1}"
        if not condition:
            yes = no = f"b{k + 1}"
        blocks.append((f"b{k}", condition, yes, no))
        branch = f"  %c{k} = icmp sgt i32 {condition}, {k}\n  br i1 %c{k}, label %{yes}, label %{no}\n"
        lines.append(f"b{k}:\n" + (branch if condition else f"  br label %{yes}\n"))
    return "".join([*lines, f"b{count}:\n  ret void\n}}\n"]), blocks


@pytest.mark.parametrize("seed", range(60))
def test_threads_that_are_walked(seed):
    """Where two threads pass a block differently often, the block is divergent."""
    text, blocks = random_program(random.Random(seed))
    found = divergent(text)
    steps = {name: (condition, yes, no, k) for k, (name, condition, yes, no) in enumerate(blocks)}
    for n in range(-1, 9):
        passed = []
        for thread in range(10):
            at, trace = "b0", []
            while at in steps and len(trace) < 40:
                trace.append(at)
                condition, yes, no, k = steps[at]
                value = {"%n": n, "%b": 3, "%t": thread, "": 0}[condition]
                at = yes if value > k else no
            passed.append(trace)
        if all(len(trace) < 40 for trace in passed):  # an endless loop waits for nobody
            for name in steps:
                if len({trace.count(name) for trace in passed}) > 1:
                    assert name in found
