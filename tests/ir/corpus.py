"""Functions whose LLVM text the parser, the printer and the verifier are tried on.

Each is compiled once by Numba, and its text is kept at three stages: as linked before the module's passes, after LLVM's
level 1 without vectorisers, and as `inspect_llvm` shows it (optimised, vectorised, prepared for code generation).
What they compute does not matter; that they use different parts of Numba does.
"""

import math
import warnings
from collections import namedtuple
from dataclasses import dataclass

import llvmlite.binding as binding
import numpy as np
from numba import boolean, c16, cfunc, f4, f8, guvectorize, i1, i4, i8, njit, objmode, types, u1, u8, vectorize
from numba.core import codegen, errors
from numba.extending import intrinsic
from numba.typed import Dict, List


@dataclass(frozen=True)
class Case:
    name: str
    function: object
    signature: tuple
    options: dict
    decorator: object


CASES = {}
SLOW = set()


def case(*signature, slow=False, decorator=njit, **options):
    """Put a function into the corpus."""
    def register(function):
        name = function.__name__
        assert name not in CASES
        CASES[name] = Case(name, function, signature, options, decorator)
        if slow:
            SLOW.add(name)
        return function
    return register


def texts(case):
    """Stage -> LLVM text."""
    linked = []

    def recorded(library, original=codegen.CPUCodeLibrary._optimize_final_module):
        linked.append(str(library._final_module))
        original(library)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.NumbaWarning)
        original = codegen.CPUCodeLibrary._optimize_final_module
        codegen.CPUCodeLibrary._optimize_final_module = recorded
        try:
            optimised = _compiled(case)
        finally:
            codegen.CPUCodeLibrary._optimize_final_module = original
    return {"linked": linked[-1], "level 1": _level_one(linked[-1]), "optimised": optimised}


def _compiled(case):
    if case.decorator is njit:
        dispatcher = njit(**case.options)(case.function)
        dispatcher.compile(case.signature)
        return dispatcher.inspect_llvm(dispatcher.signatures[0])
    made = case.decorator(*case.signature, **case.options)(case.function)
    if case.decorator is cfunc:
        return made.inspect_llvm()
    dispatcher = made._dispatcher if case.decorator is vectorize else made.gufunc_builder.nb_func
    return next(iter(dispatcher.overloads.values())).library.get_llvm_str()


def _level_one(text):
    module = binding.parse_assembly(text)
    machine = binding.Target.from_default_triple().create_target_machine(opt=1)
    tuning = binding.PipelineTuningOptions(speed_level=1)
    tuning.loop_vectorization = tuning.slp_vectorization = False
    builder = binding.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return str(module)


# --- scalars ---


@case(f8, f8)
def scalar_formula(x, y):
    return math.sin(x) * math.exp(-y) + math.atan2(y, x) ** 2 - x % y


@case(f8, i8)
def scalar_powers(x, n):
    return x ** n + x ** 3 + x ** 0.5 + n ** 2


@case(i8, i8)
def integer_division(a, b):
    return a // b + a % b


@case(i4, u8, i1, u1)
def mixed_integers(a, b, c, d):
    return (a << 3) ^ (c & d) | np.int64(b >> np.uint64(2))


@case(f4, f4, fastmath=True)
def single_precision(x, y):
    return math.sqrt(x * x + y * y) / (x - y)


@case(f8, boolean, types.int16)
def conversions(x, flag, k):
    return np.float32(x) + np.uint8(x) + int(x) + k + (1.5 if flag else 2)


@case(f8)
def float_properties(x):
    if math.isnan(x) or math.isinf(x):
        return math.inf
    return math.floor(x) + math.ceil(x) + round(x) + math.copysign(1.0, x) + math.trunc(x)


@case(f8)
def special_constants(x):
    return (x + np.inf) * 5e-324 - np.nan * 1e308 + 0.1 - 1e22


@case(c16, c16)
def complex_formula(z, w):
    return abs(z) * np.exp(w) + z.conjugate() * w / (z - 1j)


@case(types.complex64)
def complex_single(z):
    return z * z + 1j * z.real


# --- control ---


@case(i8)
def branches(n):
    if n < 0:
        return -n
    elif n == 0:
        return 7
    elif n > 100:
        n -= 100
    return n * 2


@case(f8[::1], f8)
def while_loop(x, tolerance):
    k, error = 0, 1.0
    while error > tolerance and k < x.size:
        error *= 0.5
        if x[k] < 0:
            continue
        k += 1
        if k == 17:
            break
    return k


@case(i8)
def many_cases(n):
    if n == 1:
        return 10
    if n == 2:
        return 20
    if n == 3:
        return 5
    if n == 4:
        return 40
    if n == 5:
        return 11
    return 0


@case(f8[:, ::1])
def nested_loops(a):
    s = 0.0
    for i in range(a.shape[0]):
        for j in range(i, a.shape[1]):
            for k in range(3):
                s += a[i, j] * k
    return s


@case(i8)
def recursion(n):
    if n < 2:
        return 1
    return recursion_target(n - 1) + recursion_target(n - 2)


@njit
def recursion_target(n):
    if n < 2:
        return n
    return recursion_target(n - 1) + recursion_target(n - 2)


# --- arrays ---


@case(f8[::1])
def contiguous_sum(x):
    s = 0.0
    for value in x:
        s += value
    return s


@case(f8[:], f8[:])
def strided_dot(x, y):
    s = 0.0
    for i in range(x.size):
        s += x[i] * y[i]
    return s


@case(f8[::1, :], f8[:, :])
def fortran_layout(a, b):
    return a[1, 2] + b[0, -1]


@case(f8[::1], f8[::1], f8, fastmath=True)
def vectorised_axpy(x, y, a):
    for i in range(x.size):
        y[i] += a * x[i]


@case(f4[::1], f4[::1], fastmath=True)
def vectorised_reduction(x, y):
    s = np.float32(0)
    for i in range(x.size):
        s += x[i] * y[i] if x[i] > 0 else y[i]
    return s


@case(u1[::1], i8[::1])
def vectorised_integers(a, b):
    s = 0
    for i in range(a.size):
        b[i] = a[i] * 3 + (b[i] >> 2)
        s += min(b[i], 100)
    return s


@case(f8[::1], i8[::1])
def gathered(x, index):
    y = np.empty_like(x)
    for i in range(index.size):
        y[i] = x[index[i]]
    return y


@case(f8[::1], boundscheck=True)
def checked_bounds(x):
    return x[3] + x[-1]


@case(f8[:, ::1])
def array_expression(a):
    return np.exp(a) * 2.0 + a


@case(f8[:, :, ::1], i8)
def slices(a, k):
    b = a[k, 1:-1, ::2]
    b[0] = 1.0
    return b.T


@case(f8[::1])
def reductions(x):
    return x.sum() + x.mean() + x.max() + x.prod() + np.argmin(x)


@case(c16[:, ::1])
def complex_array(a):
    s = 0j
    for i in range(a.shape[0]):
        a[i, 0] *= 2j
        s += a[i, i].conjugate()
    return s


@case(boolean[::1], f8[::1])
def masked(mask, x):
    return x[mask]


@case(f8[:, ::1])
def copies(a):
    return a.copy(), a.reshape(-1)


@case(f8[:, ::1], slow=True)
def assignments(a):
    b = np.empty_like(a)
    b[:] = a
    b[0] = b[1]
    return b


@case(i8)
def allocations(n):
    a, b, c = np.zeros(n), np.ones((n, 2), np.float32), np.arange(n)
    return a.size + b.size + c[n - 1]


@case(f8[:, ::1], f8[:, ::1], f8[::1])
def linear_algebra(a, b, x):
    return np.dot(a, b) @ x


@case(f8[:, ::1], f8[::1], slow=True)
def linear_solve(a, b):
    return np.linalg.solve(a, b) + np.linalg.inv(a)[0] + np.linalg.det(a)


@case(f8[:, ::1], slow=True)
def decompositions(a):
    q, r = np.linalg.qr(a)
    u, s, v = np.linalg.svd(a)
    return s.sum() + q[0, 0] + r[0, 0]


@case(i8)
def random_numbers(n):
    np.random.seed(3)
    s = 0.0
    for _ in range(n):
        s += np.random.random() + np.random.normal(0.0, 1.0)
    return s


@case(f8[::1], slow=True)
def sorting(x):
    return np.sort(x)[0] + np.argsort(x)[1]


@case(f8[::1], f8[::1], slow=True)
def stacking(x, y):
    return np.concatenate((x, y)), np.where(x > y, x, y), np.cumsum(x)


@case(i8)
def tuple_of_shape(n):
    total = 0
    for index in np.ndindex((n, 3)):
        total += index[0] * index[1]
    return total


TABLE = np.array([[1.5, -2.0, np.pi], [0.0, 1e300, -0.0]])


@case(i8, i8)
def global_array(i, j):
    return TABLE[i, j]


# --- records, tuples, optionals ---

fields = [("mass", f8), ("count", i4), ("position", types.NestedArray(f8, (3,)))]
record = types.Array(types.Record.make_c_struct(fields), 1, "C")
Point = namedtuple("Point", "x y")


@case(record)
def records(table):
    table[0].mass += table[1].count
    return table[0].position[2] + table[1].mass


@case(types.UniTuple(f8, 3), types.Tuple((i8, f8[::1], boolean)))
def tuples(a, b):
    s = 0.0
    for value in a:
        s += value
    return s + b[1][b[0]], b[2], (a, 1)


@case(types.NamedUniTuple(f8, 2, Point))
def named_tuples(p):
    return Point(p.y, p.x).x


@case(types.Optional(f8), i8)
def optionals(x, n):
    if x is None:
        return None
    return x + n if n > 3 else None


@case(types.Tuple(()), types.none, types.Omitted(3.0))
def empty_values(a, b, c=3.0):
    return a, b, c


# --- strings and containers ---


@case(types.unicode_type)
def strings(s):
    return "αβγ\n" if s == "no" else "\"quoted\\\""


@case(types.unicode_type, i8, slow=True)
def string_building(s, n):
    return s[:2] + str(n) + s


@case(types.unicode_type, slow=True)
def string_methods(s):
    return s.split(",")[0].upper().replace("A", "b") + f"{len(s)}"


@case(types.Bytes(u1, 1, "C"))
def byte_strings(b):
    return b[0] + len(b)


@case(i8)
def reflected_lists(n):
    a = [1.0, 2.0]
    for i in range(n):
        a.append(i * 0.5)
    a.pop()
    return a


@case(i8)
def list_of_lists(n):
    return [[i, i + 1] for i in range(n)]


@case(types.ListType(f8))
def typed_lists(values):
    other = List.empty_list(f8)
    for value in values:
        other.append(value)
    return other


@case(types.DictType(types.unicode_type, i8), slow=True)
def typed_dicts(d):
    e = Dict.empty(types.unicode_type, f8)
    for key, value in d.items():
        e[key] = value * 2.0
    return e


@case(i8)
def sets(n):
    s = {1, 2, n}
    s.add(5)
    return len(s) + (3 in s)


# --- exceptions, generators, closures, calls ---


@case(f8)
def exceptions(x):
    if x < 0:
        raise ValueError("negative", 3)
    if x == 0:
        raise ZeroDivisionError
    assert x < 10
    return 1 / x


@case(f8, i8)
def dynamic_exceptions(x, n):
    if x < 0:
        raise ValueError("bad", n)
    return x


@case(f8[::1])
def caught_exceptions(x):
    try:
        return x[0] / x[1]
    except Exception:
        return -1.0


@case(i8)
def context_managed(n):
    with objmode(y="float64"):
        y = float(n)
    return y


def _count(n):
    for i in range(n):
        yield i * 0.5


count = njit(_count)
CASES["generators"] = Case("generators", _count, (i8,), {}, njit)


@case(i8)
def generator_consumer(n):
    s = 0.0
    for value in count(n):
        s += value
    return s


@case(f8)
def closures(x):
    def inner(y):
        return x * y
    return inner(2.0) + inner(x)


@njit
def helper(x, f):
    return f(x) + 1.0


@njit
def square(x):
    return x * x


@case(f8)
def first_class_functions(x):
    return helper(x, square)


@case(f8, types.FunctionType(f8(f8)))
def function_pointer(x, f):
    return f(x) * 2.0


@case(f8, inline="always", error_model="numpy")
def numpy_errors(x):
    return 1.0 / x


@case(f8, i8)
def printing(x, n):
    print("x =", x, n)


# --- what only intrinsics reach ---


def _intrinsic(build):
    """A function of (i8 array data, i8) built by `build(builder, pointer, number)`."""
    @intrinsic
    def raw(typing_context, x, n):
        def generate(context, builder, signature, args):
            data = context.make_array(x)(context, builder, args[0]).data
            return build(builder, data, args[1])
        return i8(x, n), generate
    return raw


def _build_atomics(builder, pointer, number):
    old = builder.atomic_rmw("add", pointer, number, "monotonic")
    pair = builder.cmpxchg(pointer, old, number, "acq_rel", "monotonic")
    builder.fence("seq_cst")
    builder.store_atomic(number, pointer, "release", 8)
    return builder.add(builder.extract_value(pair, 0), builder.load_atomic(pointer, "acquire", 8))


def _build_switch(builder, pointer, number):
    end, one, two = (builder.append_basic_block(name) for name in ("the end", "one", ""))
    switch = builder.switch(number, end)
    switch.add_case(number.type(1), one)
    switch.add_case(number.type(-2), two)
    for block in (one, two):
        builder.position_at_end(block)
        builder.store(number, pointer)
        builder.branch(end)
    builder.position_at_end(end)
    return builder.load(pointer)


raw_atomics, raw_switch = map(_intrinsic, (_build_atomics, _build_switch))


@case(i8[::1], i8)
def atomics(x, n):
    return raw_atomics(x, n)


@case(i8[::1], i8)
def switch(x, n):
    return raw_switch(x, n)


# --- other decorators and debug builds ---


@case(f8(f8, f8), decorator=cfunc)
def c_callback(x, y):
    return x + y


@case([f8(f8, f8)], decorator=vectorize)
def universal_function(x, y):
    return math.hypot(x, y)


@case([(f8[:], f8, f8[:])], "(n),()->(n)", decorator=guvectorize)
def generalised(x, a, out):
    for i in range(x.size):
        out[i] = a * x[i]


@case(f8, f8, debug=True)
def debug_scalars(x, y):
    z = x * y
    if z > 1:
        z -= 1
    return z


@case(f8[::1], i8, debug=True, _dbg_optnone=True)
def debug_arrays(x, n):
    s = 0.0
    for i in range(n):
        t = (x[i], i)
        s += t[0]
    return s


@case(c16, types.unicode_type, debug=True)
def debug_varied(z, s):
    if len(s) == 0:
        raise ValueError("empty")
    return z * len(s)


@case(f8[:, ::1], debug=True, boundscheck=True, slow=True)
def debug_expression(a):
    b = np.sin(a) + 1.0
    return b.sum()
