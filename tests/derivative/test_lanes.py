"""Lanes with inputs of their own: each is the derivative by its inputs alone, to the bit, also where factors are
infinite; and nothing is computed for what does not vary in it."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from numba import float64, njit
from numba.core.registry import cpu_target
from numba.core.runtime import nrtdynmod, rtsys

from derivative.native import DOUBLE, I32, Native, P
from numbad import frontend
from numbad.passes import case
from numbad.passes.case import Case
from numbad.passes.derivative.facts import Task
from numbad.passes.llvm import link

FIRST = 2  # parameter of the entry: behind the slots of the result and of an exception


@njit
def product(x, y):
    return x * y


@njit(error_model="numpy")
def quotient(x, y):
    return x / y


@njit
def distance(x, y):
    return math.hypot(x, 1.0) + math.sqrt(x * x + y * y)


@njit
def powers(x, y):
    return x ** y + math.exp(x) * y


@njit
def loop(x, y):
    total = 0.0
    for k in range(5):
        total += x * k * y
        x = x * 0.5 + 1.0
        if x > 3.0:
            y = y * x
    return total


@njit
def branch(x, y):
    if y > 1.0:
        scale = x * 2.0
    else:
        scale = math.exp(x)
    return scale * y


@njit
def swapped(x, y):
    for _ in range(3):
        x, y = y, x
    return 3.0 * x * x * y


@njit
def by_array(x, y):
    both = np.empty(8)
    alone = np.empty(4)
    for k in range(4):
        both[2 * k], both[2 * k + 1] = x, y
        alone[k] = x * k
    total = 0.0
    for k in range(8):
        total += both[k] * alone[k // 2]
    return total


FUNCTIONS = [product, quotient, distance, powers, loop, branch, swapped, by_array]
POINTS = [(0.3, 1.7), (2.0, 0.4), (math.inf, 2.0), (0.0, math.inf), (1.0, 0.0)]


def derived(function, *lanes: frozenset[int], width: int = 0):
    """The derivative with these lanes; of `width` alike ones where none are given."""
    lowered = frontend.lower(function, (float64, float64))
    active = frozenset().union(*lanes) if lanes else frozenset({FIRST, FIRST + 1})
    task = Task(lowered.entry, "forward", active, width=len(lanes) or width, lanes=lanes)
    return Case(lowered.text, task, frontend.machine()).run(lambda stage, module: None)


def called(made, width: int) -> Callable:
    """Value and tangents at (x, y): the lanes' tangents of each parameter."""
    rtsys.initialize(cpu_target.target_context)
    native = Native(link(made.text, str(nrtdynmod.create_nrt_module(cpu_target.target_context)[0])))

    def call(point: tuple[float, float], tangents: dict[int, list[float]]) -> tuple[float, list[float]]:
        value, exception = ctypes.c_double(0.0), ctypes.c_void_p()
        slots = [ctypes.c_double(0.0) for _ in range(width)]
        operands = [(P, ctypes.addressof(value)), (P, ctypes.addressof(exception)), *((DOUBLE, p) for p in point)]
        for number in made.shadows:
            operands += [(P, ctypes.addressof(s)) for s in slots] if number == 0 else \
                [(DOUBLE, t) for t in tangents[number]]
        kinds, values = zip(*operands, strict=True)
        assert native.function(made.symbol, I32, *kinds)(*values) == 0
        return value.value, [slot.value for slot in slots]
    return call


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.py_func.__name__)
def test_each_lane_is_a_derivative_by_its_own_inputs(function) -> None:
    x, y = frozenset({FIRST}), frozenset({FIRST + 1})
    both = called(derived(function, x, y, x | y), 3)
    alone = [called(derived(function, lane), 1) for lane in (x, y, x | y)]
    for point in POINTS:
        value, found = both(point, {FIRST: [1.5, 0.0, 0.5], FIRST + 1: [0.0, 1.0, 2.0]})
        singles = [alone[0](point, {FIRST: [1.5]}), alone[1](point, {FIRST + 1: [1.0]}),
                   alone[2](point, {FIRST: [0.5], FIRST + 1: [2.0]})]
        np.testing.assert_array_equal([value] * 3, [v for v, _ in singles])
        np.testing.assert_array_equal(found, [tangent for _, (tangent,) in singles])


def multiplications(text: str) -> int:
    """Each element of a vector counts."""
    return sum(int(width or 1) for width in re.findall(r"= fmul (?:\w+ )*?(?:<(\d+) x )?double", text))


def test_nothing_is_computed_for_what_does_not_vary() -> None:
    x, y = frozenset({FIRST}), frozenset({FIRST + 1})
    assert multiplications(derived(product, x, y).text) == 3           # x * y, dx * y, x * dy
    assert multiplications(derived(product, width=2).text) == 5


def test_lanes_are_kept_in_a_file() -> None:
    made = Case("; text", Task("f", "forward", frozenset({2, 3}), width=2, lanes=(frozenset({2}), frozenset({2, 3}))),
                frontend.machine())
    assert case.read(made.write()) == made
