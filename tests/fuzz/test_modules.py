"""The IR layer on what Numba makes of random programs: texts, results, and the analyses against what really happens."""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import typeof
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys

from analysis import graphs
from derivative.native import I32, Native
from fuzz.checking import arguments
from fuzz.programs import program
from fuzz.verdicts import function
from fuzz.watching import NOTHING_IS_FREED, Watch, call, parameter_types, watched
from ir.test_roundtrip import check_round_trip
from numbad import frontend
from numbad.derive import _task
from numbad.passes import preparation
from numbad.passes.analysis import memory, trips
from numbad.passes.derivative.facts import gather
from numbad.passes.ir.builder import i64
from numbad.passes.ir.parser import parse
from numbad.passes.ir.verifier import verify
from numbad.request import Request
from pool.trees import copied, flatten

BATCHES = [range(2), *(pytest.param(range(k, k + 10), marks=pytest.mark.slow) for k in range(1000, 1060, 10))]


@pytest.fixture(autouse=True, scope="module")
def run_time() -> None:
    rtsys.initialize(cpu_target.target_context)


@pytest.mark.parametrize("seeds", BATCHES)
def test_modules(seeds: range) -> None:
    accesses = counted = 0
    for seed in seeds:
        watch = compare(seed)
        accesses += watch.accesses
        counted += watch.counted
    assert accesses > 100 * len(seeds) and counted > 10 * len(seeds)


@pytest.mark.slow
@pytest.mark.parametrize("method, wrong, message", [
    (memory.Memory._join, lambda right: lambda self, left, other: None, "reach the same memory"),
    (memory.Memory._access, lambda right: lambda self, *at, written=False: right(self, *at), "nothing is written at"),
    (memory.constant_offset, lambda right: lambda *of: None if right(*of) is None else right(*of) + 8, "is at"),
    (trips.Trip.write, lambda right: lambda *of: of[1].binary("add", right(*of), i64(1)), "goes round"),
], ids=["joins", "writes", "offsets", "trips"])
def test_wrong_analyses_are_found(method: Callable, wrong: Callable, message: str,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    name = method.__qualname__
    owner = {"Memory": memory.Memory, "Trip": trips.Trip}.get(name.partition(".")[0], memory)
    monkeypatch.setattr(owner, name.rpartition(".")[2], wrong(method))
    with pytest.raises(AssertionError, match=message):
        for seed in range(1000, 1010):
            compare(seed)


def compare(seed: int) -> Watch:
    f = function(program(seed))
    args = arguments(seed)
    lowered = frontend.lower(f, tuple(map(typeof, args)))
    prepared = preparation.prepared(lowered.text, lowered.entry, frontend.machine())
    for text in (lowered.text, prepared):
        check_round_trip(text)

    active = tuple(not isinstance(value, int) for value in args)
    facts = gather(parse(prepared), _task(lowered, Request("reverse", active)))
    for each in facts.functions:
        graphs.check_dominators(each)
        graphs.check_loops(each)
    watch = Watch(facts)
    text = watched(watch)
    verify(facts.module)
    native = Native(re.sub(r"declare void @NRT_(in|de)cref\(.*", "", text) + NOTHING_IS_FREED, watch.symbols)
    run = native.function(lowered.entry, I32, *parameter_types(args))
    for given in map(arguments, range(seed, seed + 3)):
        mine, theirs = copied(given), copied(given)
        watch.start()
        status, place = call(run, mine)
        try:
            result = f(*theirs)
        except (ValueError, ZeroDivisionError):
            assert status == 1
        else:
            assert status == 0
            np.testing.assert_array_equal(flatten(unpacked(place, result)), flatten(result), err_msg=f"seed {seed}")
        np.testing.assert_array_equal(flatten(mine), flatten(theirs), err_msg=f"seed {seed}")
    assert not watch.contradictions, f"seed {seed}: {sorted(watch.contradictions)}"
    return watch


def unpacked(place: bytes, like: Any) -> Any:
    """The result of a call of machine code, in the form of what Python gets."""
    if isinstance(like, tuple):
        parts = []
        for item in like:
            parts.append(unpacked(place, item))
            place = place[40 + 16 * item.ndim if isinstance(item, np.ndarray) else 8:]
        return tuple(parts)
    if not isinstance(like, np.ndarray):
        return struct.unpack("d" if isinstance(like, float) else "q", place[:8])[0]
    _, _, _, _, data, *rest = struct.unpack(f"{5 + 2 * like.ndim}q", place[:40 + 16 * like.ndim])
    shape, strides = rest[:like.ndim], rest[like.ndim:]
    assert all(step > 0 for step in strides)
    memory = (ctypes.c_char * (sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + 8)).from_address(data)
    return np.ndarray(shape, like.dtype, memory, strides=strides).copy()
