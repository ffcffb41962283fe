"""Ten thousand calls of the derivatives of each program leave nothing behind, in Numba's counters and in the process.

What the function itself leaves is allowed (Numba loses what is alive when it raises, and the run-time arguments of
exceptions). The size of the process is looked at behind the first calls, which fill caches and arenas.
"""

from __future__ import annotations

import gc
import mmap
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import numbad as nd
import oracles
from pool import POOL, Entry

CALLS, FIRST = 10_000, 2_000
GROWTH = 1 << 20
"""Bytes that the process may grow by: 128 a call would be more."""

pytestmark = [
    pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaExperimentalFeatureWarning"),
    pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPerformanceWarning"),
    pytest.mark.filterwarnings("ignore:(divide by zero|invalid value) encountered:RuntimeWarning"),
]


class Left(NamedTuple):
    """What many calls leave: in Numba's counters of raw and of counted memory, and in bytes of the process."""

    raw: int
    counted: int
    resident: int


def resident() -> int:
    """Bytes of the process in memory, 0 where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def derivatives(program: Entry, args: tuple) -> list[Callable[[], object]]:
    chosen = {} if program.diff_is_default() else {"argnums": program.diff}
    tangents = oracles.random_tangents(args, program.is_diff(), np.random.default_rng(0))
    result = program.result_of(program.dispatcher, program.arguments())
    cotangents = oracles.random_like(result, np.random.default_rng(1))
    along = nd.jvp(program.dispatcher, **program.outputs_option)
    pullback = nd.vjp(program.dispatcher, **program.outputs_option, **chosen)
    return [lambda: along(args, tangents), lambda: pullback(args, cotangents)]


def repeat(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        try:
            call()
        except Exception as error:  # test_pool looks at what is raised; here only memory counts
            error.__traceback__ = None


@pytest.mark.parametrize("program", [
    pytest.param(e, id=f"{e.theme}.{e.name}", marks=pytest.mark.slow if e.share(20) == 0 else pytest.mark.exhaustive)
    for e in POOL.values()])
def test_many_calls(program: Entry) -> None:
    cases = [program.arguments()]
    if program.raises is not None:
        cases.append(program.arguments(make=program.raises[1]))
    for args in cases:
        calls = derivatives(program, args)
        try:
            calls[0](), calls[1]()
        except (nd.NoDerivative, nd.Unsupported):
            pytest.skip(f"refused, which is right too: {program.may_refuse}")
        except Exception as error:  # of the program
            assert program.raises is not None and isinstance(error, program.raises[0])
        own = left_behind(lambda args=args: program.result_of(program.dispatcher, args))
        for call in calls:
            lost = left_behind(call)
            assert lost.raw <= own.raw and lost.counted <= own.counted
            assert own.raw or lost.resident <= max(0, own.resident) + GROWTH


def left_behind(call: Callable[[], object]) -> Left:
    repeat(call, FIRST)
    gc.collect()
    before = resident()
    lost = oracles.leaked(lambda: repeat(call, CALLS - FIRST))
    gc.collect()
    return Left(lost.raw, lost.counted, resident() - before)


def test_a_leak_is_seen() -> None:
    """Pages of the system's own: what the heap gives may have been the process's already."""
    before = resident()
    with mmap.mmap(-1, 4 * GROWTH) as held:
        held.write(b"x" * len(held))
        assert not before or resident() - before > GROWTH
