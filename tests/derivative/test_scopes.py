"""What LLVM is told about accesses that never meet."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from numba import njit
from numba.core.typing.typeof import typeof

import numbad as nd
from numbad import Active, Dup
from numbad.derive import derive
from numbad.passes.derivative.plan import Options
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Instruction, Load, Store
from numbad.passes.ir.parser import parse
from numbad.passes.ir.values import Argument
from numbad.request import Request


@njit
def scaled(y, x, a):
    for i in range(x.shape[0]):
        y[i] = a * x[i] * x[i]


@njit
def smoothed(x, steps):
    u, v = x.copy(), np.empty_like(x)
    for _ in range(steps):
        for i in range(1, x.shape[0] - 1):
            v[i] = u[i] * u[i - 1] + u[i + 1]
        u, v = v, u
    return u.sum()


def derivative(function, *arguments, request: tuple = ("reverse",),
               options: Options = Options()) -> Function:  # noqa: B008
    mode, *width = request
    active = tuple(not isinstance(a, int) for a in arguments)
    made = derive(function, tuple(map(typeof, arguments)), Request(mode, active, *width), options=options)
    return parse(made.text).functions[made.symbol]


def scopes(i: Instruction, kind: str) -> frozenset[str]:
    module = i.function.module
    assert module is not None
    return frozenset(re.findall(r"!\d+", module.metadata.get(i.metadata.get(kind, ""), "")))


def accesses(function: Function) -> list[Instruction]:
    return [i for i in function.instructions if isinstance(i, (Load, Store)) and i.metadata.get("alias.scope")]


def told_apart(one: Instruction, other: Instruction) -> bool:
    return any(scopes(a, "alias.scope") <= scopes(b, "noalias") for a, b in ((one, other), (other, one)))


def groups(function: Function) -> set[frozenset[str]]:
    return {scopes(i, "alias.scope") for i in accesses(function)}


def test_arguments_and_their_shadows_lie_apart() -> None:
    function = derivative(scaled, np.zeros(3), np.ones(3), 2.0)
    assert len(groups(function)) >= 4
    for one, other in combinations(accesses(function), 2):
        assert told_apart(one, other) == (scopes(one, "alias.scope") != scopes(other, "alias.scope"))


def test_swapped_buffers_are_one_place() -> None:
    """Either pointer may lead to either array: two accesses by different pointers are not told apart."""
    function = derivative(smoothed, np.ones(9), 3)
    floats = [i for i in accesses(function) if (i.type if isinstance(i, Load) else i.operands[0].type).is_float]
    stores = [i for i in floats if isinstance(i, Store)]
    assert any(not told_apart(store, load) for store in stores for load in floats if load is not store)


def test_scopes_are_declared_at_the_head() -> None:
    function = derivative(scaled, np.zeros(3), np.ones(3), 2.0)
    declared = [i for i in function.instructions if (getattr(i, "callee_name", "") or "").startswith(
        "llvm.experimental.noalias.scope.decl")]
    used = frozenset[str]().union(*groups(function))
    module = function.module
    assert module is not None
    named = {name for i in declared for name in re.findall(r"!\d+", module.metadata[str(i.operands[0])])}
    assert used <= named and all(i.block is function.entry for i in declared)


def test_switched_off() -> None:
    function = derivative(scaled, np.zeros(3), np.ones(3), 2.0, options=Options(separate=False))
    assert len(groups(function)) <= 2


# --- forward mode ---


def test_tangents_of_arguments_may_be_any_memory() -> None:
    assert groups(derivative(scaled, np.zeros(3), np.ones(3), 2.0, request=("forward",)))
    function = derivative(scaled, np.zeros(3), np.ones(3), 2.0, request=("forward",))
    assert not any(told_apart(one, other) for one, other in combinations(accesses(function), 2))


@pytest.mark.parametrize("width", [1, 4])
def test_what_is_allocated_lies_apart_from_its_tangents(width: int) -> None:
    """The buffers, their tangents in each direction, the result; the tangents of the result are the caller's."""
    function = derivative(smoothed, np.ones(9), 3, request=("forward", width))
    stores = [i for i in accesses(function) if isinstance(i, Store) and i.operands[0].type.is_float]
    assert len({scopes(i, "alias.scope") for i in stores}) == 2 + 2 * width
    for one, other in combinations(stores, 2):
        callers = isinstance(one.operands[1], Argument) and isinstance(other.operands[1], Argument)
        differ = scopes(one, "alias.scope") != scopes(other, "alias.scope")
        assert told_apart(one, other) == (differ and not callers)


def test_forward_mode_switched_off() -> None:
    assert not groups(derivative(smoothed, np.ones(9), 3, request=("forward",), options=Options(separate=False)))


@njit
def changed_in_place(y, x):
    work = np.empty_like(x)
    for i in range(x.shape[0]):
        work[i] = x[i] * y[i]
        y[i] = work[i] * x[i]
    return work.sum()


@pytest.mark.parametrize("n", [1, 7, 40])
def test_a_tangent_that_is_the_primal(n: int) -> None:
    x, y = np.linspace(0.5, 1.5, n), np.linspace(2.0, 1.0, n)
    value, slope = nd.jvp(changed_in_place)((y, x), (x, x))
    assert (value, slope) == (pytest.approx((x * y).sum()), pytest.approx((x * y + x * x).sum()))
    value, slope = nd.jvp(changed_in_place)((y, x), (y, y))
    assert (value, slope) == (pytest.approx((x * y).sum()), pytest.approx((y * y + x * y).sum()))


# --- what is said holds for one call ---

adjoint = nd.autodiff(scaled, "reverse")


@njit
def chain(x, y, a, steps):
    """Differentiates in place, in a loop whose next iteration brings the arrays in other roles."""
    total = 0.0
    dx, dy = np.zeros_like(x), np.ones_like(y)
    for _ in range(steps):
        _, (da,) = adjoint(Dup(y, dy), Dup(x, dx), Active(a))
        for i in range(x.shape[0]):
            total += da * dx[i] + dy[i]
            dx[i] = 1.0 + 0.1 * dx[i]
        x, y, dx, dy = y, x, dy, dx
    return total


@pytest.mark.parametrize("n", [1, 3, 40])
def test_what_is_said_holds_for_one_call(n: int) -> None:
    x = np.linspace(0.5, 1.5, n)
    compiled = chain(x.copy(), 0.3 * x, 0.7, 6)
    assert compiled == pytest.approx(chain.py_func(x.copy(), 0.3 * x, 0.7, 6), rel=1e-13) and compiled != 0.0
