"""What is wrong with the derivatives of one program.

Forward mode against finite differences where these converge, reverse against forward mode to rounding, the plan that
stores everything against the plan that saves; values, exceptions, inputs and memory as those of the function itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any
from unittest import mock

import numpy as np
from numba import njit

import numbad as nd
import oracles
from fuzz.code import Program
from fuzz.expressions import LENGTH, SHAPE
from fuzz.verdicts import Verdict, Wrong, function, verdict
from numbad.derive import derive
from numbad.differences import Differences, differences
from numbad.passes.derivative.plan import Options
from pool.trees import copied, flatten

STORE_ALL = Options(**dict.fromkeys([field.name for field in fields(Options)], False))
OPTIMISED = Options(tape_limit=2000)
"""Short tapes, so that iterations are run again."""
STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
CLOSE_STEPS = (1e-9, 1e-10, 1e-11)
PERTURBED = (True, True, True, True, True, False)


def arguments(seed: int) -> tuple:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1.2, 1.2, 2)
    a, b = rng.normal(size=(2, LENGTH))
    return float(x), float(y), a, b, rng.normal(size=SHAPE), int(rng.integers(0, 6))


def check(program: Program, inputs: int) -> Verdict:
    return verdict(lambda: _check(function(program), inputs))


def _check(f: Callable, inputs: int) -> Verdict:
    compared = 0
    for seed in range(inputs):
        args = arguments(seed)
        rng = np.random.default_rng([seed, 1])
        tangents = oracles.random_tangents(args, PERTURBED, rng)
        try:
            result = f(*copied(args))
        except (ValueError, ZeroDivisionError) as raised:
            _expect_exception(f, args, tangents, raised)
            continue
        compared += _compare(f, args, tangents, result, rng)
        if seed == 0:
            _expect_no_leak(f, args, tangents, oracles.random_like(result, rng))
    return Verdict("right", compared=compared)


def _compare(f: Callable, args: tuple, tangents: tuple, result: Any, rng: np.random.Generator) -> int:
    cotangents = oracles.random_like(result, rng)
    before = oracles.snapshot((args, tangents, cotangents))
    out, out_dot = nd.jvp(f)(args, tangents)
    with mock.patch.object(derive, "__defaults__", (None, OPTIMISED)):
        out_again, gradients = nd.vjp(f)(args, cotangents)
    with mock.patch.object(derive, "__defaults__", (None, STORE_ALL)):
        out_stored, stored = nd.vjp(_twin(f))(args, cotangents)
    if oracles.snapshot((args, tangents, cotangents)) != before:
        raise Wrong("inputs", "an input was changed")
    for mode, value in (("jvp", out), ("vjp", out_again), ("vjp, all stored", out_stored)):
        if not np.array_equal(flatten(value), flatten(result), equal_nan=True):
            raise Wrong("value", f"{mode} returns {value}, the function {result}")
    if not np.all(np.isfinite(flatten(result))):
        return 0
    forward = oracles.inner(cotangents, out_dot)
    reverse = oracles.inner(gradients, tangents)
    scale = forward.scale + reverse.scale
    if not abs(forward.value - reverse.value) <= 1e-10 * scale + 1e-300:
        raise Wrong("reverse", f"<w, J v> = {forward.value:.17g}, <J' w, v> = {reverse.value:.17g}, terms {scale:.3g}")
    difference = np.abs(flatten(gradients) - flatten(stored))
    if not np.all(difference <= 1e-11 * np.max(np.abs(flatten(stored)), initial=0.0)):
        raise Wrong("plan", f"gradients {gradients}, with everything stored {stored}")
    start = flatten(args)
    along = flatten(tuple(0 if t is None else t for t in tangents))

    def at(distance: float) -> np.ndarray:
        shifted = oracles.with_active_part(args, tangents, start + distance * along)
        return flatten(f(*shifted))

    known = differences(at, STEPS, float(np.finfo(float).eps))
    if not known.converged:
        return 0
    if not _agree(flatten(out_dot), known):
        close = differences(at, CLOSE_STEPS, float(np.finfo(float).eps))
        if close.converged and _agree(flatten(out_dot), close):
            return 0  # the function has ripples that the longer steps went past
        raise Wrong("forward", f"tangent {flatten(out_dot)}, finite differences {known.value}")
    return 1


def _agree(tangent: np.ndarray, known: Differences) -> bool:
    error = np.abs(tangent - known.value)
    return bool(np.all(error <= 20 * known.uncertainty + 1e-6 * np.max(np.abs(known.value), initial=0.0) + 1e-9))


def _twin(f: Any) -> Any:
    """The same function under a dispatcher of its own: derivatives are kept per dispatcher."""
    known = f.__dict__.get("__fuzz_twin__")
    if known is None:
        known = f.__dict__["__fuzz_twin__"] = njit(f.py_func)
    return known


def _expect_exception(f: Callable, args: tuple, tangents: tuple, raised: Exception) -> None:
    for mode in ("jvp", "vjp"):
        try:
            if mode == "jvp":
                nd.jvp(f)(args, tangents)
            else:
                returned = f.nopython_signatures[0].return_type  # type: ignore[attr-defined]
                nd.vjp(f)(args, _cotangents(returned))
        except type(raised) as again:
            if again.args != raised.args:
                raise Wrong("exception", f"{mode} raises {again!r}, the function {raised!r}") from None
        else:
            raise Wrong("exception", f"{mode} does not raise {raised!r}")


def _cotangents(returned: Any) -> Any:
    if hasattr(returned, "types"):
        return tuple(map(_cotangents, returned.types))
    return np.zeros(LENGTH) if hasattr(returned, "ndim") else 1.0


def _expect_no_leak(f: Callable, args: tuple, tangents: tuple, cotangents: Any) -> None:
    own = oracles.leaked(lambda: f(*copied(args)))
    calls = {"jvp": lambda: nd.jvp(f)(args, tangents), "vjp": lambda: nd.vjp(f)(args, cotangents)}
    for mode, call in calls.items():
        factor = 2 if mode == "jvp" else 1  # with each array that Numba loses, forward mode may lose its tangent
        lost = oracles.leaked(call)
        if not (0 <= lost.raw <= factor * own.raw and 0 <= lost.counted <= factor * own.counted):
            raise Wrong("leak", f"{mode} leaves {lost} behind, the function {own}")
