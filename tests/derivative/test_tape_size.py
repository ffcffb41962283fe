"""How much tape a thread needs, where that is constant: against loops that are counted."""

from __future__ import annotations

import random
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from numbad.passes.analysis.trips import Trip
from numbad.passes.derivative.tape_size import _constant_words
from numbad.passes.ir.types import IntType
from numbad.passes.ir.values import Argument, integer

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


@dataclass(frozen=True, eq=False)
class Nest:
    parent: Nest | None


def test_nested_loops():
    outer = Nest(None)
    inner = Nest(outer)
    times = {outer: Trip(integer(I32, 0), True, 1, "ne", integer(I32, 3)),
             inner: Trip(integer(I32, 0), True, 1, "ne", integer(I32, 5))}
    records = {outer: SimpleNamespace(size=16), inner: SimpleNamespace(size=8), None: SimpleNamespace(size=80)}
    plan = SimpleNamespace(laws=times, layout=SimpleNamespace(records=records))
    assert _constant_words(plan) == 3 * 2 + 3 * 5 * 1
    times[inner] = Trip(integer(I32, 0), True, 1, "ne", Argument(I32, "n"))
    assert _constant_words(plan) is None
    records[inner].size = 0
    assert _constant_words(plan) == 6
