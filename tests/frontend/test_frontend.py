"""The front end: what Numba accepts becomes one checked LLVM text, and its parameter list is understood."""

from __future__ import annotations

import collections
import gc
import math
import re
import subprocess
import sys
import threading
import types as python_types
import warnings
import weakref

import numba
import numpy as np
import pytest
from numba import float32, float64, guvectorize, int64, jit, njit, objmode, prange, types, vectorize
from numba.core import errors
from numba.experimental import jitclass

from numbad.errors import Unsupported
from numbad.frontend import lower, machine
from numbad.passes import llvm
from numbad.passes.preparation import prepared
from numbad.passes.text import definitions

A1, A2, STRIDED = float64[::1], float64[:, ::1], float64[:]
Pair = collections.namedtuple("Pair", "a b")
RECORD = numba.from_dtype(np.dtype([("x", "f8"), ("y", "f8", (2,))]))

pytestmark = pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaExperimentalFeatureWarning")


@njit
def doubled(x):
    return 2.0 * x


@njit
def sine(x):
    return math.sin(x)


@njit
def row_sum(u, i):
    total = 0.0
    for j in range(u.shape[1]):
        total += u[i, j] * 2.0
    return total


@njit
def total_of(u):
    w = np.empty_like(u)
    w[:] = u
    total = 0.0
    for i in range(u.shape[0]):
        total += row_sum(w, i) ** 2
    return total


@vectorize
def squared(x):
    return x * x


@vectorize(["float64(float64, float64)", "float32(float32, float32)"])
def weighted(x, y):
    return x + 2 * y


@njit
def even(x, n):
    return x if n == 0 else odd(2.0 * x, n - 1)


@njit
def odd(x, n):
    return x if n == 0 else even(3.0 * x, n - 1)


@njit
def halves(x, low, high):
    if high - low < 3:
        return x
    middle = (low + high) // 2
    return halves(x, low, middle) * halves(x, middle, high)


@njit
def divided_from_zero(x, n):
    return halves(x, 0, n)          # the literal 0 makes the recursive call one of another type


@njit
def with_closure(x):
    def inner(y):
        return y * x
    return inner(3.0) + inner(x)


@njit
def with_defaults(x, n=3, k=2.0):
    return x * n * k


@njit
def starred(x, *rest):
    return x + rest[0] * rest[1]


@njit
def maybe(x):
    if x > 0:
        return x
    return None


@njit
def over_list(x):
    items = []
    for i in range(3):
        items.append(x * i)
    return items[2]


@jitclass([("a", float64)])
class Line:
    def __init__(self, a):
        self.a = a

    def at(self, x):
        return self.a * x


MODULE = python_types.ModuleType("constants_and_functions")
MODULE.doubled, MODULE.three = doubled, 3.0
FUNCTIONS = (doubled, sine)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", errors.NumbaExperimentalFeatureWarning)
    FUNCTION_AND_NUMBER = types.Tuple((types.Dispatcher(doubled), float64))

PROGRAMS = {
    "plain function": (lambda x: x * x, (float64,)),
    "single precision": (lambda x, y: x * y, (float32, float32)),
    "call tree": (total_of, (A2,)),
    "strided": (lambda a: a.sum(), (STRIDED,)),
    "dot": (lambda a, b: np.dot(a, b), (A1, A1)),
    "solve": (lambda a, b: np.linalg.solve(a, b), (A2, A1)),
    "ufuncs": (lambda a: np.exp(a) * 2.0, (A1,)),
    "function as argument": (lambda f, x: f(x) + 1.0, (types.Dispatcher(doubled), float64)),
    "function in a tuple argument": (lambda t, x: t[0](x) * t[1], (FUNCTION_AND_NUMBER, float64)),
    "global tuple of functions": (lambda x: FUNCTIONS[0](x) + FUNCTIONS[1](x), (float64,)),
    "module attributes": (lambda x: MODULE.doubled(x) * MODULE.three, (float64,)),
    "closure": (with_closure, (float64,)),
    "mutual recursion": (even, (float64, int64)),
    "mutual recursion, other end": (odd, (float64, int64)),
    "recursion with literals": (divided_from_zero, (float64, int64)),
    "vectorize": (lambda a: squared(a).sum(), (A1,)),
    "vectorize with signatures": (lambda a, b: weighted(a, b), (A1, A1)),
    "vectorize, cast arguments": (lambda n, x: weighted(n, x), (int64, float64)),
    "defaults": (with_defaults, (float64,)),
    "star arguments": (starred, (float64, float64, int64)),
    "optional result": (maybe, (float64,)),
    "optional argument": (lambda x: 1.0 if x is None else 2.0 * x, (types.Optional(float64),)),
    "named tuple": (lambda p: p.a * p.b[0], (types.NamedTuple((float64, A1), Pair),)),
    "nested tuple": (lambda t: t[0][1] * t[1], (types.Tuple((types.UniTuple(float64, 2), float64)),)),
    "complex": (lambda z: abs(z * z), (types.complex128,)),
    "records": (lambda r: r[0].x * r[0].y[1], (types.Array(RECORD, 1, "C"),)),
    "list": (over_list, (float64,)),
    "jitclass argument": (lambda line, x: line.at(x), (Line.class_type.instance_type, float64)),
    "jitclass": (lambda x: Line(x).at(x), (float64,)),
    "string": (lambda s, x: x if s == "a" else 2.0 * x, (types.unicode_type, float64)),
    "error exits": (lambda a, i: a[i] / a[0], (A1, int64)),
}

LEAVES = {types.float64: "double", types.float32: "float", types.boolean: "i8"}


def leaf_type(ty):
    if isinstance(ty, types.Integer):
        return f"i{ty.bitwidth}"
    return LEAVES.get(ty, "ptr")


def llvm_parameters(lowered):
    """The types of the entry's parameters, read from the text."""
    entry = next(definition for definition in definitions(lowered.text) if definition.name == lowered.entry)
    return [piece.split()[0] for piece in re.split(r", (?![^(]*\))", entry.parameters)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_text_is_complete_and_its_parameters_are_known(name):
    function, argtypes = PROGRAMS[name]
    lowered = lower(function, argtypes)
    llvm.check(lowered.text)
    assert llvm_parameters(lowered) == ["ptr", "ptr", *(leaf_type(each.leaf) for each in lowered.parameters)]
    ready = prepared(lowered.text, lowered.entry, machine())
    llvm.check(ready)
    assert not re.search(r"<\d+ x (double|float)>", ready), "vectorised"
    undefined = re.findall(r"^declare [^@]*@(_ZN(?!08NumbaEnv)\w+)", ready, re.M)
    assert not undefined


def paths(function, *argtypes):
    return [(each.argument, each.name, each.path) for each in lower(function, argtypes).parameters]


def test_paths_of_arrays():
    assert paths(lambda u: u[0, 0], A2) == [
        (0, "u", ("meminfo",)), (0, "u", ("parent",)), (0, "u", ("nitems",)), (0, "u", ("itemsize",)),
        (0, "u", ("data",)), (0, "u", ("shape", 0)), (0, "u", ("shape", 1)), (0, "u", ("strides", 0)),
        (0, "u", ("strides", 1))]


def test_paths_of_tuples_and_numbers():
    assert paths(lambda t, z: t[0] + t[1][0] + z.real, types.Tuple((float64, A1)), types.complex64) == [
        (0, "t", (0,)), (0, "t", (1, "meminfo")), (0, "t", (1, "parent")), (0, "t", (1, "nitems")),
        (0, "t", (1, "itemsize")), (0, "t", (1, "data")), (0, "t", (1, "shape", 0)), (0, "t", (1, "strides", 0)),
        (1, "z", ("real",)), (1, "z", ("imag",))]
    assert paths(starred, float64, float64, int64) == [(0, "x", ()), (1, "rest", (0,)), (1, "rest", (1,))]


def test_defaults_are_in_the_signature_and_have_no_parameter():
    lowered = lower(with_defaults, (float64, int64))
    assert lowered.signature == float64(float64, int64, types.Omitted(2.0))
    assert [each.name for each in lowered.parameters] == ["x", "n"]


def test_signature_names_the_users_functions():
    argtypes = (types.Dispatcher(doubled), float64)
    assert lower(lambda f, x: f(x), argtypes).signature.args == argtypes


@njit("float64(float64)")
def declared(x):
    return x * x


def test_declared_signatures_cast_their_arguments():
    lowered = lower(declared, (int64,))
    assert lowered.signature == float64(float64)
    assert [each.leaf for each in lowered.parameters] == [float64]
    inside = lower(lambda n: declared(n), (int64,))
    assert inside.signature == float64(int64)
    assert "sitofp" in prepared(inside.text, inside.entry, machine())
    with pytest.raises(errors.TypingError, match="declared"):
        lower(declared, (A1,))


def test_source():
    lowered = lower(row_sum, (A2, int64))
    code = row_sum.py_func.__code__
    assert (lowered.name, lowered.filename, lowered.line) == ("row_sum", code.co_filename, code.co_firstlineno)
    ready = prepared(lowered.text, lowered.entry, machine())
    multiplication = re.search(r"= fmul .*, !dbg !(\d+)", ready)
    assert re.search(rf"^!{multiplication[1]} = !DILocation\(line: {lowered.line + 4},", ready, re.M)


def test_the_users_compilation_is_neither_needed_nor_touched():
    @njit
    def inner(x):
        return x + 1.0

    @njit
    def outer(x):
        return inner(x) * 2.0

    lower(outer, (float64,))
    assert outer.signatures == inner.signatures == []
    assert outer(2.0) == 6.0
    assert "inner" in lower(outer, (float64,)).text


def test_options_of_the_decorator_count():
    def element(a, i):
        return a[i] / 2.0 + a[i]

    def text(**options):
        return lower(njit(**options)(element), (A1, int64)).text

    assert "IndexError" in text(boundscheck=True)
    assert "IndexError" not in text()
    assert "fadd fast" in text(fastmath=True)
    assert "fadd double" in text()
    assert "optnone" not in text(debug=True)

    def ratio(x, y):
        return x / y

    assert "ZeroDivisionError" in lower(njit(ratio), (float64, float64)).text
    assert "ZeroDivisionError" not in lower(njit(error_model="numpy")(ratio), (float64, float64)).text


@njit(parallel=True)
def in_parallel(a):
    total = 0.0
    for i in prange(a.shape[0]):
        total += a[i]
    return total


@njit
def through_python(x):
    with objmode(y="float64"):
        y = float(x)
    return y


@njit
def generator(x):
    yield x


@guvectorize(["(float64[:], float64[:])"], "(n)->(n)")
def copied(a, out):
    for i in range(a.shape[0]):
        out[i] = a[i]


def calls_copied(a, b):
    copied(a, b)


REFUSED = {
    "parallel=True": (in_parallel, (A1,)),
    "in_parallel": (lambda a: in_parallel(a) * 2.0, (A1,)),
    "objmode": (through_python, (float64,)),
    "generator": (generator, (float64,)),
    "guvectorize": (calls_copied, (A1, A1)),
    "object mode": (jit(forceobj=True)(lambda x: x), (float64,)),
    "neither a Numba dispatcher": (3, (float64,)),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused_with_the_reason(reason):
    with pytest.raises(Unsupported, match=reason):
        lower(*REFUSED[reason])


def test_numbas_own_errors_pass_through():
    with pytest.raises(errors.TypingError, match="Unknown attribute 'nothing'"):
        lower(lambda x: x.nothing, (float64,))


def test_no_warnings_where_there_is_no_source():
    namespace = {}
    exec("def unknown(x):\n    return x * x\n", namespace)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        llvm.check(lower(namespace["unknown"], (float64,)).text)


def scaling_by(factor):
    @njit
    def scaled(x):
        return x * factor
    return scaled


def test_functions_are_told_apart_by_identity():
    first, second = scaling_by(2.5), scaling_by(4.5)
    assert "2.500000e+00" in lower(first, (float64,)).text
    assert "4.500000e+00" in lower(second, (float64,)).text
    assert "4.500000e+00" in lower(lambda x: second(first(x)), (float64,)).text


CONSTANT = 1.5


def test_a_new_dispatcher_sees_a_changed_global(monkeypatch):
    def scaled(x):
        return x * CONSTANT

    assert "1.500000e+00" in lower(njit(scaled), (float64,)).text
    monkeypatch.setitem(globals(), "CONSTANT", 3.5)
    assert "3.500000e+00" in lower(njit(scaled), (float64,)).text


def test_functions_are_not_kept_alive():
    function = scaling_by(2.0)
    lower(function, (float64,))
    died = weakref.ref(function)
    del function
    gc.collect()
    assert died() is None


def test_threads():
    functions = [scaling_by(float(number)) for number in range(8)]
    found = {}

    def work(numbers):
        for number in numbers:
            found[number] = lower(functions[number], (float64,))

    threads = [threading.Thread(target=work, args=(range(start, 8, 2),)) for start in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(8))
    for number, lowered in found.items():
        assert f"{float(number):.6e}" in lowered.text


def test_lowering_first_leaves_numba_working():
    """Numba's run-time functions are compiled once per process, for whoever asks first."""
    program = ("import numpy as np\nfrom numba import njit, float64\nfrom numbad.frontend import lower\n"
               "f = njit(lambda a: (a * 2.0).sum())\nlower(f, (float64[::1],))\nprint(f(np.ones(3)))\n")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == "6.0\n", done.stderr
