"""Every program of the pool, differentiated by numbad and compared with what the oracles know.

Forward mode is checked against complex step, finite differences or the analytic gradient; reverse mode against forward
mode by projection, <y_bar, J x_dot> = <J' y_bar, x_dot>. A refusal counts as right only where the entry says so.
The crossings: twice differentiated, float32, other memory layouts, called from compiled code. All of them for all
programs take hours on two cores and are marked `exhaustive`; a fifth of the programs is marked `slow` instead, and the
second derivatives of all are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numba import njit

import oracles
from pool import POOL, Entry
from pool.trees import Tree, flatten, is_active, leaves, unflatten

nd = pytest.importorskip("numbad")

pytestmark = [
    pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaExperimentalFeatureWarning"),
    pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPerformanceWarning"),
    pytest.mark.filterwarnings("ignore:(divide by zero|invalid value) encountered:RuntimeWarning"),
]


def needs(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if not hasattr(nd, name)]
    return pytest.mark.skipif(bool(missing), reason=f"numbad has no {', '.join(missing)}")


def is_daily(program: Entry) -> bool:
    """In the default run: all pitfalls, and of the other themes every third program. Counting leaks takes long."""
    return program.theme in ("pitfalls", "wrong_elsewhere") or (program.share(3) == 0 and not program.leaks)


def each(chosen: Callable[[Entry], bool] = lambda program: True, crossing: bool = False,
         length: pytest.MarkDecorator | None = None) -> pytest.MarkDecorator:
    """One test per program, named `theme.name`."""
    return pytest.mark.parametrize(
        "program",
        [
            pytest.param(
                e,
                id=f"{e.theme}.{e.name}",
                marks=[length or e.length] if crossing or not is_daily(e) else [],
            )
            for e in POOL.values()
            if chosen(e)
        ],
    )


@contextmanager
def refusal_where_allowed(program: Entry) -> Iterator[None]:
    """Everything that makes numbad compile a derivative happens under this."""
    try:
        yield
    except (nd.NoDerivative, nd.Unsupported) as refusal:
        if not program.may_refuse:
            raise
        assert re.search(rf"\n  .+\.py:\d+, in .*\b{program.name}\b", str(refusal)), "a refusal says where"
        pytest.skip(f"refused, which is right too: {program.may_refuse}")


def jvp(program: Entry) -> Callable:
    return nd.jvp(program.dispatcher, **program.outputs_option)


def vjp(program: Entry) -> Callable:
    chosen = {} if program.diff_is_default() else {"argnums": program.diff}
    return nd.vjp(program.dispatcher, **program.outputs_option, **chosen)


def tangents_of(program: Entry, args: tuple, seed: int) -> tuple:
    return oracles.random_tangents(args, program.is_diff(), np.random.default_rng(seed))


def precision(program: Entry, *trees: Tree) -> float:
    """What rounding may do to a projection, relative to the sum of its terms."""
    return 1e-4 if any(np.asarray(leaf).dtype == np.float32 for leaf in leaves(trees)) else program.projection


def assert_same_value(program: Entry, got: Tree, wanted: Tree) -> None:
    """The value that comes with a derivative is the primal's, to the bit unless the user allowed reordering."""
    if program.options.get("fastmath"):
        oracles.assert_close(got, wanted, 1e-12)
        return

    def bits(leaf: Any) -> Any:
        return (
            (leaf.dtype.str, leaf.shape, leaf.tobytes()) if isinstance(leaf, np.ndarray) else np.asarray(leaf).tobytes()
        )

    assert [bits(leaf) for leaf in leaves(got)] == [bits(leaf) for leaf in leaves(wanted)]


def assert_mirrors(derivative: Tree, primal: Tree) -> None:
    """A tangent or gradient has the dtype and shape of what it belongs to, and None for constants."""
    for d, p in zip(leaves(derivative), leaves(primal), strict=True):
        if not is_active(p):
            assert d is None
        elif isinstance(p, np.ndarray):
            assert (d.dtype, d.shape) == (p.dtype, p.shape)
        else:
            assert isinstance(d, float | np.floating)


def chosen(program: Entry, per_argument: tuple) -> tuple:
    """The items that belong to differentiated parameters."""
    return tuple(item for item, diff in zip(per_argument, program.is_diff(), strict=True) if diff)


def with_gradient(program: Entry, args: tuple) -> tuple:
    """The arguments that `vjp` gives a gradient for: those differentiated, and the outputs."""
    given = (d or p in program.outputs for d, p in zip(program.is_diff(), program.parameters, strict=True))
    return tuple(a if yes else None for a, yes in zip(args, given, strict=True))


def known_tangent(program: Entry, args: tuple, tangents: tuple) -> tuple[np.ndarray, np.ndarray]:
    """The derivative along `tangents`, and how far a right answer may be away."""
    result = program.result_of(program.dispatcher, args)
    stepped = oracles.complex_tangent(program, args, tangents)
    if stepped is None:
        call = lambda a: program.result_of(program.dispatcher, a)  # noqa: E731
        value, uncertainty = oracles.directional(call, args, tangents, program.step)
    else:
        value, uncertainty = stepped, 0.0
    scale = max(np.max(np.abs(value), initial=0.0), 1e-4 * np.max(np.abs(flatten(result)), initial=0.0))
    return value, 10.0 * uncertainty + max(1e-10, precision(program, args, result)) * scale


@needs("jvp")
@each(lambda program: not program.no_fd)
def test_forward(program: Entry) -> None:
    args = program.arguments()
    result = program.result_of(program.dispatcher, args)
    for seed in range(2):
        tangents = tangents_of(program, args, seed)
        before = oracles.snapshot((args, tangents))
        with refusal_where_allowed(program):
            out, out_dot = jvp(program)(args, tangents)
        assert oracles.snapshot((args, tangents)) == before, "jvp changed its inputs"
        assert_same_value(program, out, result)
        assert_mirrors(out_dot, result)
        value, tolerance = known_tangent(program, args, tangents)
        error = np.abs(flatten(out_dot) - value)
        assert np.all(error <= tolerance), f"off by {error}, allowed {tolerance}"


@needs("jvp", "vjp")
@each()
def test_reverse(program: Entry) -> None:
    args = program.arguments()
    result = program.result_of(program.dispatcher, args)
    cotangents = oracles.random_like(result, np.random.default_rng(7))
    before = oracles.snapshot((args, cotangents))
    with refusal_where_allowed(program):
        pullback = vjp(program)
        out, gradients = pullback(args, cotangents)
    assert oracles.snapshot((args, cotangents)) == before, "vjp changed its inputs"
    assert_same_value(program, out, result)
    assert_mirrors(gradients, with_gradient(program, args))
    if not program.no_fd:
        assert_adjoint(program, args, result, cotangents, gradients)
    along, tangents = jvp(program), tangents_of(program, args, 0)
    bound = oracles.leaked(lambda: program.result_of(program.dispatcher, args))
    for call, seeds in ((pullback, cotangents), (along, tangents)):
        lost = oracles.leaked(lambda call=call, seeds=seeds: call(args, seeds))
        assert 0 <= lost.raw <= bound.raw and 0 <= lost.counted <= bound.counted


def assert_adjoint(program: Entry, args: tuple, result: Tree, cotangents: Tree, gradients: tuple) -> None:
    """<y_bar, J x_dot> = <J' y_bar, x_dot> for several x_dot."""
    for seed in range(3):
        tangents = tangents_of(program, args, seed)
        _, out_dot = jvp(program)(args, tangents)
        forward = oracles.inner(cotangents, out_dot)
        reverse = oracles.inner(chosen(program, gradients), chosen(program, tangents))
        allowed = precision(program, args, result) * (forward.scale + reverse.scale)
        assert abs(forward.value - reverse.value) <= allowed


@needs("jvp", "vjp")
@each(lambda program: bool(program.exact or program.admissible))
def test_special_points(program: Entry) -> None:
    """At corners, ties and equalities: the analytic gradient, the same in both modes, infinities included."""
    args = program.arguments()
    result = program.result_of(program.dispatcher, args)
    with refusal_where_allowed(program):
        columns = [jvp(program)(args, unit)[1] for unit in oracles.basis(args, program.is_diff())]
        out, gradients = vjp(program)(args, type(result)(1.0))
    forward, reverse = np.array(columns), flatten(gradients)
    np.testing.assert_allclose(reverse, forward, rtol=1e-12)
    if program.exact:
        np.testing.assert_allclose(forward, flatten(tuple(program.exact(*args))), rtol=1e-10)
    else:
        assert program.admissible(args, tuple(forward))


@needs("jvp", "vjp")
@each(lambda program: program.raises is not None)
def test_exceptions(program: Entry) -> None:
    """Derivatives raise what the primal raises, change nothing, and lose no more memory."""
    error, make = program.raises
    args = program.arguments(make=make)
    with pytest.raises(error) as primal:
        program.result_of(program.dispatcher, args)
    primal_leak = oracles.leaked(lambda: program.result_of(program.dispatcher, args))
    good = program.arguments()
    cotangents = oracles.random_like(program.result_of(program.dispatcher, good), np.random.default_rng(7))
    for derivative, seeds in ((jvp, tangents_of(program, args, 0)), (vjp, cotangents)):
        call = derivative(program)
        before = oracles.snapshot((args, seeds))
        with pytest.raises(error) as raised:
            call(args, seeds)
        assert type(raised.value) is type(primal.value) and said(raised.value) == said(primal.value)
        assert oracles.snapshot((args, seeds)) == before
        lost = oracles.leaked(lambda call=call, seeds=seeds: call(args, seeds))
        assert 0 <= lost.raw <= primal_leak.raw and 0 <= lost.counted <= primal_leak.counted


def said(error: Exception) -> tuple:
    """What an exception says, without the place that Numba adds to some of its own: it names whichever function of a
    process was compiled first with the same message."""
    return tuple(a.partition('\nFile "')[0] if isinstance(a, str) else a for a in error.args)


@needs("grad")
def test_changed_global(monkeypatch: pytest.MonkeyPatch) -> None:
    """A global is a constant of each compilation, not of the process."""
    function = POOL["scaled_by_global"].function
    for scale in (3.0, 5.0):
        monkeypatch.setattr(sys.modules[function.__module__], "SCALE", scale)
        assert nd.grad(njit(function))(0.8) == pytest.approx(1.6 * scale, rel=1e-14)


def skip_unless_scalar(program: Entry, args: tuple) -> None:
    result = program.result_of(program.dispatcher, args)
    if program.outputs or not isinstance(result, float | np.floating):
        pytest.skip("the result is not one float, so there is no gradient")


@needs("grad", "jvp")
@each(lambda program: not program.no_fd and not program.no_twice, crossing=True, length=pytest.mark.slow)
def test_forward_over_reverse(program: Entry) -> None:
    """Hessian times vector: against differences of the gradient, and symmetric."""
    args = program.arguments()
    skip_unless_scalar(program, args)
    with refusal_where_allowed(program):
        gradient = nd.grad(program.dispatcher, argnums=program.diff)
        along = nd.jvp(gradient)
        first, second = tangents_of(program, args, 0), tangents_of(program, args, 1)
        slopes, curved_first = along(args, first)
        _, curved_second = along(args, second)
    assert_mirrors(slopes, chosen(program, args))
    known = oracles.directional(lambda a: gradient(*a), args, first, program.step)
    scale = max(np.max(np.abs(known.value), initial=0.0), 1e-4 * np.max(np.abs(flatten(slopes)), initial=0.0))
    single = precision(program, args)
    allowed = 10.0 * known.uncertainty + max(100.0 * program.rtol, single) * scale
    assert np.all(np.abs(flatten(curved_first) - known.value) <= allowed)
    one = oracles.inner(curved_first, chosen(program, second))
    other = oracles.inner(curved_second, chosen(program, first))
    assert abs(one.value - other.value) <= max(1e-10, single) * (one.scale + other.scale)


@needs("jvp", "vjp")
@each(lambda program: not program.no_single and not program.no_fd, crossing=True)
def test_single_precision(program: Entry) -> None:
    """float32 arguments: gradients in float32, near those in float64, and adjoint to the tangents."""
    double = program.arguments()
    args = oracles.cast(double, np.float32)
    result = program.result_of(program.dispatcher, args)
    tangents = tangents_of(program, args, 0)
    cotangents = oracles.random_like(result, np.random.default_rng(7))
    with refusal_where_allowed(program):
        _, out_dot = jvp(program)(args, tangents)
        _, gradients = vjp(program)(args, cotangents)
        like = tuple(None if t is None else p for t, p in zip(tangents, double, strict=True))
        _, wanted = jvp(program)(double, unflatten(flatten(tangents), like))
    assert_mirrors(gradients, with_gradient(program, args))
    oracles.assert_close(out_dot, wanted, 1e-3)
    forward, reverse = (
        oracles.inner(cotangents, out_dot),
        oracles.inner(chosen(program, gradients), chosen(program, tangents)),
    )
    assert abs(forward.value - reverse.value) <= 1e-4 * (forward.scale + reverse.scale)


@needs("jvp", "vjp")
@pytest.mark.parametrize("layout", [oracles.fortran, oracles.strided])
@each(lambda program: not program.no_layouts, crossing=True)
def test_layouts(program: Entry, layout: Callable[[Tree], Tree]) -> None:
    """Where the numbers lie in memory does not change a derivative."""
    args = program.arguments()
    result = program.result_of(program.dispatcher, args)
    tangents = tangents_of(program, args, 0)
    cotangents = oracles.random_like(result, np.random.default_rng(7))
    elsewhere = layout(args)
    before = oracles.snapshot(elsewhere)
    with refusal_where_allowed(program):
        wanted = jvp(program)(args, tangents)[1], vjp(program)(args, cotangents)[1]
        tangent = jvp(program)(elsewhere, layout(tangents))[1]
        gradients = vjp(program)(elsewhere, layout(cotangents) if program.outputs else cotangents)[1]
    assert oracles.snapshot(elsewhere) == before
    oracles.assert_close((tangent, gradients), wanted, max(1e-10, precision(program, args, result)))


@needs("jvp", "vjp")
@each(crossing=True)
def test_inside_compiled_code(program: Entry) -> None:
    """The same derivative when compiled code asks for it."""
    args = program.arguments()
    cotangents = oracles.random_like(program.result_of(program.dispatcher, args), np.random.default_rng(7))
    for derivative, seeds in ((jvp, tangents_of(program, args, 0)), (vjp, cotangents)):
        with refusal_where_allowed(program):
            outside = derivative(program)
            wanted = outside(args, seeds)

            @njit
            def inside(primals, seeds, outside=outside):
                return outside(primals, seeds)

            got = inside(args, seeds)
        np.testing.assert_allclose(flatten(got), flatten(wanted), rtol=1e-12)


@needs("grad")
@each(crossing=True)
def test_gradient_inside_compiled_code(program: Entry) -> None:
    args = program.arguments()
    skip_unless_scalar(program, args)
    with refusal_where_allowed(program):
        gradient = nd.grad(program.dispatcher, argnums=program.diff)
        wanted = gradient(*args)

        @njit
        def inside(*args):
            return gradient(*args)

        got = inside(*args)
    np.testing.assert_allclose(flatten(got), flatten(wanted), rtol=1e-12)
