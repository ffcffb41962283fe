"""Rows of scratch are added to rows of shadows, all of them and nothing else."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numba import njit

import numbad as nd
from derivative.native import I64, Native, P
from numbad.derive import report
from numbad.passes.derivative.rows import PREFIX, text


def between_nans(values: np.ndarray) -> np.ndarray:
    """A copy whose neighbours in memory are nan."""
    around = np.full((*values.shape[:-1], values.shape[-1] + 18), np.nan, values.dtype)
    around[..., 9:-9] = values
    return around[..., 9:-9]


@pytest.mark.parametrize("kind", ["double", "float"])
@pytest.mark.parametrize("places", [(0,), (0, 0), (0, 1), (0, 1, 1, 2), (0, 2, 3), (0, 0, 6, 7, 7), (3, 0)])
def test_rows_are_added(kind: str, places: tuple[int, ...]) -> None:
    """In one pass where they overlap, whatever their length; what lies around them is not even read."""
    symbol = PREFIX + ".".join(map(str, (kind, *places)))
    add = Native(text(symbol)).function(symbol, None, I64, *[P] * (1 + len(places)))
    dtype = {"double": np.float64, "float": np.float32}[kind]
    rng = np.random.default_rng(0)
    for n in [-1, 0, 1, 2, 3, 5, 6, 7, 8, 9, 40]:
        scratch = [between_nans(rng.integers(-9, 9, size=max(n, 0)).astype(dtype)) for _ in places]
        row = np.full(max(n, 0) + 30, np.nan, dtype)
        for place in places:
            row[10 + place:10 + place + n] = rng.integers(-9, 9)
        expected = row.copy()
        for part, place in zip(scratch, places, strict=True):
            expected[10 + place:10 + place + n] += part
        add(n, row[10:].ctypes.data, *(part.ctypes.data for part in scratch))
        np.testing.assert_array_equal(row, expected)


LINEAR = [(0, 1, 2.0), (1, 0, -1.0), (1, 1, 3.0), (1, 2, 2.0), (2, 1, 2.0)]
BENT = [(0, 3, 1.0), (2, 0, 1.0), (2, 4, 1.0), (2, 2, -5.0), (5, 1, 1.0), (5, 2, -7.0)]


@njit
def linear(a, w):
    total = 0.0
    for i in range(a.shape[0] - 2):
        for j in range(a.shape[1] - 2):
            total += w[i, j] * (2.0 * (a[i, j + 1] + a[i + 1, j + 2] + a[i + 2, j + 1])
                                - a[i + 1, j] + 3.0 * a[i + 1, j + 1])
    return total


@njit
def bent(a, w):
    total = 0.0
    for i in range(a.shape[0] - 5):
        for j in range(a.shape[1] - 4):
            total += w[i, j] * (a[i, j + 3] + a[i + 2, j] + a[i + 2, j + 4] - 5.0 * a[i + 2, j + 2] + a[i + 5, j + 1]
                                - 7.0 * a[i + 5, j + 2])
    return total


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("function, stencil", [(linear, LINEAR), (bent, BENT)])
def test_plates_of_all_shapes(function: Any, stencil: list[tuple[int, int, float]], dtype: type) -> None:
    """Small integers, so that all sums are exact; shadows lie in the middle of nans, which stay as they are."""
    rng = np.random.default_rng(1)
    derivative = nd.autodiff(function, mode="reverse")
    high, wide = (max(place[axis] for place in stencil) for axis in (0, 1))
    for rows, columns in itertools.product([0, 1, 2, 3, 5, 6, 7, 8, 9, 17], [0, 1, 2, 3, 4, 5, 6, 9, 40]):
        a = rng.integers(-3, 3, size=(rows, columns)).astype(dtype)
        w = rng.integers(-3, 3, size=(max(rows - high, 0), max(columns - wide, 0))).astype(dtype)
        expected = np.zeros_like(a)
        for i, j, factor in stencil:
            expected[i:i + w.shape[0], j:j + w.shape[1]] += dtype(factor) * w
        memory = np.full(a.size + 200, np.nan, dtype)
        memory[100:-100] = 0.0
        shadow = memory[100:-100].reshape(a.shape)
        derivative(nd.Dup(a, shadow), nd.Const(w))
        np.testing.assert_array_equal(shadow, expected)
        assert np.isnan(memory[:100]).all() and np.isnan(memory[-100:]).all()
    assert f"wait for {high + 1} of its iterations" in report(function)


@njit
def cubes(a):
    total = 0.0
    for i in range(1, a.shape[0] - 1):
        for j in range(1, a.shape[1] - 1):
            s = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1] - 4.0 * a[i, j]
            total += s * s * s
    return total


@njit
def slope(a, v):
    return np.sum(nd.grad(cubes)(a) * v)


def test_a_gradient_of_a_gradient() -> None:
    """What adds rows is differentiated like any function: reverse over reverse is forward over reverse."""
    rng = np.random.default_rng(2)
    for shape in [(2, 2), (3, 3), (4, 6), (7, 5)]:
        a, v = rng.normal(size=(2, *shape))
        _, along = nd.jvp(nd.grad(cubes))((a,), (v,))
        np.testing.assert_allclose(nd.grad(slope)(a, v), along, rtol=1e-12, atol=1e-12)
