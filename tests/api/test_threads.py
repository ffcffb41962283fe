"""Derivatives on several threads and in several processes, and what happens when there is no memory for a tape."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numba import njit

import numbad as nd


@njit(nogil=True)
def relaxed(x, steps):
    """A tape array, a tape stack, kept shadows, all in one."""
    u, v = x.copy(), x.copy()
    total = 0.0
    for _ in range(steps):
        for i in range(1, len(u) - 1):
            v[i] = 0.3 * (u[i - 1] + u[i + 1]) + math.sin(u[i])
        u, v = v, u
        k = 0
        while k < 5 and abs(u[k]) > 0.1:
            total += u[k] * u[k]
            k += 1
    return total + np.sum(u * u)


def test_the_lock_is_released_where_the_function_releases_it():
    assert nd.grad(relaxed).targetoptions["nogil"] and nd.jvp(nd.grad(relaxed)).targetoptions["nogil"]
    assert not nd.grad(njit(lambda x: x)).targetoptions["nogil"]


def test_eight_threads_get_what_one_gets():
    """All call the same derivatives at the same time, on arrays of different sizes, with tapes of different lengths."""
    gradient, along = nd.grad(relaxed), nd.jvp(relaxed)
    inputs = [(np.random.default_rng(k).normal(size=40 + 5 * k), 30 + k) for k in range(8)]
    gradient(*inputs[0]), along(inputs[0], (inputs[0][0], None))
    alone = [(gradient(*args), along(args, (args[0], None))) for args in inputs]
    start = threading.Barrier(8)

    def work(k):
        start.wait()
        args = inputs[k]
        return all(np.array_equal(gradient(*args), alone[k][0]) and along(args, (args[0], None)) == alone[k][1]
                   for _ in range(60))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))


def test_threads_that_compile():
    """Different derivatives of different functions, and the same one, asked for at once."""
    def make(k):
        return njit(lambda x, n: relaxed(x, n) * (k + 1.0))

    shared, own = make(0), [make(k) for k in range(4)]
    x = np.linspace(0.1, 1.0, 12)
    expected = nd.grad(relaxed)(x, 5)
    start = threading.Barrier(4)

    def work(k):
        start.wait()
        same = nd.grad(shared)(x, 5)
        other = nd.value_and_grad(own[k])(x, 5)[1]
        return np.allclose(same, expected, rtol=1e-13) and np.allclose(other, (k + 1.0) * expected, rtol=1e-13)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))


MODULE = """
    import numpy as np
    from numba import njit
    import numbad as nd

    @njit
    def energy(x, n):
        y = x
        for _ in range(n):
            y = y + 0.1 * np.sin(y)
        return y * y

    @nd.differentiate
    def cube(x):
        return x ** 3

    slope = nd.grad(energy)

    def call(x):
        return slope(x, 10), cube.grad(x)
"""
MAIN = """
    import multiprocessing, pickle, sys
    import work

    if __name__ == "__main__":
        warm, method = sys.argv[1] == "warm", sys.argv[2]
        points = [0.1 * k for k in range(6)]
        if warm:
            here = [work.call(x) for x in points]
        assert pickle.loads(pickle.dumps(work.slope)) is work.slope
        with multiprocessing.get_context(method).Pool(2) as pool:
            there = pool.map(work.call, points)
            handed_over = pool.starmap(work.slope, [(x, 10) for x in points])
        here = [work.call(x) for x in points]
        assert there == here, (there, here)
        assert handed_over == [slope for slope, _ in here]
        print("equal")
"""


@pytest.mark.parametrize("state, method", [("warm", "fork"), ("cold", "fork"), ("warm", "spawn")])
def test_processes(tmp_path: Path, state: str, method: str):
    """Pools of `multiprocessing`, whose workers inherit compiled derivatives or make their own."""
    (tmp_path / "work.py").write_text(textwrap.dedent(MODULE))
    (tmp_path / "main.py").write_text(textwrap.dedent(MAIN))
    done = subprocess.run([sys.executable, "main.py", state, method], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("equal\n", 0), done.stderr


JOBLIB = """
    import joblib, numpy as np, sys
    import numbad as nd
    from numba import njit

    @njit
    def energy(x, n):
        total = 0.0
        for i in range(n):
            total += np.sin(x[i % x.size] * i)
        return total

    class Model:
        @staticmethod
        @njit
        def cost(x):
            return energy(x, 7) ** 2

        def slope(self, x):
            return nd.grad(self.cost)(x)

    if __name__ == "__main__":
        slope = nd.grad(energy)
        points = [np.linspace(0.0, 1.0, 3) * k for k in range(6)]
        here = [slope(x, 10) for x in points] + [Model().slope(x) for x in points]
        with joblib.parallel_config(backend=sys.argv[1], n_jobs=2):
            there = joblib.Parallel()(joblib.delayed(slope)(x, 10) for x in points)
            there += joblib.Parallel()(joblib.delayed(Model().slope)(x) for x in points)
        assert np.array_equal(there, here), (there, here)
        print("equal")
"""


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(tmp_path: Path, backend: str):
    """Derivatives of functions that a script defines: they travel by value."""
    (tmp_path / "main.py").write_text(textwrap.dedent(JOBLIB))
    done = subprocess.run([sys.executable, "main.py", backend], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("equal\n", 0), done.stderr


@njit
def long_product(x, n):
    y = x
    for _ in range(n):
        y = math.sin(y) * x
    return y


@njit
def long_product_in_a_callee(x, n, depth):
    if depth == 0:
        return long_product(x, n)
    return long_product_in_a_callee(x, n, depth - 1) * x


@njit
def pairs_without_end(x, n):
    total = 0.0
    for i in range(3):
        for j in range(n):
            total += math.sin(x[j % 2] * x[j % 2]) * x[i]
        x[0] *= 2.0
    return total


@pytest.mark.parametrize("call", [
    lambda n: nd.grad(pairs_without_end)(np.ones(3), n << 10),
    lambda n: nd.grad(long_product)(0.5, n),
    lambda n: nd.vjp(long_product)((0.5, n), 1.0),
    lambda n: nd.autodiff(long_product, "reverse")(nd.Active(0.5), nd.Const(n)),
    lambda n: nd.grad(long_product_in_a_callee)(0.5, n, 2),
    lambda n: nd.grad(nd.grad(long_product))(0.5, n),
    lambda n: caught(n),
], ids="shared grad vjp autodiff callee second inside".split())
def test_no_memory_for_the_tape(call):
    """More than any machine has: an exception, and everything goes on."""
    with pytest.raises(MemoryError):
        call(1 << 45)
    assert nd.grad(long_product)(0.5, 3) == pytest.approx(nd.jvp(long_product)((0.5, 3), (1.0, None))[1], rel=1e-14)


@njit
def caught(n):
    return nd.grad(long_product)(0.5, n)


STARVED = """
    import resource
    import numba, numpy as np
    import numbad as nd

    @numba.njit
    def f(x, n):
        y = x
        k = 0
        while k < n and y > -2.0:
            k += 1
            y = np.sin(y) * x
        return y

    g = nd.grad(f)
    small = g(0.5, 10)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
    for _ in range(3):  # what was allocated until then is given back
        try:
            g(0.5, 10**9)
        except MemoryError as error:
            print(error)
    assert g(0.5, 10) == small
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
def test_memory_that_runs_out_on_the_way():
    """A loop whose length nobody knows: its tape grows until there is no more."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(STARVED)], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == (3 * "no memory for what the reverse sweep needs\n", 0), done.stderr
