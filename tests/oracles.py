"""How the tests know the right derivative, and what a derivative call must leave alone.

`directional`   finite differences of 6th order along a direction, at two steps: the value and what it is worth
`complex_step`  the derivative to rounding, of functions that are holomorphic when run as plain Python
`inner`         <a, b> with the scale that rounding has in it, for <y_bar, J x_dot> = <J' y_bar, x_dot>
`snapshot`      the bits of all arrays of a tree: equal before and after means untouched
`leaked`        what a call leaves allocated, from Numba's own counters

None of them asks numbad for anything, but to empty its arena. Trees of arguments and results become vectors by
`pool.trees`.
"""

from __future__ import annotations

import cmath
import functools
import gc
import math
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.core.dispatcher import Dispatcher
from numba.core.runtime import _nrt_python, rtsys
from numba.np.ufunc.dufunc import DUFunc

from numbad import release_memory
from pool.entry import Entry
from pool.trees import Tree, flatten, is_active, leaves, mapped, unflatten


class Estimate(NamedTuple):
    """A derivative known by finite differences."""

    value: np.ndarray
    uncertainty: np.ndarray
    """How far two step sizes disagree, and what rounding alone may do; entry by entry."""


CENTRAL_6 = ((1, 45.0 / 60.0), (2, -9.0 / 60.0), (3, 1.0 / 60.0))
"""Central differences of 6th order: offset in steps, weight; odd in the offset."""


def directional(call: Callable[[tuple], Tree], primals: tuple, tangents: tuple, step: float) -> Estimate:
    """The derivative of `flatten(call(primals))` along `tangents`; a tangent of None holds its argument fixed.

    `call` gets fresh arguments in float64 (those given in float32 too) and may write to them.
    """
    start, direction = flatten(promoted(active_part(primals, tangents))), flatten(tangents)

    def at(distance: float) -> np.ndarray:
        return flatten(call(with_active_part(promoted(primals), tangents, start + distance * direction)))

    def difference(h: float) -> tuple[np.ndarray, np.ndarray]:
        value, size = 0.0, 0.0
        for offset, weight in CENTRAL_6:
            ahead, behind = at(offset * h), at(-offset * h)
            value = value + weight * (ahead - behind) / h
            size = size + abs(weight) * (np.abs(ahead) + np.abs(behind)) / h
        return value, size * np.finfo(float).eps

    coarse, _ = difference(step)
    fine, rounding = difference(0.5 * step)
    return Estimate(fine, np.abs(fine - coarse) + rounding)


def active_part(primals: tuple, tangents: tuple) -> tuple:
    """The primals that have a tangent, None for the others."""
    return tuple(None if t is None else p for p, t in zip(primals, tangents, strict=True))


def with_active_part(primals: tuple, tangents: tuple, vector: np.ndarray) -> tuple:
    """Fresh primals, those that have a tangent taken from the vector."""
    chosen = active_part(primals, tangents)
    filled = unflatten(vector, chosen, constant=lambda leaf: leaf)
    return tuple(mapped(fresh, p) if t is None else f for p, t, f in zip(primals, tangents, filled, strict=True))


def fresh(leaf: Any) -> Any:
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def promoted(tree: Tree) -> Tree:
    """The tree with its active leaves in float64."""
    return cast(tree, np.float64)


def cast(tree: Tree, dtype: type) -> Tree:
    """The tree with its active leaves in another precision."""

    def convert(leaf: Any) -> Any:
        if not is_active(leaf):
            return leaf
        return leaf.astype(dtype) if isinstance(leaf, np.ndarray) else dtype(leaf)

    return mapped(convert, tree)


def complex_step(call: Callable[[tuple], Tree], primals: tuple, tangents: tuple) -> np.ndarray:
    """The derivative of `flatten(call(primals))` along `tangents`, from one run on complex numbers.

    `call` runs a function that went through `on_complex`. Arrays without a tangent become complex too, so that the
    function can write to them.
    """
    size = 1e-30

    def displaced(primal: Any, tangent: Any) -> Any:
        return primal + 1j * size * tangent if is_active(primal) else held(primal)

    def held(primal: Any) -> Any:
        if isinstance(primal, Dispatcher):
            return on_complex(primal)
        return primal + 0j if isinstance(primal, np.ndarray) and is_active(primal) else fresh(primal)

    args = tuple(
        mapped(held, p) if t is None else mapped(displaced, p, t)
        for p, t in zip(promoted(primals), promoted(tangents), strict=True)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        results = call(args)
    parts = [np.asarray(leaf) for leaf in leaves(results)]
    return np.concatenate([part.imag.reshape(-1) for part in parts if part.dtype.kind in "fc"]) / size


def on_complex(function: Callable) -> Callable:
    """A function as plain Python on complex numbers: `math` is `cmath`, local arrays are complex, callees likewise.

    What is not holomorphic raises TypeError: comparisons of Python numbers, `abs`, conversions, and the functions of
    `math` and `np` that are missing here. A complex number lost in a real array is a ComplexWarning.
    """
    python = getattr(function, "py_func", function)
    return types.FunctionType(
        python.__code__,
        complex_globals(python.__module__),
        python.__name__,
        python.__defaults__,
        python.__closure__,
    )


@functools.cache
def complex_globals(module: str) -> dict[str, Any]:
    """The names of a module as its functions on complex numbers see them."""
    world = {**vars(sys.modules[module]), "math": ComplexMath(), "np": ComplexNumpy(), "abs": not_holomorphic}
    for name, value in world.items():
        if isinstance(value, Dispatcher):
            python = value.py_func
            world[name] = types.FunctionType(python.__code__, world, name, python.__defaults__, python.__closure__)
        elif isinstance(value, DUFunc):
            world[name] = not_holomorphic
    return world


def not_holomorphic(*args: Any) -> Any:
    raise TypeError("not holomorphic")


class ComplexMath:
    """`math` on complex numbers, without what is not holomorphic or not in `cmath`."""

    exp2 = staticmethod(lambda z: 2.0**z)
    log2 = staticmethod(lambda z: cmath.log(z) / math.log(2.0))
    expm1 = staticmethod(lambda z: cmath.exp(z) - 1.0)
    log1p = staticmethod(lambda z: cmath.log(1.0 + z))
    pow = staticmethod(lambda z, w: z**w)

    def __getattr__(self, name: str) -> Any:
        return not_holomorphic if name in {"isnan", "isinf"} else getattr(cmath, name, not_holomorphic)


class ComplexNumpy:
    """NumPy whose new arrays are complex unless a dtype is named, without what is not holomorphic."""

    NOT_HOLOMORPHIC = frozenset(
        "abs absolute fabs sign copysign floor ceil trunc rint round float32 float64 "
        "vdot conj hypot arctan2 var std".split()
    )

    def __getattr__(self, name: str) -> Any:
        if name in self.NOT_HOLOMORPHIC:
            return not_holomorphic
        found = getattr(np, name)
        if name in {"zeros", "ones", "empty", "full"}:
            return lambda *shape, dtype=complex: found(*shape, dtype=dtype)
        return found


def complex_tangent(program: Entry, args: tuple, tangents: tuple) -> np.ndarray | None:
    """`complex_step` of an entry; None where it does not apply."""
    if program.no_complex:
        return None
    function = on_complex(program.function)
    try:
        return complex_step(lambda a: program.result_of(function, a), args, tangents)
    except (TypeError, np.exceptions.ComplexWarning):
        return None


def exact_tangent(program: Entry, args: tuple, tangents: tuple) -> np.ndarray | None:
    """The analytic gradient of an entry times a direction; None for entries without one."""
    if program.exact is None:
        return None
    gradient = flatten(tuple(program.exact(*args)))
    return np.array([np.dot(gradient, flatten(tangents))])


class Inner(NamedTuple):
    """An inner product and the sum of the absolute values of its terms."""

    value: float
    scale: float


def inner(a: Tree, b: Tree) -> Inner:
    """<a, b> over the active leaves; leaves of None on either side must be None on both."""
    terms = flatten(a) * flatten(b)
    return Inner(math.fsum(terms), math.fsum(np.abs(terms)))


def random_like(tree: Tree, rng: np.random.Generator) -> Tree:
    """A tree of normal deviates; None at the constants."""
    return unflatten(rng.normal(size=len(flatten(tree))), tree)


def random_tangents(primals: tuple, perturbed: tuple[bool, ...], rng: np.random.Generator) -> tuple:
    """A tangent for each argument that is perturbed, None for the others."""
    return tuple(random_like(p, rng) if yes else None for p, yes in zip(primals, perturbed, strict=True))


def basis(primals: tuple, perturbed: tuple[bool, ...]) -> list[tuple]:
    """All unit tangents, in the order of `flatten`."""
    like = tuple(p if yes else None for p, yes in zip(primals, perturbed, strict=True))
    return [unflatten(unit, like) for unit in np.eye(len(flatten(like)))]


def snapshot(tree: Tree) -> list[Any]:
    """All leaves, arrays as their bits: comparable with `==`."""

    def bits(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray):
            return leaf.dtype.str, leaf.shape, leaf.strides, leaf.tobytes()
        return np.asarray(leaf).tobytes() if is_active(leaf) else leaf

    return [bits(leaf) for leaf in leaves(tree)]


def fortran(tree: Tree) -> Tree:
    """The same numbers in column-major arrays."""
    return mapped(lambda leaf: np.asfortranarray(leaf) if isinstance(leaf, np.ndarray) else leaf, tree)


def strided(tree: Tree) -> Tree:
    """The same numbers in arrays that use every second element of each axis of a larger one."""

    def spread(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray) or leaf.ndim == 0:
            return leaf
        large = np.full([2 * n + 1 for n in leaf.shape], 77, dtype=leaf.dtype)
        view = large[tuple(slice(1, None, 2) for _ in leaf.shape)]
        view[...] = leaf
        return view

    return mapped(spread, tree)


def assert_close(got: Tree, wanted: Tree, rtol: float) -> None:
    """Equal constants, and floats equal within `rtol` of the largest."""
    a, b = flatten(got), flatten(wanted)
    scale = np.max(np.abs(b), initial=0.0)
    np.testing.assert_allclose(a, b, rtol=0, atol=rtol * scale)
    constants = [[np.asarray(leaf).tolist() for leaf in leaves(t) if not is_active(leaf)] for t in (got, wanted)]
    assert constants[0] == constants[1]


class Live(NamedTuple):
    """What a call leaves behind, in Numba's counters of raw and of counted memory."""

    raw: int
    counted: int


def leaked(call: Callable[[], Any]) -> Live:
    """What stays allocated after `call` has run and its result is dropped; negative where something is freed twice.

    An exception of the call counts as its end.

    Run the call once before, so that what is kept on purpose (compiled code) exists already; the arena is emptied.
    """
    if not _nrt_python.memsys_stats_enabled():
        raise RuntimeError("set NUMBA_NRT_STATS=1 before numba is imported")
    collects = gc.isenabled()
    gc.disable()  # a collection on the way would free what earlier calls left in cycles
    try:
        live = live_after(call)
        if live != (0, 0):
            gc.collect()  # slow among Numba's many objects, so only to tell cycles from leaks
            live = live_after(call, gc.collect)
    finally:
        if collects:
            gc.enable()
    return live


def live_after(call: Callable[[], Any], collect: Callable[[], Any] = lambda: None) -> Live:
    release_memory()
    before = rtsys.get_allocation_stats()
    try:
        call()
    except Exception as error:  # the caller has asserted what the call raises; here only memory counts
        error.__traceback__ = None
    collect()
    release_memory()
    after = rtsys.get_allocation_stats()
    return Live(
        (after.alloc - before.alloc) - (after.free - before.free),
        (after.mi_alloc - before.mi_alloc) - (after.mi_free - before.mi_free),
    )
