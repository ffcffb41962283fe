"""The programs of the support table that are not in the pool: what is refused, and what the pool has no entry for.

Each is a plain function under `@program(args=...)`, an `Entry` as in the pool. In a program that is refused, the line
at fault ends in `# refused`; without such a line, the refusal is of the function as a whole, an argument or a result.
Those that are refused give a float, so that 1.0 is a cotangent for all of them.
"""

from __future__ import annotations

import cmath
import ctypes
import ctypes.util
import enum
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numba import cfunc, guvectorize, njit, objmode, prange, stencil, typed, types, vectorize
from numba.experimental import jitclass

import numbad as nd
from pool.entry import Arguments, Entry
from pool.linalg import spd
from pool.trees import has_floats

PROGRAMS: dict[str, Entry] = {}
NESTED = "numbad differentiates no complex arguments"
RECORD = np.dtype([("position", "f8"), ("speed", "f8"), ("kind", "i8")])


def program(*, args: Arguments, diff: tuple[str, ...] | None = None, **rest: Any) -> Callable[[Callable], Callable]:
    """Make an `Entry` of the function below. What holds floats is differentiated, unless `diff` says otherwise."""

    def collect(function: Callable) -> Callable:
        draft = Entry(function.__name__, "support", function, args, (), **rest)
        active = tuple(p for p, a in zip(draft.parameters, draft.arguments(), strict=True) if has_floats(a))
        PROGRAMS[draft.name] = replace(draft, diff=active if diff is None else diff)
        return function

    return collect


def scalar(rng: np.random.Generator) -> tuple:
    return (float(rng.uniform(0.5, 1.5)),)


def two_scalars(rng: np.random.Generator) -> tuple:
    return 1.2, 0.7


def vector(rng: np.random.Generator) -> tuple:
    return (rng.uniform(0.5, 2.0, size=5),)


def matrix(rng: np.random.Generator) -> tuple:
    return (spd(rng, 3),)


def system(rng: np.random.Generator) -> tuple:
    return spd(rng, 3), rng.normal(size=3)


# --- numbers ---


@program(args=two_scalars)
def conversions(x, y):
    return float(int(4.0 * x)) * y + round(x, 1) * x + divmod(y, 0.4)[1] + (x > y) * x


@program(args=two_scalars)
def complex_functions(x, y):
    z = complex(x, y)
    return abs(cmath.exp(z) * cmath.sqrt(z)) + cmath.phase(z) + (z * z).imag + cmath.log(z).real


@program(args=vector)
def complex_array_inside(x):
    z = np.zeros(5, np.complex128)
    for i in range(5):
        z[i] = complex(x[i], 2.0 * x[i]) * 1j
    return np.abs(z * z).sum() + z.imag.sum()


@program(args=lambda rng: (1.0 + 2.0j, 0.7), diff=("x",))
def complex_result(z, x):
    return z * x


@program(args=two_scalars)
def complex_to_complex_power(x, y):
    return (complex(x, y) ** complex(0.3, x)).real  # refused


@program(args=scalar)
def mantissa(x):
    m, _ = math.frexp(x)  # refused
    return m * x


@program(args=scalar)
def half_precision(x):
    return np.float16(x) * 2.0


@program(args=vector)
def bits_as_number(x):
    return x[1] * np.float64(x.copy().view(np.int32)[1])  # refused


# --- control flow ---


@program(args=vector)
def prange_is_range(x):
    total = 0.0
    for i in prange(x.shape[0]):
        total += x[i] * x[i]
    return total


@program(args=vector, options={"parallel": True})
def in_parallel(x):
    total = 0.0
    for i in prange(x.shape[0]):
        total += x[i] * x[i]
    return total


@njit
def squares(x):
    for value in x:
        yield value * value


@program(args=vector)
def generator_consumed(x):
    total = 0.0
    for value in squares(x):
        total += value * value
    return total


# --- arrays and memory ---


@program(args=lambda rng: (np.asfortranarray(rng.normal(size=(3, 4))), rng.normal(size=10)[::2]))
def other_layouts(a, x):
    return (a.T @ a[:, 0]).sum() * x.sum() + a[1, 2] * x[3]


@program(args=vector)
def numpy_interpolation(x):
    return np.interp(1.7, np.arange(5.0), x) * np.interp(x[0], np.arange(5.0), np.cumsum(x))


@program(args=vector)
def array_from_list(x):
    return np.array([x[0], x[1] * x[2]]).sum() * np.array([v * v for v in x])


@program(args=vector)
def integers_in_containers(x):
    chosen = [i for i in range(5) if i != 2]
    order = {i: 4 - i for i in range(5)}
    seen = {0, 3}
    typed_chosen = typed.List(chosen)
    total = 0.0
    for k in range(len(chosen)):
        total += x[chosen[k]] * x[order[typed_chosen[k]]]
    for i in seen:
        total += x[i] ** 3
    return total


@program(args=vector)
def list_of_floats(x):
    values = []  # refused
    for v in x:
        values.append(v * v)
    return values[0] * values[2]


@program(args=vector)
def set_of_floats(x):
    values = set()  # refused
    for v in x:
        values.add(v)
    return max(values)


@program(args=vector)
def typed_list_of_floats(x):
    values = typed.List()  # refused
    for v in x:
        values.append(v * v)
    return values[0] * values[2]


@program(args=vector)
def dictionary_of_floats(x):
    values = typed.Dict.empty(types.int64, types.float64)  # refused
    for i in range(5):
        values[i] = x[i] * x[i]
    return values[0] * values[2]


@program(args=vector)
def distinct_values(x):
    return np.unique(x).sum()  # refused


@program(args=scalar, no_complex="records hold real numbers")
def records_inside(x):
    particles = np.zeros(2, RECORD)
    particles[0].position = x * x
    particles[1]["speed"] = x
    particles[1].kind = 3
    return particles[0].position * particles[1].speed ** particles[1].kind


@program(args=lambda rng: (1.2, np.array([(1.0, 2.0, 3), (3.0, 4.0, 5)], RECORD)), no_complex="attributes of records")
def records_as_constants(x, particles):
    return x * particles[0].position * particles[1]["speed"] ** x


@program(args=lambda rng: (1.2, np.array([(1.0, 2.0, 3), (3.0, 4.0, 5)], RECORD)))
def records_written(x, particles):
    particles[0].position = x * x
    return particles[0].position * particles[0].speed


@program(args=vector)
def array_from_nested_lists(x):
    m = np.array([[x[0], x[1]], [x[2], x[3]]])  # refused
    return m[0, 1] * m[1, 1]


@program(args=vector)
def integer_in_a_record(x):
    particles = np.zeros(x.size, RECORD)
    total = 0.0
    for i in range(x.size):
        particles[i].position = x[i]
        particles[i].kind = i
    for i in range(x.size):
        total += particles[i].position * particles[i].kind  # refused
    return total


@program(args=vector)
def record_copied(x):
    particles = np.zeros(x.size, RECORD)
    for i in range(x.size):
        particles[i].position = x[i]
    for i in range(x.size - 1):
        particles[i] = particles[i + 1]  # refused
    return particles[0].position


@jitclass([("scale", types.float64), ("values", types.float64[:])])
class Box:
    def __init__(self, scale, values):
        self.scale = scale
        self.values = values

    def product(self):
        return self.scale * self.values[0]


@program(args=lambda rng: (1.2, Box(2.0, np.array([1.5, 2.5]))), diff=("x",))
def instance_as_constant(x, box):
    return x * box.product() ** x


@program(args=lambda rng: (1.2, np.array([1.5, 2.5])))
def instance_made_inside(x, values):
    return Box(x, values).product()  # refused


class Kind(enum.IntEnum):
    SQUARE = 1
    CUBE = 2


@program(args=lambda rng: (1.2, Kind.CUBE, "twice"), diff=("x",))
def names_and_enums(x, kind, how):
    factor = 2.0 if how == "tw" + "ice" else 1.0
    return factor * x * (x if kind == Kind.SQUARE else x * x)


# --- calls ---


@njit
def even(x, n):
    return x if n == 0 else odd(x * x, n - 1)


@njit
def odd(x, n):
    return 1.0 if n == 0 else even(x + 1.0, n - 1)


@program(args=lambda rng: (1.3, 4))
def mutual_recursion(x, n):
    return even(x, n)


@njit
def square(x):
    return x * x


@njit
def cube(x):
    return x * x * x


@program(args=lambda rng: (1.3, True))
def function_chosen_at_run_time(x, flag):
    f = square if flag else cube
    return f(x)  # refused


@vectorize
def scaled_square(x, a):
    return a * x * x


@program(args=lambda rng: (rng.normal(size=4), 0.7))
def vectorized_function(x, a):
    return scaled_square(x, a) * scaled_square(a, 2.0)


@guvectorize(["void(float64[:], float64[:])"], "(n)->(n)", nopython=True)
def generalised(x, out):
    for i in range(x.shape[0]):
        out[i] = x[i] * x[i]


@program(args=vector)
def guvectorized_function(x):
    out = np.zeros(5)
    generalised(x, out)
    return out.sum()


@stencil
def neighbours(a):
    return 0.5 * (a[-1] + a[1]) * a[0]


@program(args=vector)
def stencil_function(x):
    return neighbours(x).sum()


bessel = ctypes.CDLL(ctypes.util.find_library("m")).j0
bessel.restype, bessel.argtypes = ctypes.c_double, [ctypes.c_double]


@program(args=scalar)
def foreign_function(x):
    return x * bessel(x)  # refused


@cfunc("float64(float64)")
def callback(x):
    return x * x


through_pointer = callback.ctypes


@program(args=scalar)
def c_callback(x):
    return x * through_pointer(x)  # refused


@program(args=vector)
def printing(x):
    print("the first is", x[0])
    return x[0] * x[1]


@program(args=vector)
def object_mode(x):
    with objmode(y="float64"):
        y = float(x[0]) ** 2
    return y * x[1]


@program(args=vector, no_python="Numba has random numbers of its own")
def random_factors(x):
    np.random.seed(3)
    order = np.random.permutation(5)
    total = 0.0
    for i in range(5):
        total += x[order[i]] * np.random.normal() * np.random.random()
    return total


@program(args=two_scalars, no_python="Numba has random numbers of its own")
def random_parameters(mean, width):
    np.random.seed(3)
    return np.random.normal(mean, width) * np.random.exponential(width)


# --- linear algebra ---


@program(args=system)
def solve(a, b):
    return np.linalg.solve(a, b).sum()  # refused


@program(args=matrix)
def inverse(a):
    return np.linalg.inv(a).sum()  # refused


@program(args=matrix)
def determinant(a):
    return np.linalg.det(a)  # refused


@program(args=matrix)
def log_determinant(a):
    return np.linalg.slogdet(a)[1]  # refused


@program(args=matrix)
def cholesky(a):
    return np.linalg.cholesky(a).sum()  # refused


@program(args=matrix)
def eigenvalues(a):
    return np.linalg.eigvals(a).sum()  # refused


@program(args=matrix)
def symmetric_eigenvalues(a):
    return np.linalg.eigh(a)[0].sum()  # refused


@program(args=matrix)
def singular_values(a):
    return np.linalg.svd(a)[1].sum()  # refused


@program(args=matrix)
def orthogonal_factor(a):
    return np.linalg.qr(a)[1].sum()  # refused


@program(args=system)
def least_squares(a, b):
    return np.linalg.lstsq(a, b)[0].sum()  # refused


@program(args=matrix, no_complex="a norm of complex numbers")
def kronecker_and_trace(a):
    return np.kron(a, a).sum() + np.trace(a) + np.linalg.norm(a)


# --- results ---


@program(args=scalar)
def perhaps_a_result(x):
    if x > 0.0:
        return x * x
    return None


# --- derivatives of derivatives ---


@njit
def wave(x):
    return math.sin(x) * x * x


@njit
def energy(x):
    return np.sum(x**3 * x[::-1])


@program(args=scalar, no_complex=NESTED)
def gradient_inside(x):
    return nd.grad(wave)(x) * x


@program(args=vector, no_complex=NESTED)
def gradient_of_array_inside(x):
    return nd.grad(energy)(x) * x


@program(args=scalar, no_complex=NESTED)
def gradient_of_gradient(x):
    return nd.grad(nd.grad(wave))(x)


@program(args=two_scalars, no_complex=NESTED)
def tangent_inside(x, v):
    return nd.jvp(wave)((x,), (v,))[1]


@program(args=vector, no_complex=NESTED)
def pullback_inside(x):
    value, gradients = nd.vjp(energy)((x,), 2.0)
    return gradients[0] * value
