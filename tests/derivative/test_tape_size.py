"""How much a thread keeps, where that is constant: trip counts against loops that are counted, the length of its tape,
what has an array on its stack instead."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from numbad.passes.analysis.trips import Trip
from numbad.passes.derivative.own_arrays import own_arrays
from numbad.passes.derivative.tape_size import _constant_words
from numbad.passes.ir.types import IntType
from numbad.passes.ir.values import integer

I32 = IntType(32)
HOLDS = {"ne": lambda a, b: a != b, "slt": lambda a, b: a < b, "sgt": lambda a, b: a > b,
         "ult": lambda a, b: a % 2**32 < b % 2**32, "ugt": lambda a, b: a % 2**32 > b % 2**32}


def counted(law: Trip) -> int:
    """do { variable += step } while (predicate(variable, bound))"""
    value, rounds = law.start.value, 0
    while True:
        rounds += 1
        tested = value + law.step if law.ahead else value
        if not HOLDS[law.predicate](tested, law.bound.value):
            return rounds
        value += law.step


@pytest.mark.parametrize("seed", range(200))
def test_trips(seed):
    rng = random.Random(seed)
    step = rng.choice([1, -1])
    predicate = rng.choice(["ne", "slt", "ult"] if step > 0 else ["ne", "sgt", "ugt"])
    start, distance = rng.randint(1, 40), rng.randint(1, 30)  # from 0 downwards is a very long loop
    ahead = rng.random() < 0.5
    bound = start + step * distance if predicate == "ne" else rng.randint(0, 60)
    law = Trip(integer(I32, start), ahead, step, predicate, integer(I32, bound))
    assert law.constant == counted(law)


class Nest:
    def __init__(self, parent: Nest | None):
        self.nest = [self, *(parent.nest if parent is not None else [])]


def test_nested_loops():
    outer = Nest(None)
    inner = Nest(outer)
    trips = {outer: 3, inner: 5}
    records = {outer: SimpleNamespace(size=16), inner: SimpleNamespace(size=8), None: SimpleNamespace(size=80)}
    plan = SimpleNamespace(trips=trips, layout=SimpleNamespace(records=records))
    assert _constant_words(plan) == 3 * 2 + 3 * 5 * 1
    del trips[inner]
    assert _constant_words(plan) is None
    records[inner].size = 0
    assert _constant_words(plan) == 6


def test_the_smaller_arrays_come_first():
    outer, other = Nest(None), Nest(None)
    inner, again = Nest(outer), Nest(other)
    trips = {outer: 3, inner: 5, again: 2}
    kept = {inner: 8, again: 8, outer: 16}
    assert own_arrays(kept, trips, 167) == {outer: 3}
    assert own_arrays(kept, trips, 168) == {outer: 3, inner: 15}
    assert own_arrays(kept, trips | {other: 4}, 112) == {outer: 3, again: 8}
    assert own_arrays(kept, trips, 0) == {}
