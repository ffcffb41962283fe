"""A refusal answers: what was asked, where, through which calls, why, what now."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numba import njit

import numbad as nd


@njit
def solved(a, b):
    return np.linalg.solve(a, b)


@njit
def step(a, b):
    c = a * 2.0
    return solved(c, b)


@njit
def simulate(a, b):
    for _ in range(3):
        b = step(a, b)
    return b.sum()


@njit
def deep(a, b, n):
    if n == 0:
        return step(a, b).sum()
    return deep(a, b, n - 1) * 2.0


@njit
def top(a, b):
    return deep(a, b, 2)


def line_of(function, below: int) -> int:
    """Numba's functions here have one decorator, where Python's count of lines begins."""
    return function.py_func.__code__.co_firstlineno + below


def refusal(function) -> str:
    with pytest.raises(nd.Unsupported) as caught:
        nd.grad(function)(np.eye(2), np.ones(2))
    return str(caught.value)


def test_the_whole_message() -> None:
    assert refusal(simulate) == f"""\
the gradient of simulate meets np.linalg.solve.

  {__file__}:{line_of(solved, 2)}, in solved, called from step (test_refusals.py:{line_of(step, 3)}), from simulate \
(test_refusals.py:{line_of(simulate, 3)})
      return np.linalg.solve(a, b)

Write the algorithm as loops, or keep it away from what is differentiated."""


def test_calls_that_are_not_inlined() -> None:
    """What is known of the way there ends at the function that is called, or calls itself."""
    step_line, deep_line = line_of(step, 3), line_of(deep, 3)
    assert f"from step (test_refusals.py:{step_line}), from deep (test_refusals.py:{deep_line}), from top\n" \
        in refusal(top)


def test_forward_mode_and_the_function_itself() -> None:
    with pytest.raises(nd.Unsupported, match="^the tangent of solved meets np.linalg.solve") as caught:
        nd.jvp(solved)((np.eye(2), np.ones(2)), (np.eye(2), None))
    assert f"  {__file__}:{line_of(solved, 2)}, in solved\n" in str(caught.value)


def test_code_of_the_machine_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "numba_xgesv" not in refusal(simulate)
    monkeypatch.setenv("NUMBAD_PRINT_AFTER", "none")
    assert re.search(r"^  compiled to   %.* call i32 @numba_xgesv\(", refusal(simulate), re.M)
