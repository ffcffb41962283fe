"""Loops over signed ranges: indices are known not to be negative, and every value is the right one up to the limits."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numba import njit, typeof, types

import numbad as nd
from numbad import frontend
from numbad.errors import EngineError
from numbad.passes import preparation
from numbad.ranges import SIGNED, counted

LARGEST = np.iinfo(np.int64).max


def prepared(function, *args) -> str:
    lowered = frontend.lower(njit(function), tuple(map(typeof, args)))
    return preparation.prepared(lowered.text, lowered.entry, frontend.machine())


def entry_sum(x, n):
    total = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            total += x[i] * x[j]
    return total


def test_no_test_for_negative_indices_is_left() -> None:
    text = prepared(entry_sum, np.ones(3), 3)
    body = text[text.index("define"):]
    assert "add nuw nsw i64" in body and not re.search(r"icmp slt i64 %\S+, 0", body)


@pytest.mark.parametrize("start, stop, step", [
    (LARGEST - 3, LARGEST, 1), (LARGEST - 7, LARGEST, 5), (-LARGEST + 3, -LARGEST, -1), (5, -3, -2), (2, 2, 1),
    (-4, 3, 1), (3, -4, 1)])
def test_all_values_of_a_range(start: int, stop: int, step: int) -> None:
    """At the limits the variable wraps once the loop is over; nobody may see it."""
    @njit
    def visited(x, start, stop, step):
        total = 0.0
        last = 0
        for i in range(start, stop, step):
            total += x * float(i % 1000) * x
            last = i
        return total + last % 7

    found, slope = nd.value_and_grad(visited)(1.5, start, stop, step)
    numbers = [i % 1000 for i in range(start, stop, step)]
    last = range(start, stop, step)[-1] if len(range(start, stop, step)) else 0
    assert found == 2.25 * sum(numbers) + last % 7 and slope == 3.0 * sum(numbers)


def test_unsigned_ranges_may_pass_the_middle() -> None:
    @njit
    def visited(x, start, stop):
        total = 0.0
        for i in range(start, stop):
            total += x * x * (1.0 if i >= np.uint64(1 << 63) else 100.0)
        return total

    middle = 1 << 63
    assert nd.grad(visited)(1.0, np.uint64(middle - 2), np.uint64(middle + 3)) == 2.0 * (200.0 + 3.0)


def test_negative_indices_still_count_from_the_end() -> None:
    @njit
    def from_the_end(x):
        total = 0.0
        for i in range(-x.size, x.size):
            total += x[i] * x[i] * (i + 10)
        return total

    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(nd.grad(from_the_end)(x), [2 * x[k] * (k - 3 + 10 + k + 10) for k in range(3)])


def test_another_form_of_numbas_is_an_error() -> None:
    class Builder:
        pass

    def changed(context, builder, signature, arguments):
        return "nothing was added"

    assert counted(changed, (types.range_state64_type,)) is changed
    with pytest.raises(EngineError, match="range has 0 additions"):
        counted(changed, (SIGNED[0],))(None, Builder(), None, None)
