"""What users do wrong, and what they are told: cases for `test_bad_input`, run in a process of their own.

A case is a call, the class of the exception that it must raise, and words that the message must hold. The process
prints one JSON line a case; one that kills the interpreter is seen by what is missing.
"""

from __future__ import annotations

import ctypes
import json
import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import deferred_type, guvectorize, njit, objmode, optional, stencil, typed, types, vectorize
from numba.core.errors import NumbaError, TypingError
from numba.experimental import jitclass

import numbad as nd


@dataclass(frozen=True)
class Case:
    call: Callable[[], object]
    error: type[Exception]
    words: str


@njit
def norm(x):
    total = 0.0
    for v in x.flat:
        total += v * v
    return total


@njit
def of_two(x, y):
    return np.sum(x * y)


@njit
def mixed(x, n, flag):
    return x**n if flag else x


@njit
def doubled(x):
    return 2.0 * x


@njit
def scaled(out, x, a):
    for i in range(len(x)):
        out[i] = a * x[i]


@njit
def through_scratch(x, w):
    for i in range(len(x)):
        w[i] = x[i] * x[i]
    return w.sum()


@njit
def first(pair):
    return pair[0] * pair[1][0]


@njit
def whole(n):
    return n + 1


@njit
def nothing(x):
    pass


@njit
def both(x):
    return x, 2 * x


@njit(boundscheck=True)
def gather(x, index):
    return x[index] * x[index]


@njit
def divided(x, y):
    return x / y


@njit
def long_loop(x, n):
    y = x
    for _ in range(n):
        y = math.sin(y) * x
    return y


@njit
def picky(x):
    if x > 1.0:
        raise ValueError("at most 1, please")
    return x * x


def ones(*shape, dtype=np.float64):
    return np.ones(shape, dtype)


def frozen(array):
    array.flags.writeable = False
    return array


def overlapping():
    base = np.zeros(6)
    return base[:4], base[2:]


AUTO = nd.autodiff
Dup, Const, Active = nd.Dup, nd.Const, nd.Active

CASES: dict[str, Case] = {}


def case(name: str, call: Callable[[], object], error: type[Exception], words: str) -> None:
    assert name not in CASES, name
    CASES[name] = Case(call, error, words)


# --- what is no function, or no differentiable one ---

for kind, make in (("grad", nd.grad), ("value_and_grad", nd.value_and_grad), ("jvp", nd.jvp), ("vjp", nd.vjp),
                   ("differentiate", nd.differentiate), ("autodiff", lambda f: nd.autodiff(f, "forward")),
                   ("check_grads", lambda f: nd.check_grads(f, (1.0,)))):
    case(f"{kind} of a builtin", lambda make=make: make(math.sin), TypeError, f"{kind} needs a Python function")
    case(f"{kind} of a class", lambda make=make: make(float), TypeError, f"{kind} needs a Python function")
    case(f"{kind} of star arguments", lambda make=make: make(lambda *x: x[0]), nd.Unsupported, r"\*x")
case("keyword-only parameters", lambda: nd.grad(lambda x, *, y: x)(1.0), nd.Unsupported, "parameter y")
case("None", lambda: nd.grad(None), TypeError, "not None")
case("parallel", lambda: nd.grad(njit(parallel=True)(lambda x: x)), nd.Unsupported, "parallel=True")
case("differentiate parallel", lambda: nd.differentiate(parallel=True)(lambda x: x), nd.Unsupported, "parallel=True")

# --- argnums, outputs, modes ---

for name, argnums, error, words in (
        ("too large", 3, ValueError, "argnums is 3, but there are 2 arguments"),
        ("too small", -3, ValueError, "argnums is -3, but there are 2 arguments"),
        ("unknown name", "z", ValueError, "names 'z', but the arguments are x, y"),
        ("a float", 1.0, TypeError, "positions or names of arguments, not 1.0"),
        ("a bool", True, TypeError, "positions or names of arguments, not True"),
        ("None", None, TypeError, "positions or names of arguments, not None"),
        ("a list", [0, 1], TypeError, r"not \[0, 1\]"),
        ("empty", (), ValueError, "argnums is empty"),
        ("twice", (0, "x"), ValueError, "holds 'x' twice"),
        ("twice by sign", (0, -2), ValueError, "holds 'x' twice")):
    case(f"argnums {name}", lambda argnums=argnums: nd.grad(of_two, argnums), error, words)
case("outputs a string", lambda: nd.vjp(scaled, outputs="out"), TypeError, "outputs must be a tuple of argument names")
case("outputs unknown", lambda: nd.vjp(scaled, outputs=("y",)), ValueError, "names 'y'")
case("outputs empty", lambda: nd.jvp(scaled, outputs=()), ValueError, "outputs is empty")
case("outputs of a function with a result", lambda: nd.vjp(norm, outputs=("x",))((ones(2),), (ones(2),)), TypeError,
     "outputs= is for functions that return None")
case("outputs left out", lambda: nd.vjp(scaled)((ones(2), ones(2), 1.0), None), TypeError,
     "returns None; name the arguments that it writes by outputs=")
case("output that is a float", lambda: nd.vjp(scaled, outputs=("a",))((ones(2), ones(2), 1.0), (1.0,)), TypeError,
     "the output 'a' must be an array of floats")
case("unknown mode", lambda: AUTO(norm, "backward"), ValueError, "the mode is 'forward' or 'reverse', not 'backward'")
case("primals without tangents", lambda: nd.jvp(norm, (ones(2),)), TypeError, "needs both, as tuples")

# --- arguments of the wrong type ---

for name, x in (("int", 3), ("bool", True), ("int array", np.arange(3)), ("bool array", np.ones(3, bool)),
                ("string", "abc"), ("None", None)):
    case(f"grad by {name}", lambda x=x: nd.grad(lambda x: 1.0)(x), TypeError, "argument 'x' is .* has no derivative")
case("grad by complex", lambda: nd.grad(lambda x: x.real)(1j), nd.Unsupported, "complex numbers are not differentiated")
case("grad by a complex array", lambda: nd.grad(lambda x: x[0].real)(ones(2, dtype=complex)), nd.Unsupported,
     "complex numbers are not differentiated")
case("a list", lambda: nd.grad(lambda x: x[0])([1.0, 2.0]), TypeError, "argument 'x' is .* has no derivative")
case("a typed list", lambda: nd.grad(lambda x: x[0])(typed.List([1.0])), TypeError, "argument 'x' is .*has no deriv")
case("an object", lambda: nd.grad(norm)(object()), TypeError, "a Python object that compiled code cannot use")
case("an object array", lambda: nd.grad(norm)(np.array([1.0, None])), (TypeError, ValueError), "object|dtype")
case("a half array", lambda: nd.grad(norm)(ones(2, dtype=np.float16)), (TypeError, nd.Unsupported), "float16")
case("a structured array", lambda: nd.grad(lambda x: x[0]["a"])(np.zeros(2, [("a", float)])), TypeError,
     "argument 'x' is .* has no derivative")
case("big-endian", lambda: nd.grad(norm)(ones(2, dtype=">f8")), TypeError, "a Python object that")
case("a matrix where an array is indexed once", lambda: nd.grad(lambda x: x[0] * 1.0)(ones(2, 2)), TypeError,
     "returns a 1-dimensional array")
case("missing argument", lambda: nd.grad(of_two)(ones(2)), TypeError, "not enough arguments")
case("too many arguments", lambda: nd.grad(norm)(ones(2), 1.0), TypeError, "too many")
case("unknown keyword", lambda: nd.grad(norm)(y=ones(2)), TypeError, "not enough arguments|unexpected|missing")
case("tuple of ints", lambda: nd.grad(lambda t: 1.0 * t[0])((1, 2)), TypeError, "without floats")

# --- results without a gradient ---

case("grad of an array", lambda: nd.grad(doubled)(ones(2)), TypeError, "returns a 1-dimensional array of float64: use vjp")
case("grad of an int", lambda: nd.grad(lambda x: 3)(1.0), TypeError, "returns int64")
case("grad of a bool", lambda: nd.grad(lambda x: x > 0)(1.0), TypeError, "returns bool")
case("grad of a tuple", lambda: nd.grad(both)(1.0), TypeError, "returns a tuple of 2")
case("grad of None", lambda: nd.grad(nothing)(1.0), TypeError, r"returns None: use vjp\(f, outputs=...\)")
case("grad of a string", lambda: nd.grad(lambda x: "a")(1.0), TypeError, "returns unicode_type")
case("jvp of an int", lambda: nd.jvp(whole)((1,), (None,)), TypeError, "returns int64, which has no derivative")
case("jvp of complex", lambda: nd.jvp(lambda x: x * 1j)((1.0,), (1.0,)), nd.Unsupported, "the result is complex128")
case("vjp of an optional", lambda: nd.vjp(lambda x: x if x > 0 else None)((1.0,), 1.0), nd.Unsupported, "float64")
case("vjp without floats", lambda: nd.vjp(whole)((1,), 1.0), TypeError, "no argument is a float")
case("autodiff of an array in reverse", lambda: AUTO(doubled, "reverse")(Dup(ones(2), ones(2))), TypeError,
     "in reverse mode the function returns one float")

# --- tangents and cotangents ---

for name, tangents, error, words in (
        ("no tuple", ones(2), TypeError, "tangents must be a tuple with one entry for each argument"),
        ("a list", [ones(2), None], TypeError, "tangents must be a tuple|non-precise|reflected"),
        ("too few", (ones(2),), TypeError, "tangents has 1 entries, but there are 2 arguments"),
        ("too many", (ones(2), None, None), TypeError, "tangents has 3 entries, but there are 2 arguments"),
        ("wrong shape", (ones(3), None), ValueError, "the tangent of argument 'x' has another shape"),
        ("wrong number of dimensions", (ones(2, 1), None), ValueError, "must have 1 dimensions, not 2"),
        ("a scalar for an array", (1.0, None), TypeError, "the tangent of argument 'x' must be an array of float64"),
        ("int array", (np.arange(2), None), TypeError, "must be an array of float64 or None"),
        ("float32", (ones(2, dtype=np.float32), None), TypeError, "must be an array of float64 or None"),
        ("complex", (ones(2, dtype=complex), None), TypeError, "must be an array of float64 or None"),
        ("a string", ("ab", None), TypeError, "must be an array of float64 or None"),
        ("a tuple for an array", ((1.0, 2.0), None), TypeError, "must be an array of float64 or None")):
    case(f"tangents {name}", lambda tangents=tangents: nd.jvp(of_two)((ones(2), ones(2)), tangents), error, words)
case("tangent of an int", lambda: nd.jvp(mixed)((2.0, 3, True), (1.0, 1, None)), TypeError, "argument 'n'")
case("tangent of a bool", lambda: nd.jvp(mixed)((2.0, 3, True), (1.0, None, 1.0)), TypeError, "argument 'flag'")
case("array tangent of a float", lambda: nd.jvp(divided)((1.0, 2.0), (ones(1), None)), TypeError,
     "the tangent of argument 'x' must be a float or None")
case("tangent of a part", lambda: nd.jvp(first)(((1.0, ones(2)),), ((1.0, ones(3)),)), ValueError,
     r"the tangent of argument 'pair'\[1\] has another shape")
case("tangent of a part that is too short", lambda: nd.jvp(first)(((1.0, ones(2)),), ((1.0,),)), TypeError,
     "must be a tuple of 2 or None")
case("primals no tuple", lambda: nd.jvp(norm)(ones(2), ones(2)), TypeError, "primals must be a tuple")
case("primals too few", lambda: nd.vjp(of_two)((ones(2),), 1.0), TypeError, "primals has 1 entries")
for name, cotangents, error, words in (
        ("of wrong shape", ones(3), ValueError, "cotangents|seed|another shape"),
        ("of wrong dimension", ones(2, 1), ValueError, "must have 1 dimensions, not 2"),
        ("float for an array", 1.0, TypeError, "cotangents must be an array of float64 or None"),
        ("float32", ones(2, dtype=np.float32), TypeError, "cotangents must be an array of float64 or None"),
        ("tuple", (ones(2),), TypeError, "cotangents must be an array of float64 or None")):
    case(f"cotangents {name}", lambda cotangents=cotangents: nd.vjp(doubled)((ones(2),), cotangents), error, words)
case("array cotangent of a float", lambda: nd.vjp(norm)((ones(2),), ones(1)), TypeError, "cotangents must be a float")
case("cotangents of a tuple", lambda: nd.vjp(both)((1.0,), 1.0), TypeError, "cotangents must be a tuple of 2")
case("cotangents of a tuple, too few", lambda: nd.vjp(both)((1.0,), (1.0,)), TypeError, "must be a tuple of 2")
case("cotangents of outputs no tuple", lambda: nd.vjp(scaled, outputs=("out",))((ones(2), ones(2), 1.0), ones(2)),
     TypeError, r"a tuple with one entry for each output \(out\)")
case("cotangent of an output of wrong shape",
     lambda: nd.vjp(scaled, outputs=("out",))((ones(2), ones(2), 1.0), (ones(3),)), ValueError, "'out' has another shape")

# --- overlaps and memory ---

case("written argument passed twice", lambda: (lambda a: nd.grad(through_scratch)(a, a))(ones(3)), ValueError,
     "argument 'x' and argument 'w' overlap, and argument 'w' is written")
case("written argument overlaps in part", lambda: nd.grad(through_scratch)(*overlapping()), ValueError, "overlap")
case("jvp with a written overlap", lambda: nd.jvp(through_scratch)(overlapping(), (None, None)), ValueError, "overlap")
case("output overlaps an input", lambda: (lambda a: nd.vjp(scaled, outputs=("out",))((a, a, 1.0), (ones(3),)))(ones(3)),
     ValueError, "overlap")
case("written argument is read-only", lambda: nd.grad(through_scratch)(ones(3), frozen(ones(3))), (TypingError, TypeError),
     "readonly|immutable|Cannot modify")
case("shadow of another shape", lambda: AUTO(norm, "reverse")(Dup(ones(3), ones(2))), ValueError, "another shape")
case("shadow of other strides", lambda: AUTO(norm, "reverse")(Dup(ones(6)[::2], ones(9)[::3])), ValueError, "other strides")
case("shadow of another layout", lambda: AUTO(norm, "reverse")(Dup(ones(3, 2), np.asfortranarray(ones(3, 2)))), ValueError,
     "memory layout F, the argument C")
case("shadow of another dtype", lambda: AUTO(norm, "reverse")(Dup(ones(3), ones(3, dtype=np.float32))), TypeError,
     "must be an array of float64")
case("shadow read-only", lambda: AUTO(norm, "reverse")(Dup(ones(3), frozen(ones(3)))), ValueError, "read-only")
case("shadow is the primal", lambda: (lambda a: AUTO(norm, "reverse")(Dup(a, a)))(ones(3)), ValueError, "overlap")
case("one shadow for two", lambda: (lambda s: AUTO(of_two, "reverse")(Dup(ones(3), s), Dup(ones(3), s)))(ones(3)),
     ValueError, "overlap")
case("shadow None", lambda: AUTO(norm, "reverse")(Dup(ones(3), None)), TypeError, "is None; wrap the argument in Const")
case("argument not wrapped", lambda: AUTO(norm, "reverse")(ones(3)), TypeError, "wrap the argument 'x' in Const, Dup or")
case("active array", lambda: AUTO(norm, "reverse")(Active(ones(3))), TypeError, "only a float can be Active")
case("active in forward mode", lambda: AUTO(divided, "forward")(Active(1.0), Const(2.0)), TypeError, "no Active arguments")
case("shadow of a float in reverse mode", lambda: AUTO(divided, "reverse")(Dup(1.0, 0.0), Const(2.0)), TypeError,
     "must be Active")
case("shadow of an int", lambda: AUTO(mixed, "forward")(Const(1.0), Dup(2, 1), Const(True)), TypeError, "argument 'n'")

link = deferred_type()


@jitclass([("values", types.float64[::1]), ("next", optional(link))])
class Linked:
    def __init__(self, values, following):
        self.values = values
        self.next = following


link.define(Linked.class_type.instance_type)


@njit
def of_linked(x, chain):
    following = chain.next
    return x[0] if following is None else x[0] * following.values[0]


@njit
def makes_links(x):
    return of_linked(x, Linked(x, Linked(2.0 * x, None)))


@njit
def with_iterator(x, values):
    gradient_of_next = nd.grad(first_of)
    return gradient_of_next(x, values.flat)


@njit
def first_of(x, iterator):
    total = 0.0
    for value in iterator:
        total += x[0] * value
    return total


case("linked instances", lambda: nd.grad(of_linked)(ones(3), Linked(ones(3), None)), nd.Unsupported,
     r"grad\(of_linked\): the argument 'chain' refers to others of its own type; keep the links as indices.*in of_linked")
case("linked instances made inside", lambda: nd.grad(makes_links)(ones(3)), nd.Unsupported,
     "the gradient of makes_links meets objects that refer to others of their own type.*in makes_links")
case("an argument that holds nobody knows what", lambda: with_iterator(ones(3), ones(3)), nd.Unsupported,
     r"the argument 'iterator' is or holds a .*flat.*, which may share memory")

# --- exceptions of the function itself ---

case("the function raises", lambda: nd.grad(picky)(2.0), ValueError, "at most 1, please")
case("the function raises in forward mode", lambda: nd.jvp(picky)((2.0,), (1.0,)), ValueError, "at most 1, please")
case("division by zero", lambda: nd.grad(divided)(1.0, 0.0), ZeroDivisionError, "division by zero")
case("index out of bounds", lambda: nd.grad(gather)(ones(3), 3), IndexError, "out of bounds")
case("index far out of bounds", lambda: nd.vjp(gather)((ones(3), -(2**62)), 1.0), IndexError, "out of bounds")
case("shapes that do not fit", lambda: nd.grad(of_two)(ones(3), ones(2)), ValueError, "broadcast|unable to")
case("a huge trip count", lambda: nd.grad(long_loop)(0.5, 2**60), MemoryError, "no memory")
case("the largest trip count", lambda: nd.grad(long_loop)(0.5, 2**63 - 1), MemoryError, "no memory")
case("a huge array", lambda: nd.grad(lambda x, n: np.zeros(n).sum() * x)(1.0, 2**60), (MemoryError, ValueError),
     "too big|Allocation failed")

# --- what has no derivative (the rows of the README's table that are refused) ---


@vectorize
def elementwise(x):
    return x * x


@guvectorize([(types.float64[:], types.float64[:])], "(n)->()")
def summed(x, out):
    out[0] = x.sum()


@stencil
def neighbours(x):
    return x[-1] + x[1]


foreign = ctypes.CDLL(None).cos
foreign.restype, foreign.argtypes = ctypes.c_double, [ctypes.c_double]


@njit
def in_a_list(x):
    held = [x, 2.0 * x]
    held.append(x)
    return held[0] * held[1]


@njit
def in_a_dict(x):
    held = {1: x}
    return held[1] * x


@njit
def in_python(x):
    with objmode(y="float64"):
        y = math.sin(x)
    return y * x


@njit
def solved(x):
    return np.linalg.solve(np.eye(2) * x, np.ones(2))[0]


for name, f, error, words in (
        ("a list", in_a_list, nd.Unsupported, r"in in_a_list\n.*held.*\n|list"),
        ("a dictionary", in_a_dict, (nd.NoDerivative, nd.Unsupported), "in_a_dict"),
        ("object mode", in_python, nd.Unsupported, "objmode"),
        ("solve", solved, nd.Unsupported, r"meets np.linalg.solve.*\n\n.*in solved\n +return np.linalg.solve"),
        ("a C function", njit(lambda x: foreign(x) * x), nd.NoDerivative, "function called through a pointer"),
        ("a generalised ufunc", njit(lambda x: summed(np.ones(3) * x)), (nd.Unsupported, NumbaError), "guvectorize|summed"),
        ("a stencil", njit(lambda x: neighbours(np.ones(5) * x)[2]), nd.Unsupported, "a call of a @stencil function"),
        ("frexp", njit(lambda x: math.frexp(x)[0] * x), (nd.NoDerivative, nd.Unsupported), "frexp")):
    for mode in ("grad", "jvp"):
        call = (lambda f=f: nd.grad(f)(1.5)) if mode == "grad" else (lambda f=f: nd.jvp(f)((1.5,), (1.0,)))
        case(f"{mode} of {name}", call, error, words)

# --- what looks wrong and is right: must not raise, so the class is a marker ---


class Fine(Exception):
    """Raised by a case whose call gave the right answer."""


def fine(value: object) -> None:
    if value:
        raise Fine("as it should be")


case("an empty array", lambda: fine(nd.grad(norm)(np.zeros((0, 3))).shape == (0, 3)), Fine, "as it should")
case("a 0-d array", lambda: fine(nd.grad(norm)(np.array(3.0)) == 6.0), Fine, "as it should")
case("nan and inf", lambda: fine(np.array_equal(nd.grad(norm)(np.array([np.nan, np.inf])), [np.nan, np.inf], equal_nan=True)),
     Fine, "as it should")
case("an unaligned array", lambda: fine(np.array_equal(
    nd.grad(norm)(np.frombuffer(b"\0" + ones(3).tobytes(), offset=1)), 2 * ones(3))), Fine, "as it should")
case("a broadcast array", lambda: fine(nd.grad(norm)(np.broadcast_to(ones(1), (3,))).sum() == 6.0), Fine, "as it should")
case("one array twice, only read", lambda: (lambda a: fine(nd.grad(of_two, (0, 1))(a, a)[1].sum() == 3.0))(ones(3)), Fine,
     "as it should")
case("a tangent that is the primal", lambda: (lambda a: fine(nd.jvp(norm)((a,), (a,))[1] == 6.0))(ones(3)), Fine,
     "as it should")
case("a subclass of ndarray", lambda: fine(nd.grad(norm)(ones(3).view(np.recarray)).sum() == 6.0), (Fine, TypeError), "")


def main() -> None:
    warnings.simplefilter("ignore")
    for name, c in CASES.items():
        print(json.dumps({"begins": name}), flush=True)
        try:
            c.call()
            row = {"name": name, "class": "", "message": "nothing was raised"}
        except BaseException as error:
            classes = [k.__name__ for k in type(error).__mro__]
            row = {"name": name, "class": classes, "message": str(error)}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    sys.exit(main())
