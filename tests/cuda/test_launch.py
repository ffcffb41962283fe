"""How derivatives of kernels are called: wrappers, checks before a launch, tapes, what is refused and in what words."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.emulator import available
from cuda.machines import Emulated
from numba import cuda

import numbad as nd
from numbad.cuda.launch import Derivative

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)


def vjp(kernel, **options):
    return Derivative(kernel, "reverse", Emulated(**options))


def jvp(kernel):
    return Derivative(kernel, "forward", Emulated())


@cuda.jit
def scaled(x, a, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = a * x[i]


@cuda.jit
def overwritten(x, n):
    i = cuda.grid(1)
    if i < x.size:
        for _ in range(n):
            x[i] = math.sin(x[i]) * x[i]


@cuda.jit
def through_scratch(x, work, out):
    i = cuda.grid(1)
    if i < x.size:
        work[i] = x[i] * x[i]
        out[i] = work[i] * x[i]


def call(derivative, *arguments, shared=0):
    derivative[2, 32, 0, shared](*arguments)


def ones(n=40, dtype=np.float64):
    return np.ones(n, dtype)


def test_seeds_and_adjoints():
    x, out = np.linspace(1, 2, 40), np.zeros(40)
    dx, da, dout = np.zeros(40), np.zeros(1), np.linspace(0, 1, 40)
    seeds = dout.copy()
    call(vjp(scaled), nd.Dup(x, dx), nd.Dup(3.0, da), nd.Dup(out, dout))
    np.testing.assert_allclose(out, 3 * x)
    np.testing.assert_allclose(dx, 3 * seeds)
    np.testing.assert_allclose(da, [x @ seeds])
    np.testing.assert_array_equal(dout, np.zeros(40))


def test_adjoints_are_added():
    dx = ones()
    call(vjp(scaled), nd.Dup(ones(), dx), nd.Const(3.0), nd.Dup(ones(), ones()))
    np.testing.assert_allclose(dx, np.full(40, 4.0))


def test_tangents():
    dout = ones()
    call(jvp(scaled), nd.Dup(ones(), np.full(40, 0.5)), nd.Dup(3.0, 2.0), nd.Dup(ones(), dout))
    np.testing.assert_allclose(dout, np.full(40, 3.5))


def test_arrays_are_written_once_although_the_tape_is_measured():
    x, n = np.linspace(0.5, 1.5, 40), 5
    expected = x.copy()
    for _ in range(n):
        expected = np.sin(expected) * expected
    derivative, dx = vjp(overwritten), ones()
    call(derivative, nd.Dup(x, dx), nd.Const(n))
    assert derivative.machine.launches == 2
    np.testing.assert_allclose(x, expected)
    assert np.all(dx != 1.0)


def test_loops_that_run_not_at_all():
    dx = ones()
    call(vjp(overwritten), nd.Dup(ones(), dx), nd.Const(0))
    np.testing.assert_array_equal(dx, ones())


def test_scratch_gets_a_shadow():
    x, dx = np.linspace(1, 2, 40), np.zeros(40)
    call(vjp(through_scratch), nd.Dup(x, dx), nd.Const(ones()), nd.Dup(ones(), ones()))
    np.testing.assert_allclose(dx, 3 * x * x)


def test_too_much_dynamic_memory():
    with pytest.raises(ValueError, match=r"25,600 bytes of dynamic shared memory.* at most 49,152"):
        call(vjp(scaled), nd.Dup(ones(), ones()), nd.Const(3.0), nd.Dup(ones(), ones()), shared=25600)


def test_no_room_for_the_tape():
    machine = Emulated(races=False)

    def room(count):
        raise MemoryError("full")
    machine.room = room
    x = ones()
    with pytest.raises(MemoryError, match=r"no memory for the tape of [\d,]+ bytes: [\d,]+ for each of 64 threads"):
        call(Derivative(overwritten, "reverse", machine), nd.Dup(x, ones()), nd.Const(9))
    np.testing.assert_array_equal(x, ones())


def readonly(array):
    array.flags.writeable = False
    return array


WRONG = {
    "too few": (lambda: call(vjp(scaled), nd.Const(ones())), TypeError, "takes 3 arguments, and 1 were given"),
    "not wrapped": (lambda: call(vjp(scaled), ones(), nd.Const(1.0), nd.Const(ones())), TypeError,
                    "wrap the argument 'x' in Const or Dup"),
    "Active": (lambda: call(vjp(scaled), nd.Const(ones()), nd.Active(1.0), nd.Const(ones())), TypeError,
               "the argument 'a' cannot be Active: give its adjoint a place"),
    "a float's adjoint": (lambda: call(vjp(scaled), nd.Const(ones()), nd.Dup(1.0, 0.0), nd.Dup(ones(), ones())), TypeError,
                          "the adjoint of argument 'a' needs an array of one float64"),
    "a float's adjoint in float32": (lambda: call(vjp(scaled), nd.Const(ones()), nd.Dup(1.0, ones(1, np.float32)),
                                                  nd.Dup(ones(), ones())), TypeError, "an array of one float64"),
    "a float's tangent": (lambda: call(jvp(scaled), nd.Const(ones()), nd.Dup(1.0, ones(1)[:0]), nd.Dup(ones(), ones())),
                          TypeError, "the tangent of argument 'a' must be a number"),
    "shape": (lambda: call(vjp(scaled), nd.Dup(ones(), ones(39)), nd.Const(1.0), nd.Dup(ones(), ones())), ValueError,
              r"the shadow of argument 'x' has the shape \(39,\), the argument \(40,\)"),
    "dtype": (lambda: call(vjp(scaled), nd.Dup(ones(), ones(40, np.float32)), nd.Const(1.0), nd.Dup(ones(), ones())),
              TypeError, "has the dtype float32, the argument float64"),
    "strides": (lambda: call(vjp(scaled), nd.Dup(ones(), ones(80)[::2]), nd.Const(1.0), nd.Dup(ones(), ones())),
                ValueError, r"has the strides \(16,\), the argument \(8,\)"),
    "read-only": (lambda: call(vjp(scaled), nd.Dup(ones(), readonly(ones())), nd.Const(1.0), nd.Dup(ones(), ones())),
                  ValueError, "the shadow of argument 'x' is read-only"),
    "no shadow": (lambda: call(vjp(scaled), nd.Dup(ones(), None), nd.Const(1.0), nd.Dup(ones(), ones())), TypeError,
                  "the shadow of argument 'x' must be an array on the device"),
    "shadow of an integer": (lambda: call(vjp(overwritten), nd.Dup(ones(), ones()), nd.Dup(3, ones(1))), TypeError,
                             "argument 'n' is int64, which has no derivative"),
    "written overlap": (lambda: (lambda x: call(vjp(scaled), nd.Dup(x, ones()), nd.Const(1.0), nd.Dup(x, ones())))(ones()),
                        ValueError, "argument 'x' and argument 'out' overlap, and argument 'out' is written"),
    "shadow is the primal": (lambda: (lambda x: call(vjp(scaled), nd.Dup(x, x), nd.Const(1.0), nd.Dup(ones(), ones())))(
        ones()), ValueError, "argument 'x' and the shadow of argument 'x' overlap"),
    "one shadow for two": (lambda: (lambda s: call(vjp(through_scratch), nd.Dup(ones(), s), nd.Dup(ones(), s),
                                                   nd.Dup(ones(), ones())))(ones()), ValueError, "overlap"),
    "odd shared memory": (lambda: call(vjp(scaled), nd.Dup(ones(), ones()), nd.Const(1.0), nd.Dup(ones(), ones()),
                                       shared=6), ValueError, "6 bytes of shared memory; a multiple of 4"),
    "no configuration": (lambda: vjp(scaled)[2], ValueError, r"a kernel is launched with \[grid, block\]"),
    "four dimensions": (lambda: vjp(scaled)[(1, 1, 1, 1), 32], TypeError, "the grid and its blocks have one to three"),
    "half a thread": (lambda: vjp(scaled)[1, 0.5], TypeError, "whole numbers, and not 0.5"),
    "no kernel": (lambda: nd.cuda.vjp(3), TypeError, "cuda.vjp: 3 is no @cuda.jit kernel"),
    "options": (lambda: nd.differentiate(scaled, fastmath=True), TypeError, "options of a kernel are given to cuda.jit"),
    "device function": (lambda: call(vjp(cuda.jit(device=True)(lambda x: x)), nd.Dup(1.0, ones(1))), nd.Unsupported,
                        "is a device function: differentiate it inside a kernel"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(name):
    action, error, words = WRONG[name]
    with pytest.raises(error, match=words):
        action()


def test_tangents_may_be_shared():
    t, dout = ones(), np.zeros(40)
    call(jvp(through_scratch), nd.Dup(2 * ones(), t), nd.Const(ones()), nd.Dup(ones(), dout))
    np.testing.assert_allclose(dout, np.full(40, 12.0))


def test_a_kernel_that_carries_its_derivatives():
    kernel = nd.differentiate(scaled)
    assert kernel.__name__ == "scaled" and kernel.py_func is scaled.py_func
    assert kernel.vjp.kernel is scaled and kernel.jvp.mode == "forward"


def test_report():
    call(vjp(overwritten), nd.Dup(ones(), ones()), nd.Const(2))
    assert "stored in each iteration" in nd.differentiate(overwritten).report()


def test_host_arrays_are_refused_by_the_gpu():
    with pytest.raises(TypeError, match="cuda.to_device"):
        nd.cuda.vjp(scaled)[1, 32](nd.Dup(ones(), ones()), nd.Const(1.0), nd.Dup(ones(), ones()))


def test_the_kernel_of_the_readme():
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").partition("## CUDA kernels")[2]
    names: dict = {}
    exec(compile(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], "<README>", "exec"), names)
    u, dout = np.random.default_rng(1).normal(size=(2, 512))
    du, dk, seeds, k = np.zeros(512), np.zeros(1), dout.copy(), 0.1
    vjp(names["step"])[2, 256](nd.Dup(u, du), nd.Dup(k, dk), nd.Dup(np.zeros(512), dout))
    np.testing.assert_allclose(du, seeds + k * (np.roll(seeds, 1) - 2 * seeds + np.roll(seeds, -1)))
    np.testing.assert_allclose(dk, [seeds @ (np.roll(u, 1) - 2 * u + np.roll(u, -1))])


@cuda.jit
def first_dimension_only(x, out):
    i = cuda.grid(1)
    if i < x.size:
        cuda.atomic.add(out, i, x[i] * x[i])


@pytest.mark.parametrize("block", [(32, 2), [32, 2], (np.int64(32), np.int32(2)), [np.int64(32), 2, 1]])
def test_threads_of_the_second_dimension_share_places(block):
    """Whatever a launch writes its dimensions as: additions there must be atomic."""
    x, dx = np.linspace(1, 2, 32), np.zeros(32)
    vjp(first_dimension_only)[1, block](nd.Dup(x, dx), nd.Dup(np.zeros(32), np.ones(32)))
    np.testing.assert_allclose(dx, 4 * x)
