"""The run-time function behind the derivatives of the gamma function."""

from __future__ import annotations

import ctypes
import math
from math import inf

import pytest

from numbad.passes.ir.function import Module
from numbad.passes.ir.types import DOUBLE, I64, FunctionType
from numbad.passes.rules import runtime
from rules.compiled_rules import Compiled, close

EULER, ZETA_3 = 0.5772156649015329, 1.2020569031595942


@pytest.mark.parametrize("n, x, expected", [
    (0, 1.0, -EULER), (0, 0.5, -EULER - 2 * math.log(2)), (0, -0.5, 2 - EULER - 2 * math.log(2)),
    (1, 1.0, math.pi ** 2 / 6), (1, 0.5, math.pi ** 2 / 2), (1, -0.5, math.pi ** 2 / 2 + 4),
    (2, 1.0, -2 * ZETA_3), (3, 1.0, math.pi ** 4 / 15), (3, 0.5, math.pi ** 4),
    (0, inf, inf), (1, inf, 0.0), (0, math.nan, math.nan), (0, -3.0, math.nan), (0, 0.0, math.nan),
    (0, 1e-300, -1e300), (1, 1e-100, 1e200), (0, -1e-20, 1e20), (0, -inf, math.nan)])
def test_polygamma_at_known_points(n, x, expected):
    assert close(runtime.polygamma(n, x), expected, 2e-15, 1e-15 if n == 0 else 0.0)


@pytest.mark.parametrize("n", range(11))
def test_polygamma_everywhere(n):
    special = pytest.importorskip("scipy.special")
    for k in range(1, 300):
        x = 0.037 * k if k < 200 else 1.3 ** (k - 190)
        assert close(runtime.polygamma(n, x), float(special.polygamma(n, x)), 2e-14, 1e-15)


@pytest.mark.parametrize("n", range(6))
def test_polygamma_recurs(n):
    for x in (-0.1, -0.9, -1.5, -3.3, -20.25, 0.3, 7.7):
        step = (-1) ** n * math.factorial(n) / x ** (n + 1)
        left, right = runtime.polygamma(n, x), runtime.polygamma(n, x + 1)
        assert close(right - left, step, 2e-14, 1e-14 * (abs(left) + abs(right)))


@pytest.mark.parametrize("n", range(6))
def test_polygamma_text_is_the_algorithm(n):
    module = Module()
    module.declare(runtime.POLYGAMMA, FunctionType(DOUBLE, (I64, DOUBLE)))
    machine_code = Compiled(module, *(text("libm") for text in runtime.RUNTIME.values()))
    address = machine_code.address(runtime.POLYGAMMA)
    compiled = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, ctypes.c_double)(address)
    for x in (1e-5, 0.3, 1.0, 1.5, 2.7, 9.99, 10.0, 33.3, 1e5, 1e30, inf,
              -0.3, -1.5, -7.77, -100.4, -2.0, 0.0, -inf, math.nan):
        assert close(compiled(n, x), runtime.polygamma(n, x), 1e-15), x
