"""Derivatives inside `@njit`: every pattern that Numba allows, and the messages of those that it does not."""

import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

import numbad as nd


@njit
def cube(x):
    return x**3


@njit
def twice(n):
    return 2 * n


@njit
def sums(x):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * x[i]
    return total


@njit
def scaled(y, x, a):
    for i in range(len(y)):
        y[i] = a * x[i]


@njit
def product(x, y):
    return x * y


@nd.differentiate
def fourth(x):
    return x**4


@nd.differentiate(argnums=("x", "y"))
def ratio(x, y):
    return x / y


gradient = nd.grad(cube)
gradient_of_twice = nd.grad(twice)


def test_global_derivative():
    @njit
    def caller(x):
        return gradient(x) + gradient(x=x)

    assert caller(2.0) == 24.0


def test_two_derivatives_of_one_function_in_one_caller():
    @njit
    def caller(x, y):
        return nd.grad(product)(x, y), nd.grad(product, 1)(x, y), nd.grad(product, argnums=("y", "x"))(x, y)

    assert caller(2.0, 3.0) == (3.0, 2.0, (2.0, 3.0))


def test_all_functions():
    @njit
    def caller(x):
        value, slope = nd.value_and_grad(cube, "x")(x)
        out, tangent = nd.jvp(cube)((x,), (1.0,))
        out_now, tangent_now = nd.jvp(cube, (x,), (2,))
        result, gradients = nd.vjp(cube)((x,), 10.0)
        return value, slope, out, tangent, out_now, tangent_now, result, gradients[0]

    assert caller(2.0) == (8.0, 12.0, 8.0, 12.0, 8.0, 24.0, 8.0, 120.0)


def test_outputs_and_argnums_as_constants():
    @njit
    def caller(y, x):
        out, gradients = nd.vjp(scaled, argnums=("x",), outputs=("y",))((y, x, 3.0), (np.ones(2),))
        (moved,), (tangent,) = nd.jvp(scaled, outputs=("y",))((y, x, 3.0), (None, x, None))
        return out[0], gradients[1], gradients[2], moved, tangent

    out, of_x, of_a, moved, tangent = caller(np.zeros(2), np.array([1.0, 2.0]))
    assert of_a is None
    for array, expected in ((out, [3, 6]), (of_x, [3, 3]), (moved, [3, 6]), (tangent, [3, 6])):
        np.testing.assert_array_equal(array, expected)


def test_function_as_argument():
    @njit
    def caller(f, x):
        return nd.grad(f)(x)

    assert caller(cube, 2.0) == 12.0
    assert caller(fourth, 2.0) == 32.0


def test_grad_of_grad():
    @njit
    def caller(x):
        return nd.grad(nd.grad(cube))(x)

    assert caller(2.0) == 12.0


def test_attributes_of_differentiable_functions():
    @njit
    def caller(x, y):
        value, gradients = ratio.value_and_grad(x, y)
        return fourth.grad(x), gradients, fourth.jvp((x,), (1.0,))[1], fourth.vjp((x,), 2.0)[1][0], value

    assert caller(1.0, 2.0) == (4.0, (0.5, -0.25), 4.0, 8.0, 0.5)


def test_callers_are_differentiated():
    @njit
    def caller(x):
        return nd.grad(cube)(x) * fourth.grad(x) * gradient(x)          # 36 x^7

    assert nd.grad(caller)(1.0) == pytest.approx(252.0)
    assert nd.jvp(caller)((1.0,), (1.0,)) == pytest.approx((36.0, 252.0))


def test_run_time_checks():
    @njit
    def caller(x, t):
        return nd.jvp(sums)((x,), (t,))

    assert caller(np.ones(3), np.arange(6.0)[::2]) == (3.0, 12.0)
    with pytest.raises(ValueError, match=r"jvp\(sums\): the tangent of argument 'x' has another shape"):
        caller(np.ones(3), np.ones(4))


def test_exceptions_can_be_caught():
    @njit
    def checked(x):
        if x < 0.0:
            raise ValueError("negative")
        return x * x

    @njit
    def caller(x):
        try:
            return nd.grad(checked)(x)
        except Exception:
            return -1.0

    assert (caller(3.0), caller(-3.0)) == (6.0, -1.0)


def test_errors_reach_the_user():
    @njit
    def by_call(n):
        return nd.grad(twice)(n)

    @njit
    def by_global(n):
        return gradient_of_twice(n)

    for caller in (by_call, by_global):
        with pytest.raises(Exception, match=r"grad\(twice\): the argument 'n' is int64, which has no derivative"):
            caller(3)


def test_options_must_be_constants():
    @njit
    def caller(x, k):
        return nd.grad(cube, k)(x)

    with pytest.raises(Exception, match="argnums must be written as a constant, and it is int64"):
        caller(1.0, 0)


def test_what_is_no_function():
    @njit
    def caller(x):
        return nd.grad(x)(x)

    with pytest.raises(Exception, match="needs a function compiled by numba.njit, not float64.*pass that as an argum"):
        caller(1.0)


def test_closure_over_a_variable_of_the_caller_is_refused_by_numba():
    @njit
    def caller(a):
        def inner(x):
            return a * x
        return nd.grad(inner)(1.0)

    with pytest.raises(TypingError, match="non-constant value associated with variable 'a'"):
        caller(2.0)


CACHED = """
import numpy as np
import numbad as nd
from numba import njit

@njit
def f(x):
    total = 0.0
    for i in range(len(x)):
        total += np.sin(x[i]) * x[i - 1]
    return total

g = nd.value_and_grad(f)

@njit(cache=True)
def caller(x):
    return g(x), nd.grad(f)(x)
"""

RUN = """
import numpy as np
from cached import caller
(value, first), second = caller(np.arange(3.0))
print(sum(caller.stats.cache_hits.values()), repr((value, first.tolist(), second.tolist())))
"""


def test_cached_caller_in_a_second_process(tmp_path):
    (tmp_path / "cached.py").write_text(CACHED)
    paths = [str(tmp_path), *sys.path]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(paths)}
    outputs = [subprocess.run([sys.executable, "-c", RUN], env=environment, cwd=tmp_path, check=True,
                              capture_output=True, text=True).stdout.split(" ", 1) for _ in range(2)]
    assert [hits for hits, _ in outputs] == ["0", "1"]
    assert outputs[0][1] == outputs[1][1]
    x = np.arange(3.0)
    expected = np.cos(x) * np.roll(x, 1) + np.roll(np.sin(x), -1)
    assert f"{expected.tolist()}" in outputs[1][1]


def test_without_jit(tmp_path):
    code = ("import numbad as nd\n"
            "f = nd.differentiate(lambda x: x * x)\n"
            "print(f(3.0))\n"
            "try:\n"
            "    f.grad(3.0)\n"
            "except nd.Unsupported as error:\n"
            "    print(error)\n")
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert output.stdout == ("9.0\ngrad(<lambda>) needs compiled code, and NUMBA_DISABLE_JIT is set: unset it\n\n"
                             "  <string>:2, in <lambda>\n")


def test_machine_code_shares_no_run_time_functions() -> None:
    """MCJIT binds a shared function to the first copy of that name, which LLVM may have changed to fit other calls."""
    @njit
    def grown(x):
        y = x
        while y < 100.0:
            y = y * x + math.sin(y)
        return y

    first, second = nd.grad(grown), nd.jvp(nd.grad(grown))
    first(1.5), second((1.5,), (1.0,))
    for text in [*first.inspect_llvm().values(), *second.inspect_llvm().values()]:
        defined = re.findall(r"^define (.*?) @numbad\.[\w.]+\(", text, re.M)
        assert defined and all(head.startswith("internal ") for head in defined)
