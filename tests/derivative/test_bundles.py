"""When the tangents of several directions are computed as one vector."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numba import njit
from numba.core.typing.typeof import typeof

from numbad.derive import derive
from numbad.request import Request


@njit
def numbers_only(x, n):
    for _ in range(n):
        x = x * x + 0.1 / x
    return x


@njit
def mostly_moved(x, n):
    u, w = x.copy(), np.zeros_like(x)
    for _ in range(n):
        for i in range(1, x.size - 1):
            w[i] = u[i - 1] + u[i + 1]
        u, w = w, u
    return u.sum()


@njit
def much_computed(x, n):
    """Few accesses for what is computed in between."""
    total = 0.0
    for i in range(x.size):
        v = x[i]
        for _ in range(n):
            v = v * v + 0.1 / v
        total += v
    return total


@pytest.mark.parametrize("function, argument, is_bundled", [
    (numbers_only, 0.5, True), (mostly_moved, np.ones(9), False), (much_computed, np.ones(9), True)])
def test_bundled(function, argument, is_bundled):
    made = derive(function, (typeof(argument), typeof(3)), Request("forward", (True, False), 4))
    assert bool(re.search(r"fmul <4 x double>|fadd <4 x double>", made.text)) is is_bundled
