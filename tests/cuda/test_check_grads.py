"""`nd.cuda.check_grads` on the emulator: silent about right derivatives, loud about wrong ones; it leaves no traces."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.emulator import available
from cuda.machines import Emulated
from cuda.pool import POOL
from numba import cuda

import numbad as nd
from numbad.cuda.agreement import Check
from numbad.passes.derivative.adjoint_rules import AdjointRules
from numbad.passes.derivative.needs import Shadow
from numbad.passes.rules import table

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)


def check(kernel, configuration, *arguments, **options):
    Check(kernel, Emulated(), **options)[configuration](*arguments)


@cuda.jit
def waves(x, frequency, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = math.sin(frequency * x[i]) + x[0]


@cuda.jit
def squared(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] += x[i] * x[i]


@cuda.jit
def summed(pair, count, out):
    i = cuda.grid(1)
    if i < pair[0].size:
        cuda.atomic.add(count, 0, 1)
        cuda.atomic.add(out, i % 2, pair[0][i] * pair[1])


@cuda.jit
def reads_only(x, seen):
    if x[cuda.grid(1)] > 0.0:
        seen[0] = 1


DIFFERENT = ("saxpy", "complex_numbers", "tuples", "strided_arrays", "reverse_in_dynamic_memory", "newton_root")
"""By what they take: numbers, complex arrays, tuples, strides, dynamic shared memory, a tape that follows data."""
ENDS = ("soft_histogram",)
"""Their moved arguments are indices beyond the end of an array."""


@pytest.mark.parametrize("name", [
    name if name in DIFFERENT else pytest.param(name, marks=pytest.mark.slow) for name in POOL if name not in ENDS])
def test_kernels_of_the_pool(name):
    kernel = POOL[name]
    check(kernel.kernel, (kernel.grid, kernel.block, 0, kernel.shared), *kernel.drawn(), argnums=kernel.active)


def test_the_kernels_that_are_always_tried_are_in_the_pool():
    assert set(DIFFERENT) <= set(POOL)


X = np.linspace(0.5, 1.5, 20)


@pytest.mark.parametrize("options", [{}, {"modes": ("fwd",)}, {"modes": ("rev",)}, {"argnums": ("x", 2)}])
def test_modes_and_arguments(options):
    check(waves, (2, 16), X.copy(), 1.3, np.zeros(20), **options)


def test_single_precision():
    check(waves, (2, 16), X.astype(np.float32), np.float32(1.3), np.zeros(20, np.float32))


def test_arguments_hold_what_they_held():
    x, count, out = X.copy(), np.zeros(1, np.int64), np.full(2, 3.0)
    check(summed, (2, 16), (x, 0.5), count, out)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(count, [0])
    np.testing.assert_array_equal(out, [3.0, 3.0])


# --- what is wrong is found ------------------------------------------------------------------------------------------

@pytest.fixture
def wrong_sine(monkeypatch):
    monkeypatch.setitem(table.RULES, "sin", table.make_rule("sin", lambda x, y: 1.01 * y))


def fresh(kernel):
    """The same kernel, of which no derivative has been made."""
    return cuda.jit(kernel.py_func)


def test_a_wrong_rule(wrong_sine):
    x, out = X.copy(), np.zeros(20)
    with pytest.raises(nd.WrongDerivative, match=r"(?s)^cuda.check_grads\(waves\): forward mode and finite differences "
                       r"disagree; both modes agree, so a rule that they share is wrong\.\n.*"
                       r"The derivative by argument '\w+'.* is\n +[-.\d]+ +by finite differences\n"
                       r" +[-.\d]+ +by forward mode\n +[-.\d]+ +by reverse mode$"):
        check(fresh(waves), (2, 16), x, 1.3, out)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(out, np.zeros(20))


def test_which_number(wrong_sine):
    @cuda.jit
    def one_sine(first, pair, out):
        i = cuda.grid(1)
        if i < out.size:
            out[i] = math.sin(pair[1][i]) if i == 5 else pair[1][i] * first[0]

    with pytest.raises(nd.WrongDerivative, match=r"argument 'pair'\[1\]\[5\], of"):
        check(one_sine, (1, 32), np.ones(1), (1.2, X.copy()), np.zeros(20))


def test_a_wrong_adjoint(monkeypatch):
    """The adjoint of a load overwrites the shadow, as if nothing had been added before."""
    def load(self, i):
        self.builder.store(self.adjoints.take(i), self.lookup(Shadow(i.pointer)))

    monkeypatch.setattr(AdjointRules, "load", load)
    with pytest.raises(nd.WrongDerivative, match="reverse mode and forward mode disagree; reverse mode is the odd"):
        Check(fresh(waves), Emulated(races=False))[2, 16](X.copy(), 1.3, np.zeros(20))  # wrong in that it races, too
    check(fresh(waves), (2, 16), X.copy(), 1.3, np.zeros(20), modes=("fwd",))


class Doubled(Emulated):
    """A device that computes the kernel twice, and its derivatives once."""

    def run(self, kernel, configuration, arguments):
        super().run(kernel, configuration, arguments)
        super().run(kernel, configuration, arguments)


def test_a_wrong_device():
    with pytest.raises(nd.WrongDerivative, match="forward mode and finite differences disagree"):
        Check(squared, Doubled())[2, 16](X.copy(), np.zeros(20))


# --- what cannot be checked ------------------------------------------------------------------------------------------

def readonly():
    x = X.copy()
    x.flags.writeable = False
    return x


NAN = np.full(20, np.nan)
REFUSED = {
    "too few": (lambda: check(waves, (2, 16), X), TypeError,
                r"check_grads\(waves\) takes the kernel's 3 arguments, and 1 were given"),
    "wrapped": (lambda: check(waves, (2, 16), nd.Const(X), 1.0, X.copy()), TypeError,
                "give the argument 'x' as to the kernel, without Const"),
    "no such argument": (lambda: check(waves, (2, 16), X, 1.0, X.copy(), argnums="y"), ValueError,
                         "argnums names 'y', but the arguments are x, frequency, out"),
    "no floats": (lambda: check(summed, (1, 1), (X, 1.0), np.zeros(1, int), X.copy(), argnums="count"), TypeError,
                  "no argument holds a float"),
    "nothing written": (lambda: check(waves, (2, 16), X, 1.0, X.copy(), argnums=("x", "frequency")), ValueError,
                        "writes no array that is differentiated"),
    "writes integers only": (lambda: check(reads_only, (1, 1), X, np.zeros(1, int)), ValueError, "writes no array"),
    "overlap": (lambda: (lambda x: check(squared, (2, 16), x, x))(X.copy()), ValueError,
                "argument 'x' and argument 'out' overlap"),
    "read-only": (lambda: check(waves, (2, 16), readonly(), 1.0, X.copy()), ValueError, "argument 'x' is read-only"),
    "nan": (lambda: check(squared, (2, 16), X.copy(), NAN.copy()), ValueError,
            "argument 'out' holds numbers that are not finite after the launch"),
    "modes": (lambda: check(waves, (2, 16), X, 1.0, X.copy(), modes=("reverse",)), ValueError, "modes must be 'fwd'"),
    "configuration": (lambda: Check(waves, Emulated())[2], ValueError, r"launched with \[grid, block\]"),
    "the host's": (lambda: nd.check_grads(waves, (X, 1.0, X)), TypeError,
                   r"nd\.cuda\.check_grads\(waves\)\[grid, block\]\(\*args\)"),
    "the host's, decorated": (lambda: nd.check_grads(nd.differentiate(waves), (X, 1.0, X)), TypeError,
                              r"nd\.cuda\.check_grads\(waves\)"),
    "no kernel": (lambda: nd.cuda.check_grads(3), TypeError, "cuda.check_grads: 3 is no @cuda.jit kernel"),
    "on the host": (lambda: nd.cuda.check_grads(waves)[2, 16](X, 1.0, X), TypeError, "cuda.to_device"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    action, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        action()


def test_nan_that_is_overwritten_is_no_matter():
    check(waves, (2, 16), X.copy(), 1.3, NAN.copy())


def test_where_finite_differences_do_not_converge():
    """With one mode nothing is compared, and that is said."""
    @cuda.jit
    def jumps(x, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = x[i] + math.floor(x[i])

    with pytest.raises(ValueError, match="finite differences do not converge"):
        check(jumps, (2, 16), np.ones(20), np.zeros(20), modes=("fwd",))
    check(jumps, (2, 16), np.ones(20), np.zeros(20))  # the modes agree with each other
