"""The pool and its oracles, without numbad: what the derivative tests rely on is itself tested here.

Each entry compiles, agrees with plain Python, and its derivative is known: two finite differences, complex step and the
analytic gradient agree as far as each applies. The oracles see what they are there to see.
"""

from __future__ import annotations

import ast
import math
import textwrap
from collections import Counter

import numpy as np
import pytest
from numba import njit

import oracles
from pool import POOL, Entry
from pool.entry import entry
from pool.pitfalls import GPU_ONLY, PITFALLS
from pool.trees import flatten, leaves, unflatten
from pool.wrong_elsewhere import WRONG_ELSEWHERE

pytestmark = [
    pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaExperimentalFeatureWarning"),
    pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPerformanceWarning"),
    pytest.mark.filterwarnings("ignore:(divide by zero|invalid value) encountered:RuntimeWarning"),
]

def for_programs(crossing: bool) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("program", [
        pytest.param(e, id=f"{e.theme}.{e.name}", marks=[e.length] if crossing else []) for e in POOL.values()])


each, crossing = for_programs(crossing=False), for_programs(crossing=True)


@each
def test_entry(program: Entry) -> None:
    """One test for all that needs the compiled program, so that each process compiles it once."""
    compiled, args = program.dispatcher, program.arguments()
    result = program.result_of(compiled, args)
    assert oracles.snapshot(program.result_of(compiled, args)) == oracles.snapshot(result)
    leaked = oracles.leaked(lambda: program.result_of(compiled, args))
    assert leaked == (0, 0) or program.leaks
    if not program.no_python:
        precision = 1e-12 if all(np.asarray(leaf).dtype != np.float32 for leaf in leaves((args, result))) else 1e-5
        oracles.assert_close(program.result_of(program.function, args), result, precision)
    check_derivative(program)
    if program.raises:
        error, make = program.raises
        with pytest.raises(error):
            compiled(*program.arguments(make=make))


def check_derivative(program: Entry) -> None:
    """All that claims to know the derivative agrees, in two directions."""
    args = program.arguments(make=program.generic if program.no_fd else program.args)
    size = np.max(np.abs(flatten(program.result_of(program.dispatcher, args))), initial=0.0)
    for seed in range(2):
        tangents = oracles.random_tangents(args, program.is_diff(), np.random.default_rng(seed))
        known = oracles.directional(lambda a: program.result_of(program.dispatcher, a), args, tangents, program.step)
        scale = max(np.max(np.abs(known.value), initial=0.0), 1e-4 * size)
        assert np.all(known.uncertainty <= program.rtol * scale), "finite differences disagree with themselves"
        exact = oracles.exact_tangent(program, args, tangents)
        if exact is not None:
            assert np.allclose(known.value, exact, rtol=0, atol=program.rtol * scale), "the analytic gradient is off"
        stepped = oracles.complex_tangent(program, args, tangents)
        if stepped is not None:
            assert np.allclose(known.value, stepped, rtol=0, atol=program.rtol * scale), "complex step is off"


@pytest.mark.parametrize("layout", [oracles.fortran, oracles.strided])
@crossing
def test_layouts(program: Entry, layout) -> None:
    if program.no_layouts:
        pytest.skip(program.no_layouts)
    args = layout(program.arguments())
    result = program.results(args, program.dispatcher(*args))
    oracles.assert_close(result, program.result_of(program.dispatcher, program.arguments()), 1e-12)


@crossing
def test_single_precision(program: Entry) -> None:
    if program.no_single:
        pytest.skip(program.no_single)
    args = oracles.cast(program.arguments(), np.float32)
    result = program.result_of(program.dispatcher, args)
    oracles.assert_close(result, program.result_of(program.dispatcher, program.arguments()), 1e-3)


def test_size_of_the_pool() -> None:
    """The declaration refuses a second entry of one name; themes are files."""
    assert len(POOL) >= 130
    assert min(Counter(program.theme for program in POOL.values()).values()) >= 10
    assert all(name == program.name for name, program in POOL.items())


def test_complex_step_knows_most() -> None:
    """A change that makes complex step raise everywhere would go unseen: what raises is skipped."""
    known = 0
    for program in POOL.values():
        args = program.arguments()
        tangents = oracles.random_tangents(args, program.is_diff(), np.random.default_rng(0))
        known += oracles.complex_tangent(program, args, tangents) is not None
    assert known >= 200


def test_pitfalls_have_programs() -> None:
    assert sorted([*PITFALLS, *GPU_ONLY]) == list(range(1, 26))
    for names in PITFALLS.values():
        assert names and set(names) <= POOL.keys()
    numbered = {name for name in POOL if name[0] == "p" and name[1:3].isdigit()}
    assert numbered == {n for number, names in PITFALLS.items() for n in names if n.startswith(f"p{number:02}_")}
    assert set(WRONG_ELSEWHERE.values()) == {e.name for e in POOL.values() if e.theme == "wrong_elsewhere"}


ELEMENTARY = (
    "sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh exp exp2 expm1 log log2 log10 log1p sqrt cbrt "
    "hypot fabs copysign floor ceil trunc rint fmod erf erfc gamma lgamma degrees radians sign"
).split()
ARRAYS = (
    "minimum maximum fmin fmax sum mean max min var prod cumsum dot where clip empty zeros ones zeros_like empty_like"
).split()
SYNTAX = (
    "x**2 x**-1 x**2.5 x**y // % @ min(2) min(3) max(2) max(3) abs round while break continue raise match swap slice "
    "if-expression return-in-loop nested-loop boundscheck namedtuple-result kernel"
).split()
SPELLINGS = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "deg2rad": "radians", "rad2deg": "degrees", "amax": "max", "amin": "min",
}  # fmt: skip


def constructs(program: Entry) -> set[str]:
    """What the source of an entry is made of."""
    found = {"boundscheck"} if program.options.get("boundscheck") else set()
    found |= {"kernel"} if program.outputs else set()
    if hasattr(program.result_of(program.dispatcher, program.arguments()), "_fields"):
        found.add("namedtuple-result")
    for node in ast.walk(ast.parse(textwrap.dedent(program.source))):
        match node:
            case ast.Attribute(attr=name):
                found.add(SPELLINGS.get(name, name))
            case ast.Call(func=ast.Name(id="min" | "max" as name), args=operands):
                found.add(f"{name}({len(operands)})")
            case ast.Call(func=ast.Name(id="abs" | "round" as name)):
                found.add(name)
            case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=int())):
                found.add("x**2")
            case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=float())):
                found.add("x**2.5")
            case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp()):
                found.add("x**-1")
            case ast.BinOp(op=ast.Pow(), right=ast.Name()):
                found.add("x**y")
            case ast.BinOp(op=ast.FloorDiv()) | ast.AugAssign(op=ast.FloorDiv()):
                found.add("//")
            case ast.BinOp(op=ast.Mod()):
                found.add("%")
            case ast.BinOp(op=ast.MatMult()):
                found.add("@")
            case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple()):
                found.add("swap")
            case ast.IfExp():
                found.add("if-expression")
            case ast.For() | ast.While():
                inner = [n for statement in node.body for n in ast.walk(statement)]
                if any(isinstance(n, ast.Return) for n in inner):
                    found.add("return-in-loop")
                if any(isinstance(n, ast.For | ast.While) for n in inner):
                    found.add("nested-loop")
                if isinstance(node, ast.While):
                    found.add("while")
            case ast.Break() | ast.Continue() | ast.Raise() | ast.Match() | ast.Slice():
                found.add(type(node).__name__.lower())
    return found


@pytest.mark.slow
def test_constructs_occur_several_times() -> None:
    """Slow because it runs every program in one process."""
    count = Counter(c for program in POOL.values() for c in constructs(program))
    few = {c: count[c] for c in [*ELEMENTARY, *ARRAYS, *SYNTAX] if count[c] < 2}
    assert not few


def test_declarations_are_checked() -> None:
    def identity(x):
        return x

    for wrong in (
        {"args": lambda rng: (1.0, 2.0)},
        {"args": lambda rng: (1.0,), "diff": ("y",)},
        {"args": lambda rng: (1,)},
        {"args": lambda rng: (1.0,), "no_fd": "a corner"},
        {"args": lambda rng: (1.0,), "outputs": ("out",)},
    ):
        with pytest.raises(ValueError, match="identity"):
            entry(**wrong)(identity)
    with pytest.raises(ValueError, match="two entries"):
        entry(args=lambda rng: (1.0,))(POOL["horner"].function)


def test_vectors_and_trees() -> None:
    tree = (np.arange(6.0).reshape(2, 3), 7, (np.float32(1.5), np.array([1, 2])), 2.5, "name", None, True)
    vector = flatten(tree)
    assert vector.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 1.5, 2.5]
    back = unflatten(2.0 * vector, tree)
    assert back[0].shape == (2, 3) and back[1] is None and back[2][1] is None and back[4:] == (None, None, None)
    assert isinstance(back[2][0], np.float32) and back[3] == 5.0
    with pytest.raises(ValueError, match="entries"):
        unflatten(vector[:-1], tree)


def test_finite_differences_know_their_worth() -> None:
    smooth = oracles.directional(lambda a: math.sin(a[0]) * a[1], (0.4, 3.0), (1.0, None), 2e-3)
    assert abs(smooth.value[0] - 3.0 * math.cos(0.4)) <= 1e-11 and smooth.uncertainty[0] <= 1e-11
    corner = oracles.directional(lambda a: abs(a[0] - 1e-3), (0.0,), (1.0,), 2e-3)
    assert corner.uncertainty[0] > 0.1


def test_complex_step_refuses_what_is_not_holomorphic() -> None:
    def uses_abs(x):
        return abs(x) * x

    def loses_the_imaginary_part(x):
        work = np.zeros(1, dtype=np.float64)
        work[:] = x
        return work[0]

    for function in (uses_abs, loses_the_imaginary_part):
        with pytest.raises((TypeError, np.exceptions.ComplexWarning)):
            oracles.complex_step(lambda a, f=function: oracles.on_complex(f)(*a), (np.ones(1),), (np.ones(1),))


def test_snapshot_sees_one_bit() -> None:
    args = (np.zeros(3), 1.0, (np.ones(2),))
    before = oracles.snapshot(args)
    assert oracles.snapshot(args) == before
    args[0][1] = -0.0
    assert oracles.snapshot(args) != before


def test_strided_arrays_are_strided() -> None:
    a = np.arange(12.0).reshape(3, 4)
    spread = oracles.strided((a,))[0]
    assert np.array_equal(spread, a) and not spread.flags.c_contiguous and not spread.flags.f_contiguous
    assert oracles.fortran((a,))[0].flags.f_contiguous


def test_leaks_are_counted() -> None:
    """Numba itself loses the arrays that are live where a callee raises."""
    program = POOL["callee_raises_in_loop"]
    args = program.arguments(make=program.raises[1])
    assert oracles.leaked(lambda: program.dispatcher(*args)).counted > 0

    @njit
    def keeps_nothing(n):
        return np.ones(n).sum()

    keeps_nothing(3)
    assert oracles.leaked(lambda: keeps_nothing(3)) == (0, 0)


def test_projection_has_the_scale_of_its_terms() -> None:
    value, scale = oracles.inner((np.array([1e8, -1e8]), None, 1.0), (np.array([1.0, 1.0]), None, 0.5))
    assert value == 0.5 and scale == 2e8 + 0.5
