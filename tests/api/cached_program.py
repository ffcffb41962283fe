"""The program of test_cache.py: copied to a folder of its own and run there in fresh processes.

It writes, as JSON to stderr, for each derivative the results of its calls, Numba's counts of hits and misses, and where
it is kept. With BLOCKED=1 anything that would compute a derivative raises; ONLY names the derivatives that are called.
The other variables change what is compiled.
"""

import json
import os
import sys
import warnings

if os.environ.get("STAMP"):
    import numbad.stamp
    numbad.stamp._sources = lambda: os.environ["STAMP"]

import numpy as np
from cached_helper import Refused, helped
from numba import njit
from numba.core.codegen import CPUCodeLibrary
from numba.extending import overload

import numbad as nd
import numbad.derive
import numbad.key

if os.environ.get("EXTENDED"):
    def stub(x):
        pass

    @overload(stub)
    def _stub(x):
        return lambda x: x

SCALE = float(os.environ.get("SCALE", "2"))
TABLE = np.array([1.0, SCALE])
LARGE = np.arange(200_000.0)
options = json.loads(os.environ.get("OPTIONS", "{}"))


@njit(cache=True)
def plain(x):
    return x**3


@njit(cache=True)
def by_helper(x):
    return helped(x)


@njit(cache=True)
def by_global(x):
    return SCALE * x


@njit(cache=True)
def by_table(x):
    return TABLE[1] * x


@njit(cache=True)
def arrays(x, w):
    y = np.exp(x) * w
    y[0] = x[1]
    return np.sum(y * x)


@njit(cache=True)
def kernel(y, x):
    for i in range(len(y)):
        y[i] = x[i] * x[i]


@njit(cache=True)
def raising(x):
    if x < -1.0:
        raise Refused("below")
    if x < 0.0:
        raise ValueError("negative", x)
    return x * x


@njit(cache=True)
def printing(x):
    print("printed", x)
    return 2.0 * x


@njit(cache=True)
def with_inner(x):
    return nd.grad(plain)(x) * x


@njit(cache=True)
def with_large(x):
    return LARGE[3] * x


@nd.differentiate(cache=True, argnums="y")
def decorated(x, y):
    return x * y * y


def enclosing(factor):
    @njit(cache=True)
    def enclosed(x):
        return factor * x * x
    return enclosed


def by_options(name, factor):
    @njit(cache=True, **options.get(name, {}))
    def chosen(x, n):
        return factor * x * x / n + TABLE[int(n) - 4]
    return chosen


double, triple = nd.grad(enclosing(2.0)), nd.grad(enclosing(3.0))


@njit
def calls_both(x):
    return double(x), triple(x)


def attempt(function, *arguments):
    try:
        return plain_data(function(*arguments))
    except (ValueError, Refused) as error:
        return [type(error).__name__, *error.args]


def plain_data(value):
    if isinstance(value, tuple):
        return list(map(plain_data, value))
    return value.tolist() if isinstance(value, np.ndarray) else value


x, w, dx = np.array([0.5, 1.5]), np.array([2.0, 3.0]), np.zeros(2)
CALLS = {
    "grad": (nd.grad(plain), [(2.0,)]),
    "second": (nd.grad(nd.grad(plain)), [(2.0,)]),
    "jvp": (nd.jvp(plain), [((2.0,), (1.0,))]),
    "jvp of grad": (nd.jvp(nd.grad(plain)), [((2.0,), (1.0,))]),
    "helper": (nd.grad(by_helper), [(2.0,)]),
    "global": (nd.grad(by_global), [(2.0,)]),
    "table": (nd.grad(by_table), [(2.0,)]),
    "fastmath": (nd.grad(by_options("fastmath", 1.0)), [(2.0, 4.0)]),
    "boundscheck": (nd.grad(by_options("boundscheck", 2.0)), [(2.0, 4.0)]),
    "error_model": (nd.grad(by_options("error_model", 3.0)), [(2.0, 4.0)]),
    "first argument": (nd.value_and_grad(arrays), [(x, w)]),
    "other argument": (nd.value_and_grad(arrays, 1), [(x, w)]),
    "kernel": (nd.vjp(kernel, outputs=("y",)), [((np.zeros(2), x), (w,))]),
    "in place": (nd.autodiff(arrays, "reverse"), [(nd.Dup(x, dx), nd.Const(w))]),
    "raising": (nd.grad(raising), [(2.0,), (-0.5,), (-2.0,)]),
    "printing": (nd.grad(printing), [(2.0,)]),
    "inner": (nd.grad(with_inner), [(2.0,)]),
    "decorated": (decorated.grad, [(2.0, 3.0)]),
    "double": (double, [(2.0,)]),
    "triple": (triple, [(2.0,)]),
}


unblocked = numbad.derive._derive, CPUCodeLibrary._optimize_final_module


def blocked(*_):
    raise AssertionError("a derivative is computed")


def run() -> dict:
    for primal, arguments in ((plain, (1.0,)), (kernel, (np.zeros(2), x))):
        primal(*arguments)  # now Numba itself is ready
    if os.environ.get("BLOCKED"):
        numbad.derive._derive = CPUCodeLibrary._optimize_final_module = blocked
        if not os.environ.get("EXTENDED"):
            numbad.key.lower = blocked
    chosen = os.environ.get("ONLY", ",".join(CALLS)).split(",")
    said = {}
    for name in chosen:
        derivative, calls = CALLS[name]
        said[name] = {"results": [attempt(derivative, *arguments) for arguments in calls],
                      "hits": sum(derivative.stats.cache_hits.values()),
                      "misses": sum(derivative.stats.cache_misses.values()),
                      "path": derivative.stats.cache_path}
    return {"derivatives": said, "shadow": dx.tolist()}


if __name__ == "__main__":
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run()
        if not os.environ.get("BLOCKED") and "ONLY" not in os.environ:
            result["large"] = nd.grad(with_large)(2.0)
        if {"double", "triple"} <= set(result["derivatives"]):
            numbad.derive._derive, CPUCodeLibrary._optimize_final_module = unblocked
            result["both"] = calls_both(2.0)
    result["warnings"] = [str(warning.message) for warning in caught]
    sys.stderr.write(json.dumps(result))
