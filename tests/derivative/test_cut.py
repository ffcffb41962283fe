"""The cheapest set of values to store, against trying all sets."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from numbad.passes.derivative.cut import Choice, cheapest


def price(needed: Iterable[int], choices: Mapping[int, Choice], stored: set[int]) -> int | None:
    """What it costs to have all that is needed when these are stored; None if it cannot be had."""
    cost, seen, work = sum(choices[v].store for v in stored), set(stored), list(needed)
    while work:
        v = work.pop()
        if v in seen or v not in choices:
            continue
        parts = choices[v].parts
        if parts is None:
            return None
        seen.add(v)
        cost += choices[v].compute
        work += parts  # type: ignore[arg-type]
    return cost


def random_choices(rng: random.Random, count: int) -> dict[int, Choice]:
    choices = {}
    for v in range(count):
        parts = rng.sample(range(-2, v), rng.randint(0, min(v, 3))) if rng.random() < 0.8 else None  # negative: free
        choices[v] = Choice(rng.randint(0, 9), rng.randint(0, 6), parts)
    return choices


def test_no_set_is_cheaper() -> None:
    rng = random.Random(1)
    mixed = 0
    for _ in range(400):
        choices = random_choices(rng, rng.randint(1, 8))
        needed = rng.sample(range(len(choices)), rng.randint(1, len(choices)))
        stored = cheapest(needed, choices)
        subsets = ({v for v in choices if mask >> v & 1} for mask in range(1 << len(choices)))
        prices = [p for p in (price(needed, choices, s) for s in subsets) if p is not None]
        assert price(needed, choices, stored) == min(prices)
        mixed += bool(stored) and not set(needed) <= stored
    assert mixed > 100


def test_of_equal_cuts_the_one_that_computes_least() -> None:
    choices = {1: Choice(5), 2: Choice(5, 0, [1]), 3: Choice(5, 0, [2])}
    assert cheapest([3], choices) == {3}
    assert cheapest([3, 2], choices) == {2} or cheapest([3, 2], choices) == {1}


def test_what_is_not_needed_costs_nothing() -> None:
    assert cheapest([], {1: Choice(5), 2: Choice(1, 1, [1])}) == set()
