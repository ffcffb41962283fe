"""Which loops are run again in the reverse sweep, and that their tapes are bounded."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from numba import njit

import numbad as nd
import oracles
from analysis.notes import Notes
from derivative.native import I64, Native
from derivative.planning import planned
from derivative.tapes import Heap
from derivative.test_optimisations import REFERENCES, Call, differentiated
from numbad.derive import derive
from numbad.passes.derivative.arena import ARENA, SLOTS
from numbad.passes.derivative.needs import Kept
from numbad.passes.derivative.plan import Options
from numbad.passes.llvm import link
from numbad.runtime import last_tape_bytes
from pool import POOL

PATHS = """
define i32 @f(ptr %result, ptr %error, ptr %x, ptr %u, i64 %n, i64 %m, double %a) {
entry:
  br label %paths
paths:
  %p = phi i64 [ 0, %entry ], [ %p.next, %paths.end ]
  %sum = phi double [ 0.0, %entry ], [ %sum.next, %paths.end ]
  %start.at = getelementptr double, ptr %x, i64 %p
  %start = load double, ptr %start.at
  br label %steps
steps:
  %t = phi i64 [ 0, %paths ], [ %t.next, %steps ]
  %s = phi double [ %start, %paths ], [ %s.next, %steps ]
  %square = fmul double %s, %s
  %s.next = call double @llvm.sin.f64(double %square)
  %t.next = add i64 %t, 1
  %more.steps = icmp slt i64 %t.next, %m
  br i1 %more.steps, label %steps, label %paths.end
paths.end:
  %end = phi double [ %s.next, %steps ]
  %sum.next = fadd double %sum, %end
  %p.next = add i64 %p, 1
  %more = icmp slt i64 %p.next, %n
  br i1 %more, label %paths, label %done
done:
  %last = phi double [ %sum.next, %paths.end ]
  store double %last, ptr %result
  ret i32 0
}
declare double @llvm.sin.f64(double)
declare double @llvm.exp.f64(double)
declare void @unknown()
"""


def rerun(text: str, options: Options = Options(), split: bool = False) -> set[str]:  # noqa: B008
    plan = planned(Notes(text), options, split=split)
    assert {item.loop for item in plan.stored if isinstance(item, Kept)} == set(plan.reruns)
    return {loop.header.name for loop in plan.reruns}


def test_a_loop_over_paths() -> None:
    (found,) = planned(Notes(PATHS), Options()).reruns.values()
    assert {value.name for value in found.inputs} == {"p", "x", "m"}
    names = {i.name for i in found.instructions}
    assert names >= {"start.at", "start", "s", "square", "s.next", "t.next", "more.steps"}
    assert not names & {"sum", "sum.next", "more", "p"}


@pytest.mark.parametrize("replaced, by", [
    ("%sum.next =", "store double %end, ptr %start.at\n  %sum.next ="),  # read again, it would be another number
    ("%square = fmul", "%square = fmul fast"),
    ("load double, ptr %start.at", "load volatile double, ptr %start.at"),
], ids=["store", "fast", "volatile"])
def test_what_is_not_run_again(replaced: str, by: str) -> None:
    text = PATHS.replace(replaced, by)
    assert text != PATHS
    assert rerun(text) == set()


@pytest.mark.parametrize("beside", ["call void @unknown()", "store double %square, ptr %u"])
def test_effects_are_left_out(beside: str) -> None:
    """They have happened; nothing in the slice waits for them."""
    text = PATHS.replace("%s.next =", f"{beside}\n  %s.next =")
    (found,) = planned(Notes(text), Options()).reruns.values()
    assert not {i.opcode for i in found.instructions} & {"store"} and "unknown" not in str(found.instructions)


def test_an_unknown_call_in_the_slice() -> None:
    text = PATHS.replace("declare void @unknown()", "declare i64 @unknown()").replace(
        "%s.next =", "%other = call i64 @unknown()\n  %s.next =").replace("%t.next, %m", "%t.next, %other")
    assert rerun(text) == set()


def test_what_leaves_nothing_to_be_saved() -> None:
    """What each path keeps once stays where it is: only the tapes of inner loops grow beyond a number a path."""
    text = PATHS.replace("%s.next = call double @llvm.sin.f64(double %square)", "%s.next = fadd double %s, %a")
    assert rerun(text.replace("%sum.next =", "%far = call double @llvm.sin.f64(double %end)\n  %sum.next =").replace(
        "%sum, %end", "%sum, %far")) == set()


def test_switched_off() -> None:
    assert rerun(PATHS, Options(rerun=False)) == set()
    assert rerun(PATHS, Options(repeat_loads=False)) == set()
    assert rerun(PATHS, split=True) == set()


def test_a_path_that_follows_from_the_last() -> None:
    """What it starts from is kept for each path."""
    text = PATHS.replace("[ %start, %paths ]", "[ %begin, %paths ]").replace(
        "br label %steps", "%begin = fadd double %start, %sum\n  br label %steps")
    plan = planned(Notes(text), Options())
    (found,) = plan.reruns.values()
    kept = {value.name for value in found.inputs if value in plan.stored}
    assert kept == {"sum"} and not {item for item in found.items if str(item) == "%sum"}


@pytest.mark.parametrize("limit, least, most", [
    (0, 1, 30_000), (100_000, 100_000, 300_000), (64 << 20, 1_000_000, 1 << 40)])
def test_the_tape_is_bounded(limit: int, least: int, most: int) -> None:
    option = POOL["european_option"]
    call = Call(option, replace(Options(), tape_limit=limit))
    call.arguments = (1.0, 0.2, np.random.default_rng(0).normal(size=(2000, 100)))
    nd.release_memory()  # a tape takes whole chunks, also larger ones than it needs
    status, _, _ = call()
    assert status == 0 and least <= last_tape_bytes() <= most


def test_without_memory() -> None:
    """Whichever chunk cannot be had, the derivative ends with a status and gives everything back."""
    heap = Heap()
    words = (I64 * (SLOTS + 1))()
    call = Call(POOL["european_option"], replace(Options(), tape_limit=500))
    call.arguments = (1.0, 0.2, np.random.default_rng(0).normal(size=(20, 600)))
    expected = differentiated("european_option", Options())
    expected.arguments = call.arguments
    right = expected()
    call.native = Native(link(call.derivative.text, REFERENCES), {
        "NRT_Allocate": ctypes.cast(heap.allocate, ctypes.c_void_p).value or 0,
        "NRT_Free": ctypes.cast(heap.free, ctypes.c_void_p).value or 0, ARENA: ctypes.addressof(words)})
    outcomes = []
    for budget in range(12):
        heap.budget = budget
        outcome = call()
        outcomes.append(outcome[0])
        if outcome[0] == 0:
            np.testing.assert_equal(outcome, right)
        assert not heap.wrong and set(heap.live) == {word for word in words[1:] if word}
        for slot, word in enumerate(words):  # so that the next call has to allocate again
            if slot and word:
                heap._free(word)
            words[slot] = 0
    assert set(outcomes) == {0, 1000} and outcomes == sorted(outcomes, reverse=True)


@pytest.mark.parametrize("outer", ["jvp", "vjp"])
@pytest.mark.parametrize("name, position", [
    ("european_option", 1), ("roots_or_none", 0), ("three_levels_with_decisions", 0)])
def test_second_derivatives(name: str, position: int, outer: str) -> None:
    """The shadow of a tape is rewound with it."""
    entry = POOL[name]
    arguments = entry.arguments()
    rng = np.random.default_rng(0)
    tangents = tuple(oracles.random_like(a, rng) if k == position else None for k, a in enumerate(arguments))
    found = []
    for options in (Options(rerun=False), Options(tape_limit=100)):
        with mock.patch.object(derive, "__defaults__", (None, options)):
            gradient = nd.grad(njit(entry.function), position)
            if outer == "jvp":
                found.append(nd.jvp(gradient)(arguments, tangents)[1])
            else:
                found.append(nd.vjp(gradient, argnums=position)(arguments, tangents[position])[1][position])
    assert np.all(np.isfinite(found[0])) and np.any(found[0])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-13)
