"""The pool of CUDA kernels, without derivatives: each does what NumPy does, in any order of threads, without races."""

from __future__ import annotations

import inspect
import re
from functools import cache

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.emulator import EmulatedKernel, Race, available, flatten  # noqa: E402
from cuda.lowering import lowered  # noqa: E402
from cuda.pool import POOL, REFUSED, Kernel, copied
from cuda.support_table import DAILY  # noqa: E402

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)

KERNELS = POOL | REFUSED


def source(name: str) -> str:
    return inspect.getsource(KERNELS[name].kernel.py_func)


@cache
def emulated(name: str, level: int) -> EmulatedKernel:
    return EmulatedKernel(*lowered(KERNELS[name].kernel, KERNELS[name].argtypes(), level), races=True)


def arrays(arguments) -> list[np.ndarray]:
    return [leaf for a in arguments for leaf in (arrays(a) if isinstance(a, tuple) else [np.asarray(a)])]


def check(kernel: Kernel, level: int, order: str, seed: int) -> None:
    given = kernel.drawn(seed)
    arguments = copied(given)
    emulated(kernel.name, level).launch(kernel.grid, kernel.block, flatten(*arguments), kernel.shared, order, seed)
    for got, known in zip(arrays(arguments), arrays(kernel.expected(given)), strict=True):
        assert np.allclose(got, known, rtol=kernel.precision, atol=kernel.precision), kernel.name


@pytest.mark.parametrize("name", [
    name if name in DAILY else pytest.param(name, marks=pytest.mark.slow) for name in KERNELS])
def test_kernel_agrees_with_numpy(name: str) -> None:
    for seed, order in enumerate(("forward", "reverse", "random")):
        check(KERNELS[name], 2, order, seed)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0, 1, 3])
@pytest.mark.parametrize("name", KERNELS)
def test_other_levels_of_optimisation(name: str, level: int) -> None:
    check(KERNELS[name], level, "random", 0)


BARRIER = re.compile(r"^ +(?:tail )?call void @llvm\.nvvm\.bar\S+\(.*\n", re.M)
ATOMIC = re.compile(r"^ +(%\S+) = atomicrmw (f?add) ptr (.+), (\w+) (\S+)(?: sync\S+)? \w+, align.*\n", re.M)


def plain(atomic: re.Match) -> str:
    """An atomic addition taken apart."""
    old, operation, pointer, type, value = atomic.groups()
    return (f"  {old} = load {type}, ptr {pointer}\n  %sum.by.hand = {operation} {type} {old}, {value}\n"
            f"  store {type} %sum.by.hand, ptr {pointer}\n")


@pytest.mark.parametrize("name", [name for name in KERNELS if "atomic.add" in source(name)
                                  or "syncthreads()" in source(name) or "syncwarp()" in source(name)])
def test_every_barrier_and_atomic_is_needed(name: str) -> None:
    """Without one of them the emulator finds a race: neither is the pool careless, nor the emulator blind."""
    kernel = KERNELS[name]
    text, entry = lowered(kernel.kernel, kernel.argtypes())
    places = [(m, "") for m in BARRIER.finditer(text)] + [(m, plain(m)) for m in ATOMIC.finditer(text)]
    assert places
    for match, replacement in places:
        weaker = EmulatedKernel(text[:match.start()] + replacement + text[match.end():], entry, races=True)
        with pytest.raises(Race):
            weaker.launch(kernel.grid, kernel.block, flatten(*kernel.drawn()), kernel.shared)


def test_the_pool_is_whole() -> None:
    assert len(POOL) >= 45
    for kernel in KERNELS.values():
        arguments = kernel.drawn()
        assert kernel.active and max(kernel.active) < len(arguments), kernel.name
        for position in kernel.active:
            assert all(leaf.dtype.kind in "fci" for leaf in arrays([arguments[position]])), kernel.name


@pytest.mark.parametrize("name", KERNELS)
def test_arguments_are_drawn_afresh(name: str) -> None:
    kernel = KERNELS[name]
    first, second = kernel.drawn(3), kernel.drawn(3)
    assert kernel.argtypes() == kernel.argtypes()
    for a, b in zip(arrays(first), arrays(second), strict=True):
        assert np.array_equal(a, b) and (a.ndim == 0 or not np.shares_memory(a, b))
    for a, b in zip(arrays(first), arrays(copied(first)), strict=True):
        assert np.array_equal(a, b) and a.strides == b.strides and (a.ndim == 0 or not np.shares_memory(a, b))
