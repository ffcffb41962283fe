"""Random programs: forward mode against finite differences, reverse mode against forward mode, with and without what
the plan saves, on the text as written and as LLVM prepares it.

The arguments x, y, a, b are one vector of ten numbers, the results (the value, a and b afterwards) one of nine.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys

from derivative import programs
from derivative.native import DOUBLE, I32, I64, Native, P
from numbad.passes import llvm, pipeline, preparation
from numbad.passes.derivative.facts import Task
from numbad.passes.derivative.plan import Options
from numbad.passes.ir import types
from numbad.passes.ir.function import Module
from numbad.passes.ir.verifier import verify

STORE_ALL = Options(**dict.fromkeys([field.name for field in fields(Options)], False))
RESULT, X, Y, A, B = 0, 2, 3, 4, 5
"""Positions of the parameters."""
COUNT = 7
"""The number of the parameters."""
STEP = 1e-5


@pytest.fixture(autouse=True, scope="module")
def run_time() -> None:
    """Tapes get their memory from Numba's run time."""
    rtsys.initialize(cpu_target.target_context)


def verified(stage: str, module: Module | None) -> None:
    if module is not None:
        verify(module)


class Program:
    def __init__(self, text: str):
        self.text = text
        self.primal = Native(text).function("f", I32, P, P, DOUBLE, DOUBLE, P, P, I64)

    def run(self, at: np.ndarray, n: int) -> tuple[int, np.ndarray]:
        value, error = np.zeros(1), np.zeros(1)
        a, b = at[2:6].copy(), at[6:].copy()
        status = self.primal(value.ctypes.data, error.ctypes.data, at[0], at[1], a.ctypes.data, b.ctypes.data, n)
        return status, np.concatenate([value, a, b])


def difference(run: Callable[[np.ndarray, int], tuple[int, np.ndarray]], at: np.ndarray, n: int,
               along: np.ndarray) -> np.ndarray | None:
    """The derivative along a direction; None where an exception is near or the function is not smooth."""
    found = []
    for step in (STEP, STEP / 2):
        (ahead, right), (behind, left) = (run(at + s * along, n) for s in (step, -step))
        if ahead or behind:
            return None
        found.append((right - left) / (2 * step))
    return found[1] if np.allclose(*found, rtol=1e-4, atol=1e-5) else None


class Differentiated:
    """A derivative of a program, and how it is called."""

    def __init__(self, program: Program, mode: str, options: Options = Options()):  # noqa: B008
        contents = ((A, types.DOUBLE), (B, types.DOUBLE))
        made = pipeline.differentiate(program.text, Task("f", mode, frozenset([X, Y, A, B]), contents), options,
                                      between=verified)
        self.shadows = made.shadows
        number = DOUBLE if mode == "forward" else P
        kinds = [number if k in (X, Y) else P for k in self.shadows]
        self.call = Native(made.text).function(made.symbol, I32, P, P, DOUBLE, DOUBLE, P, P, I64, *kinds)

    def forward(self, at: np.ndarray, n: int, along: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        """Status, results, and their tangents."""
        value, tangent, error = np.zeros(1), np.zeros(1), np.zeros(1)
        a, b, a_dot, b_dot = at[2:6].copy(), at[6:].copy(), along[2:6].copy(), along[6:].copy()
        beside = {RESULT: tangent.ctypes.data, X: along[0], Y: along[1], A: a_dot.ctypes.data, B: b_dot.ctypes.data}
        status = self.call(value.ctypes.data, error.ctypes.data, at[0], at[1], a.ctypes.data, b.ctypes.data, n,
                           *(beside[k] for k in self.shadows))
        return status, np.concatenate([value, a, b]), np.concatenate([tangent, a_dot, b_dot])

    def reverse(self, at: np.ndarray, n: int, seed: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        """Status, results, and the adjoints of the arguments."""
        value, error, cells = np.zeros(1), np.zeros(1), np.zeros(2)
        a, b = at[2:6].copy(), at[6:].copy()
        result_bar, a_bar, b_bar = seed[:1].copy(), seed[1:5].copy(), seed[5:].copy()
        beside = {RESULT: result_bar.ctypes.data, X: cells.ctypes.data, Y: cells.ctypes.data + 8, A: a_bar.ctypes.data,
                  B: b_bar.ctypes.data}
        status = self.call(value.ctypes.data, error.ctypes.data, at[0], at[1], a.ctypes.data, b.ctypes.data, n,
                           *(beside[k] for k in self.shadows))
        return status, np.concatenate([value, a, b]), np.concatenate([cells, a_bar, b_bar])


def check(text: str, rng: np.random.Generator) -> int:
    """At how many points the derivatives were compared with finite differences."""
    program = Program(text)
    tangents = Differentiated(program, "forward")
    gradients = [Differentiated(program, "reverse", options) for options in (Options(), STORE_ALL)]
    compared = 0
    for _ in range(3):
        at, along, seed, n = rng.uniform(-1, 1, 10), rng.uniform(-1, 1, 10), rng.uniform(-1, 1, 9), int(rng.integers(8))
        status, results = program.run(at, n)
        status_dot, results_dot, dot = tangents.forward(at, n, along)
        assert status_dot == status
        found = []
        for gradient in gradients:
            status_bar, results_bar, bar = gradient.reverse(at, n, seed)
            assert status_bar == status
            if status == 0:
                np.testing.assert_array_equal(results_bar, results)
                found.append(bar)
        if status:
            continue
        np.testing.assert_array_equal(results_dot, results)
        np.testing.assert_array_equal(*found)
        scale = np.abs(seed * dot).sum() + np.abs(found[0] * along).sum()
        assert abs(seed @ dot - found[0] @ along) <= 1e-11 * scale
        known = difference(program.run, at, n, along)
        if known is not None:
            compared += 1
            np.testing.assert_allclose(dot, known, rtol=1e-4, atol=1e-5)
    return compared


def check_seeds(seeds: range) -> int:
    compared = 0
    for seed in seeds:
        text = programs.program(random.Random(seed))
        if seed % 2:
            text = llvm.prepare(text, "f")
        try:
            compared += check(text, np.random.default_rng(seed))
        except Exception as error:
            error.add_note(f"random program {seed}\n{text}")
            raise
    return compared


class Second:
    """Forward and reverse mode over reverse mode. Arguments and results are those of the latter, with its shadows."""

    def __init__(self, text: str):
        contents = ((A, types.DOUBLE), (B, types.DOUBLE))
        active = frozenset([X, Y, A, B])
        first = pipeline.differentiate(text, Task("f", "reverse", active, contents))
        prepared = preparation.prepared(first.text, first.symbol, llvm.host())
        shadows = range(COUNT, COUNT + len(first.shadows))
        known = (active | set(shadows), (*contents, *((k, types.DOUBLE) for k in shadows)))
        made = {mode: pipeline.differentiate(prepared, Task(first.symbol, mode, *known), between=verified)
                for mode in ("forward", "reverse")}
        self.sizes = [{A: 4, B: 4}.get(k, 1) for k in first.shadows]
        self.shadows = {mode: derivative.shadows for mode, derivative in made.items()}
        parameters = [P, P, DOUBLE, DOUBLE, P, P, I64, *(P for _ in first.shadows)]
        self.gradient = Native(first.text).function(first.symbol, I32, *parameters)
        self.calls = {mode: Native(derivative.text).function(
            derivative.symbol, I32, *parameters,
            *(parameters[k] if mode == "forward" else P for k in derivative.shadows))
            for mode, derivative in made.items()}

    def operands(self, at: np.ndarray) -> tuple[list, list[np.ndarray]]:
        """What is passed for x, y, a, b and the shadows; the arrays behind the pointers."""
        arrays = np.split(at[2:].copy(), np.cumsum([4, 4, *self.sizes])[:-1])
        arrays = [np.zeros(1), *map(np.copy, arrays)]
        error = np.zeros(1)
        pointers = [a.ctypes.data for a in arrays]
        return [pointers[0], error.ctypes.data, at[0], at[1], *pointers[1:3], None, *pointers[3:]], [*arrays, error]

    def run(self, at: np.ndarray, n: int) -> tuple[int, np.ndarray]:
        operands, arrays = self.operands(at)
        status = self.gradient(*operands[:6], n, *operands[7:])
        return status, np.concatenate(arrays[:-1])

    def forward(self, at: np.ndarray, n: int, along: np.ndarray) -> tuple[int, np.ndarray]:
        operands, arrays = self.operands(at)
        beside, tangents = self.operands(along)
        status = self.calls["forward"](*operands[:6], n, *operands[7:], *(beside[k] for k in self.shadows["forward"]))
        return status, np.concatenate(tangents[:-1])

    def reverse(self, at: np.ndarray, n: int, seed: np.ndarray) -> tuple[int, np.ndarray]:
        operands, _ = self.operands(at)
        cells = np.zeros(2)
        bars = [part.copy() for part in np.split(seed, np.cumsum([1, 4, 4, *self.sizes])[:-1])]
        beside = dict(zip([RESULT, A, B, *range(COUNT, COUNT + len(self.sizes))],
                          (bar.ctypes.data for bar in bars), strict=True))
        beside |= {X: cells.ctypes.data, Y: cells.ctypes.data + 8}
        status = self.calls["reverse"](*operands[:6], n, *operands[7:], *(beside[k] for k in self.shadows["reverse"]))
        return status, np.concatenate([cells, *bars[1:]])


@pytest.mark.parametrize("start", range(0, 20, 10))
def test_second_order(start: int) -> None:
    compared = 0
    for seed in range(start, start + 10):
        rng = np.random.default_rng(seed)
        text = programs.program(random.Random(seed))
        second = Second(text)
        for _ in range(2):
            at, along = rng.uniform(-1, 1, (2, 10 + sum(second.sizes)))
            n = int(rng.integers(8))
            status, dot = second.forward(at, n, along)
            seed_bar = rng.uniform(-1, 1, dot.size)
            status_bar, bar = second.reverse(at, n, seed_bar)
            assert status == status_bar == second.run(at, n)[0], text
            if status:
                continue
            scale = np.abs(seed_bar * dot).sum() + np.abs(bar * along).sum()
            assert abs(seed_bar @ dot - bar @ along) <= 1e-10 * scale, text
            known = difference(second.run, at, n, along)
            if known is not None:
                np.testing.assert_allclose(dot, known, rtol=1e-3, atol=1e-4, err_msg=text)
                compared += 1
    assert compared > 8


@pytest.mark.parametrize("start", range(0, 60, 10))
def test_random_programs(start: int) -> None:
    assert check_seeds(range(start, start + 10)) > 10


@pytest.mark.slow
@pytest.mark.parametrize("start", range(100, 300, 100))
def test_many_random_programs(start: int) -> None:
    assert check_seeds(range(start, start + 100)) > 150


def test_programs_use_everything() -> None:
    """What the generator can write does occur."""
    texts = [programs.program(random.Random(seed)) for seed in range(60)]
    words = ["switch", "memmove", "memset", "alloca", "phi ptr", "phi i64", "select i1", "call i32 @g", "call i32 @h",
             "ret i32 1", "load i64", "insertvalue", "maxnum", "caught", "loop", "out", "call ptr @pick", "NRT_Free",
             "extractelement", "leave", "again", "load ptr", "ret i32 -2"]
    assert not [word for word in words if sum(word in text for text in texts) < 5]
