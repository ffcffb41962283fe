"""What constant loops keep on a thread's own stack in place of the launch's memory: where it lies, and that it makes no
difference. So that there are loops enough, LLVM unrolls none in some tests, and stacks have room for all."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.agreement import Drawn, check_derivatives, derivative_of, leaves
from cuda.emulator import available
from cuda.machines import Emulated
from cuda.pool import POOL, own_arrays

from numbad.cuda import derive
from numbad.passes import llvm
from numbad.passes.case import Case
from numbad.passes.derivative.plan import Options
from numbad.passes.rules import targets
from numbad.passes.unroll import GROUP, Limits, mark

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)
KERNELS = [name for name, kernel in POOL.items() if kernel.kernel.py_func.__module__ == own_arrays.__name__]
OWN, LAUNCH = "on the thread's own stack", "in memory of the launch"


def switched(monkeypatch, on):
    monkeypatch.setattr(derive, "Case", partial(Case, options=Options(own_arrays=on)))
    monkeypatch.setattr(derive, "_cache", {})


def room_for_all(monkeypatch):
    monkeypatch.setattr(llvm, "mark", lambda text, limits, in_groups: mark(text, Limits(1, 0)))
    monkeypatch.setattr(targets, "NVPTX", replace(targets.NVPTX, own_arrays=1 << 20))


def plan(name):
    return derivative_of(POOL[name], "reverse").plans[-1]


def check_equal(name, monkeypatch):
    """With and without arrays on the stack, and not by way of the same code."""
    shadows, places = [], []
    for on in (True, False):
        switched(monkeypatch, on)
        shadows.append(Drawn(POOL[name]).pulled(Emulated())[1])
        places.append(OWN in plan(name))
    for one, other in zip(*map(leaves, shadows), strict=True):
        if one is not None:
            np.testing.assert_array_equal(one, other)
    assert not places[1]
    return places[0]


@pytest.mark.parametrize("name", KERNELS)
def test_derivatives(name):
    check_derivatives(POOL[name])


@pytest.mark.parametrize("name", KERNELS)
def test_with_and_without(name, monkeypatch):
    check_equal(name, monkeypatch)


@pytest.mark.parametrize("name", KERNELS)
def test_without_unrolling(name, monkeypatch):
    room_for_all(monkeypatch)
    assert check_equal(name, monkeypatch) == (name != "constant_within_counted")


@pytest.mark.slow
def test_the_whole_pool_without_unrolling(monkeypatch):
    room_for_all(monkeypatch)
    on_stacks = [name for name in POOL if check_equal(name, monkeypatch)]
    assert len(on_stacks) > 5, on_stacks


@pytest.mark.parametrize("name, places", [
    ("ways_of_sixty_steps", [OWN]), ("constant_then_counted_then_constant", [LAUNCH, LAUNCH, OWN, OWN]),
    ("constant_within_counted", [LAUNCH]), ("more_than_a_stack_holds", [LAUNCH])])
def test_where_records_lie(name, places):
    lines = [line for line in plan(name).splitlines() if "stored in each iteration" in line]
    assert [OWN if OWN in line else LAUNCH if LAUNCH in line else line for line in lines] == places


def test_no_tape_at_all():
    found = derivative_of(POOL["logistic_map"], "reverse")
    assert found.tape is None and "@numbad.tape" not in found.text
    machine = Emulated()
    machine.room = None  # not asked for
    Drawn(POOL["logistic_map"]).pulled(machine)


def test_a_constant_tape_is_neither_measured_nor_checked():
    machine = Emulated()
    machine.number = None  # would wait for the launch
    Drawn(POOL["more_than_a_stack_holds"]).pulled(machine)
    assert machine.launches == 1
    assert derivative_of(POOL["more_than_a_stack_holds"], "reverse").tape.words == 520 // GROUP


TOO_SHORT = """
from dataclasses import replace
from cuda.agreement import Drawn
from cuda.machines import Emulated
from cuda.pool import POOL
from numbad.passes import pipeline
exact = pipeline.tape_size
pipeline.tape_size = lambda *known: replace(exact(*known), words=exact(*known).words - 1)
Drawn(POOL["more_than_a_stack_holds"]).pulled(Emulated())
"""


def test_a_constant_tape_that_were_too_short_would_end_the_launch():
    """With an error: the emulator's process gets the signal that a GPU answers by failing the launch."""
    ended = subprocess.run([sys.executable, "-c", TOO_SHORT], capture_output=True, text=True,
                           env={"PYTHONPATH": ":".join(sys.path)})
    assert ended.returncode in (-signal.SIGILL, -signal.SIGTRAP, -signal.SIGABRT), ended.stderr
