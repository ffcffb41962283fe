"""`check_grads` and NUMBAD_CHECK: silent about right derivatives, and able to find each kind of wrong one."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from numba import njit

import numbad as nd
from numbad.differences import differences
from numbad.passes.derivative.adjoint_rules import AdjointRules
from numbad.passes.derivative.needs import Shadow
from numbad.passes.rules import table


@njit
def simulated(x, w, n):
    total = 0.0
    for i in range(n):
        for j in range(x.shape[0]):
            w[j] = math.sin(x[j, i % x.shape[1]]) * w[j] + total
            total += 0.1 * math.cos(w[j])
    return total


@njit
def squared_in_place(y, x):
    for i in range(len(y)):
        y[i] = x[i] * y[i] ** 2


class Pair(NamedTuple):
    values: np.ndarray
    factor: float


@njit
def of_a_pair(pair):
    return pair.values.sum() * pair.factor, pair.values[::2] * pair.factor


def arrays(*shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape) for shape in shapes)


class TestRight:
    @pytest.mark.parametrize("modes, order", [(("fwd", "rev"), 2), (("fwd",), 1), (("rev",), 1)])
    def test_programs(self, modes, order):
        nd.check_grads(simulated, (*arrays((4, 3), (4,)), 5), order, modes)
        nd.check_grads(of_a_pair, (Pair(np.arange(1.0, 6.0), 0.3),), order, modes)
        nd.check_grads(squared_in_place, (np.ones(3), np.arange(3.0)), order, modes, outputs=("y",))

    def test_third_order(self):
        nd.check_grads(lambda x, y: math.exp(x) * y**3, (0.3, 1.2), order=3)

    def test_inputs_stay_as_they_were(self):
        x, w = arrays((4, 3), (4,))
        w.flags.writeable = True
        x.flags.writeable = False
        before = x.copy(), w.copy()
        nd.check_grads(simulated, (x, w, 5))
        np.testing.assert_array_equal(x, before[0])
        np.testing.assert_array_equal(w, before[1])

    @pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2]])
    def test_layouts(self, layout):
        x, w = arrays((4, 3), (4,))
        nd.check_grads(simulated, (layout(x), w, 5))

    def test_single_precision(self):
        x, w = arrays((4, 3), (4,))
        nd.check_grads(simulated, (x.astype(np.float32), w, 5))
        nd.check_grads(lambda x: x * x, (np.float32(1.5),))

    @pytest.mark.parametrize("scale", [1e-12, 1e12])
    def test_small_and_large_arguments(self, scale):
        nd.check_grads(lambda x, y: np.sum(x * x) / y, (scale * np.arange(1.0, 4.0), 3.0 * scale), order=2)

    def test_chosen_arguments(self):
        nd.check_grads(simulated, (*arrays((4, 3), (4,)), 5), argnums="w")
        nd.check_grads(lambda x, y: x * math.floor(y), (2.0, 3.5), argnums=0)

    def test_outside_of_the_domain(self):
        """Finite differences meet the function's exceptions: smaller steps, or the modes alone."""
        nd.check_grads(lambda x: math.sqrt(x), (1e-4,))

        @njit
        def picky(x):
            if x != 0.5:
                raise ValueError("only 0.5 will do")
            return x * x

        nd.check_grads(picky, (0.5,))

    def test_a_kink_leaves_the_modes_to_each_other(self):
        nd.check_grads(lambda x: abs(x) + 2.0 * x, (0.0,))
        nd.check_grads(lambda x, y: max(x, y) * y, (1.5, 1.5))  # central differences see half of each branch


@pytest.fixture
def wrong_sine(monkeypatch):
    monkeypatch.setitem(table.RULES, "sin", table.make_rule("sin", lambda x, y: 1.01 * y))


@pytest.fixture
def forgetful_load(monkeypatch):
    """The adjoint of a load overwrites the shadow, as if nothing had been added before."""

    def load(self, i):
        self.builder.store(self.adjoints.take(i), self.lookup(Shadow(i.pointer)))

    monkeypatch.setattr(AdjointRules, "load", load)


@pytest.fixture
def deaf_store(monkeypatch):
    """The adjoint of a store does not clear the shadow."""
    original = AdjointRules.store

    def store(self, i):
        before = len(self.builder.block.instructions)
        original(self, i)
        self.builder.block.instructions[before:][-1].erase()

    monkeypatch.setattr(AdjointRules, "store", store)


class TestWrong:
    def test_a_rule(self, wrong_sine):
        x = np.arange(1.0, 13.0).reshape(3, 4)
        with pytest.raises(nd.WrongDerivative, match=r"(?s)forward mode and finite differences disagree; both modes "
                           r"agree, so a rule that they share is wrong.*argument 'x'\[\d, \d\].*by finite.*by reverse"):
            nd.check_grads(njit(lambda y, x: np.sum(np.sin(x)) * y), (0.3, x))
        with pytest.raises(nd.WrongDerivative, match="reverse mode and finite differences disagree"):
            nd.check_grads(njit(lambda x: math.sin(x)), (0.3,), modes=("rev",))

    def test_which_number(self, wrong_sine):
        @njit
        def one_sine(first, pair):
            total = first
            for i in range(len(pair[1])):
                total += math.sin(pair[1][i]) if i == 5 else pair[1][i] * first
            return total + pair[0]

        with pytest.raises(nd.WrongDerivative, match=r"argument 'pair'\[1\]\[5\], of"):
            nd.check_grads(one_sine, (0.3, (1.2, np.linspace(0.1, 1.0, 9))))

    def test_an_adjoint(self, forgetful_load):
        @njit
        def f(x):
            total = 0.0
            for i in range(len(x)):
                total += x[i] * x[i // 2]
            return total

        with pytest.raises(nd.WrongDerivative, match="reverse mode and forward mode disagree; reverse mode is the odd"):
            nd.check_grads(f, (np.arange(1.0, 8.0),))
        nd.check_grads(f, (np.arange(1.0, 8.0),), modes=("fwd",))
        assert issubclass(nd.WrongDerivative, AssertionError) and issubclass(nd.WrongDerivative, nd.Error)

    def test_second_order(self, monkeypatch):
        """The first derivative of the rule is right, its own derivative is not."""
        monkeypatch.setitem(table.RULES, "cos", table.make_rule("cos", lambda x, y: 0.9 * x))
        f = njit(lambda x: math.sin(x))
        nd.check_grads(f, (0.3,))
        with pytest.raises(nd.WrongDerivative, match=r"check_grads\(grad_f|check_grads\(grad"):
            nd.check_grads(f, (0.3,), order=2)

    def test_nan_is_no_agreement(self, monkeypatch):
        monkeypatch.setitem(table.RULES, "sin", table.make_rule("sin", lambda x, y: y * math.nan))
        with pytest.raises(nd.WrongDerivative, match="nan"):
            nd.check_grads(njit(lambda x: math.sin(x)), (0.3,))


@pytest.mark.parametrize("call, error, message", [
    (lambda: nd.check_grads(math.sin, (1.0,)), TypeError, "check_grads needs a Python function"),
    (lambda: nd.check_grads(simulated, 1.0), TypeError, "args must be a tuple .* not float"),
    (lambda: nd.check_grads(simulated, (1,)), TypeError, "no argument holds a float"),
    (lambda: nd.check_grads(simulated, (np.zeros(0),)), TypeError, "no argument holds a float"),
    (lambda: nd.check_grads(simulated, (1.0,), order=0), ValueError, "order must be 1 or more"),
    (lambda: nd.check_grads(simulated, (1.0,), modes=("reverse",)), ValueError, "modes must be 'fwd', 'rev' or both"),
    (lambda: nd.check_grads(simulated, (1.0,), modes=()), ValueError, "modes must be 'fwd', 'rev' or both"),
    (lambda: nd.check_grads(lambda x: math.floor(x) * 1.0, (1.0,), modes=("fwd",)), ValueError,
     "nothing can be compared .* finite differences do not converge"),
    (lambda: nd.check_grads(lambda x: 1e308 * x, (1e10,)), ValueError, "the results are not finite"),
    (lambda: nd.check_grads(lambda x: x, (1.0,), argnums="z"), ValueError, "names 'z'"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_bad_questions(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("call", [
    lambda f: nd.grad(f)(np.arange(1.0, 8.0)),
    lambda f: nd.value_and_grad(f, (0,))(x=np.arange(1.0, 8.0)),
    lambda f: nd.vjp(f)((np.arange(1.0, 8.0),), 1.0),
    lambda f: nd.autodiff(f, "reverse")(nd.Dup(np.arange(1.0, 8.0), np.zeros(7))),
])
def test_switch(call, monkeypatch, forgetful_load):
    """NUMBAD_CHECK looks at what is about to be called for the first time."""
    def f(x):
        total = 0.0
        for i in range(len(x)):
            total += x[i] * x[i // 2]
        return total

    call(njit(f))
    monkeypatch.setenv("NUMBAD_CHECK", "1")
    with pytest.raises(nd.WrongDerivative, match=r"check_grads\(f\): reverse mode and finite differences disagree"):
        call(njit(f))
    monkeypatch.setenv("NUMBAD_CHECK", "0")
    call(njit(f))


def test_switch_in_forward_mode(monkeypatch, wrong_sine):
    monkeypatch.setenv("NUMBAD_CHECK", "1")
    with pytest.raises(nd.WrongDerivative, match="forward mode and finite differences"):
        nd.jvp(njit(lambda x, y: math.sin(x) * y))((0.3, 0.2), (1.0, None))
    assert nd.jvp(njit(lambda x, y: math.sin(x) * y))((0.3, 0.2), (None, 1.0))[1] == math.sin(0.3)


def test_switch_is_silent_about_right_derivatives_and_exceptions(monkeypatch):
    monkeypatch.setenv("NUMBAD_CHECK", "1")

    @njit
    def f(x, y):
        if y < 0.0:
            raise ValueError("negative")
        return x * x * y

    with pytest.raises(ValueError, match="negative"):
        nd.grad(f)(1.0, -1.0)
    assert nd.grad(f)(3.0, 1.0) == 6.0
    out = np.zeros(2)
    assert nd.autodiff(squared_in_place, "forward")(nd.Dup(out, out.copy()), nd.Const(np.ones(2))) == (None, None)
    assert nd.jvp(f)((3.0, 1.0), (None, None)) == (9.0, 0.0)
    assert nd.grad(njit(lambda x: x.sum()))(np.zeros((0, 3))).shape == (0, 3)
    assert nd.grad(njit(lambda x: max(x, 2.0)))(2.0) == 1.0
    hessian = nd.grad(nd.grad(njit(lambda x: x**3)))
    assert hessian(2.0) == 12.0


def test_nothing_is_printed():
    code = "import numbad as nd\nnd.check_grads(lambda x: x * x, (1.0,))\nprint(nd.grad(lambda x: x * x)(1.5))"
    environment = {**os.environ, "NUMBAD_CHECK": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert (done.stdout, done.stderr) == ("3.0\n", "")


class TestDifferences:
    EPS = float(np.finfo(float).eps)

    @pytest.mark.parametrize("f, slope", [
        (lambda t: np.array([math.exp(t), 3.0 * t, 7.0]), [1.0, 3.0, 0.0]),
        (lambda t: np.array([math.sin(1000.0 * t)]), [1000.0]),
        (lambda t: np.array([1e8 + t]), [1.0]),
    ], ids="smooth fast large".split())
    def test_converge(self, f, slope):
        found = differences(f, (1e-2, 1e-4), self.EPS)
        assert found.converged
        assert np.all(np.abs(found.value - slope) <= found.uncertainty + 1e-12)

    @pytest.mark.parametrize("f", [
        lambda t: np.array([1.0 if t > 0 else 0.0]),
        lambda t: np.array([abs(t) + 0.3 * t + (0.1 if t > 1e-9 else 0.0)]),
        lambda t: np.array([max(t, 0.0)]),
        lambda t: np.array([math.nan]),
        lambda t: np.array([1e25 + t]),
    ], ids="jump kink tie nan rounding".split())
    def test_do_not_converge(self, f):
        found = differences(f, (1e-2, 1e-4), self.EPS)
        assert not found.converged or np.all(np.abs(found.value) <= 1e-3)

    def test_exceptions(self):
        def f(t):
            if abs(t) > 1e-3:
                raise ValueError
            return np.array([t * 2.0])

        assert differences(f, (1e-2, 1e-4), self.EPS).value == pytest.approx([2.0])
        assert not differences(f, (1.0,), self.EPS).converged
