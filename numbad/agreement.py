"""Are the derivatives of a function right? Three answers that know nothing of each other, compared.

    forward mode          J v along a random direction v of the arguments
    reverse mode          J' w for random weights w of the results:  <J' w, v> = <w, J v>  to rounding
    finite differences    of the function itself along v, with an estimate of their own error

Given   a function and arguments, which are left as they are.
Gives   nothing if all agree; `WrongDerivative` otherwise, which names the argument and the index, found by bisection,
        and which of the three is the odd one out.
Unsure  where finite differences do not converge, only the other two are compared; `check_grads` says so if there are
        no other two.

The projections are those of Griewank and Walther, "Evaluating Derivatives" (2008), section 3.2.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher

from numbad.api import Argnums, argument_positions, grad, jvp, vjp
from numbad.differences import Differences, differences
from numbad.errors import WrongDerivative
from numbad.plan import Asked
from numbad.trees import Leaf, active_leaves, copied, flat, rebuilt
from numbad.wrapper import dispatcher_of

DIRECTIONS = 2
FORWARD, REVERSE, DIFFERENCES = "forward mode", "reverse mode", "finite differences"


@dataclass(frozen=True)
class _Precision:
    """`steps` of finite differences, relative to the arguments; how far they may be off the derivative, relative to the
    largest entry; what rounding may do to <J' w, v> - <w, J v>, relative to the sum of the absolute terms."""

    steps: tuple[float, ...]
    differences: float
    adjoint: float


PRECISIONS = {8: _Precision((2e-3, 1e-4, 3e-6), 1e-6, 1e-8), 4: _Precision((5e-2, 5e-3), 1e-2, 1e-3)}
"""By the bytes of the smallest float among the arguments."""


def check_grads(f: Callable, args: tuple, order: int = 1, modes: Sequence[str] = ("fwd", "rev"), *,
                argnums: Argnums | None = None, outputs: tuple[str | int, ...] | None = None,
                atol: float = 0.0, rtol: float | None = None, seed: int = 0) -> None:
    """Compare the derivatives of `f` at `args` with each other and with finite differences.

    modes       "fwd": `jvp` against finite differences; "rev": `vjp` against `jvp`, or against finite differences if
                "fwd" is not asked for
    order       2 checks the derivatives of the gradient too (of `jvp(f)`, for a function that does not return a float)
    argnums     which arguments, by position or name; by default all that hold floats
    outputs     as in `jvp` and `vjp`, for a function that returns None
    atol, rtol  how far a derivative may be from finite differences, beyond what these say of their own error; `rtol` is
                relative to the largest entry, 1e-6 by default (1e-2 with float32)
    seed        of the random directions

    Raises WrongDerivative, which is an AssertionError too, if anything disagrees; ValueError if nothing can be
    compared, since results are not finite or finite differences do not converge; and whatever `f` and its derivatives
    raise. It takes some tens of calls of `f`.

    >>> check_grads(lambda x, y: x * y ** 2, (2.0, 3.0), order=2)
    """
    if not isinstance(args, tuple):
        raise TypeError("check_grads: args must be a tuple with one entry for each argument, not "
                        f"{type(args).__name__}")
    modes = tuple(modes)
    if not modes or not set(modes) <= {"fwd", "rev"}:
        raise ValueError(f"check_grads: modes must be 'fwd', 'rev' or both, not {modes}")
    if order < 1:
        raise ValueError(f"check_grads: order must be 1 or more, not {order}")
    point = _point(dispatcher_of(f, "check_grads"), args, argnums, outputs)
    rng = np.random.default_rng(seed)
    for _ in range(DIRECTIONS):
        if not _Comparison(point, modes, rng, atol, rtol).run():
            raise ValueError(f"check_grads({point.name}): nothing can be compared at these arguments: the results are "
                             "not finite, or finite differences do not converge (a kink or a jump nearby, or noise); "
                             "choose other arguments, or both modes")
    if order > 1:
        options: dict[str, Any] = {"order": order - 1, "modes": modes, "atol": atol, "rtol": rtol, "seed": seed + 1}
        if isinstance(point.result, float | np.floating):
            check_grads(grad(point.primal, point.positions), args, argnums=argnums, **options)
        else:
            check_grads(jvp(point.primal, outputs=outputs), (args, point.tangents(point.direction(rng))), **options)


def check_call(asked: Asked) -> None:
    """Compare with finite differences what is about to be called (NUMBAD_CHECK).

    Silent where these do not converge, where nothing is differentiated, and where the function raises: then the call
    will raise, too.
    """
    if asked.argnums == () or not sum(leaf.size for leaf in active_leaves(asked.args)):
        return
    point = _point(asked.primal, asked.args, asked.argnums, asked.outputs)
    try:
        point.value(np.zeros(point.size))
    except Exception:
        return
    _Comparison(point, (asked.mode,), np.random.default_rng(0), 0.0, None).run()


@dataclass(frozen=True)
class _Point:
    """A function at its arguments, as a function of one vector: all active numbers, one after the other."""

    primal: Dispatcher
    args: tuple
    leaves: tuple[Leaf, ...]
    outputs: tuple[str | int, ...] | None

    @property
    def name(self) -> str:
        return self.primal.__name__

    @property
    def positions(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(leaf.path[0] for leaf in self.leaves))

    @property
    def size(self) -> int:
        return sum(leaf.size for leaf in self.leaves)

    @cached_property
    def precision(self) -> _Precision:
        return PRECISIONS[min(leaf.dtype.itemsize for leaf in (*self.leaves, *active_leaves(self.result)))]

    @cached_property
    def result(self) -> Any:
        return self.value(np.zeros(self.size))

    def direction(self, rng: np.random.Generator) -> np.ndarray:
        """Random, as large as what it is added to."""
        return np.concatenate([leaf.scale * rng.normal(size=leaf.size) for leaf in self.leaves])

    def value(self, shift: np.ndarray) -> Any:
        """The results at shifted arguments."""
        args = rebuilt(self.args, self.leaves, shift, Leaf.shifted, copied)
        result = self.primal(*args)
        if self.outputs is None:
            return result
        return tuple(args[k] for k in argument_positions("check_grads", "outputs", self.primal, self.outputs))

    def tangents(self, direction: np.ndarray) -> tuple:
        tree = rebuilt(self.args, self.leaves, direction, Leaf.like, lambda constant: None)
        return tuple(tangent if k in self.positions else None for k, tangent in enumerate(tree))

    def forward(self, direction: np.ndarray) -> np.ndarray:
        return flat(jvp(self.primal, outputs=self.outputs)(copied(self.args), self.tangents(direction))[1])

    def reverse(self, weights: np.ndarray) -> np.ndarray:
        seeds = rebuilt(self.result, active_leaves(self.result), weights, Leaf.like, lambda constant: None)
        pullback = vjp(self.primal, argnums=self.positions, outputs=self.outputs)
        gradients = pullback(copied(self.args), seeds)[1]
        return flat(tuple(gradients[k] for k in self.positions))

    def differences(self, direction: np.ndarray) -> Differences:
        eps = float(np.finfo(f"f{min(leaf.dtype.itemsize for leaf in self.leaves)}").eps)
        return differences(lambda distance: flat(self.value(distance * direction)), self.precision.steps, eps)

    def title(self, place: int) -> tuple[str, float]:
        """What a number of the vector is called, and how large its leaf is."""
        names = tuple(inspect.signature(self.primal.py_func).parameters)
        for leaf in self.leaves:
            if place < leaf.size:
                branch = "".join(f"[{k}]" for k in leaf.path[1:])
                index = np.unravel_index(place, np.shape(leaf.value)) if np.ndim(leaf.value) else ()
                where = f"[{', '.join(map(str, index))}]" if index else ""
                return f"argument '{names[leaf.path[0]]}'{branch}{where}", leaf.scale
            place -= leaf.size
        raise IndexError(place)


def _point(primal: Dispatcher, args: tuple, argnums: Argnums | None, outputs: tuple[str | int, ...] | None) -> _Point:
    leaves = active_leaves(args)
    if argnums is not None:
        chosen = argument_positions(f"check_grads({primal.__name__})", "argnums", primal, argnums)
        leaves = [leaf for leaf in leaves if leaf.path[0] in chosen]
    if not sum(leaf.size for leaf in leaves):
        raise TypeError(f"check_grads({primal.__name__}): no argument holds a float to differentiate by")
    return _Point(primal, copied(args), tuple(leaves), outputs)


class _Comparison:
    """One direction v, one w; narrowed down to one number where something disagrees."""

    def __init__(self, point: _Point, modes: tuple[str, ...], rng: np.random.Generator, atol: float,
                 rtol: float | None):
        self.point, self.modes, self.atol = point, modes, atol
        self.rtol = point.precision.differences if rtol is None else rtol
        self.direction = point.direction(rng)
        self.weights = rng.normal(size=len(flat(point.result)))

    @cached_property
    def gradient(self) -> np.ndarray:
        return self.point.reverse(self.weights)

    def run(self) -> bool:
        """Whether anything could be compared; raises WrongDerivative if something disagrees."""
        if not np.all(np.isfinite(flat(self.point.result))):
            return False
        whole = np.arange(self.point.size)
        converged = self.point.differences(self.direction).converged
        pairs = []
        if converged:
            pairs.append((FORWARD if "fwd" in self.modes else REVERSE, DIFFERENCES))
        if set(self.modes) == {"fwd", "rev"}:
            pairs.append((REVERSE, FORWARD))
        for pair in pairs:
            if self.error(pair, whole) > 1.0:
                raise WrongDerivative(self.message(pair, self.narrowed(pair, whole)))
        return bool(pairs)

    def narrowed(self, pair: tuple[str, str], chosen: np.ndarray) -> int:
        """The place of one number about which the two disagree."""
        while len(chosen) > 1:
            chosen = max(np.array_split(chosen, 2), key=lambda half: self.error(pair, half))
        return int(chosen[0])

    def error(self, pair: tuple[str, str], chosen: np.ndarray) -> float:
        """How far the two are apart in the derivative by the chosen numbers, in units of what is allowed."""
        v = np.zeros(self.point.size)
        v[chosen] = self.direction[chosen]
        if pair == (REVERSE, FORWARD):
            terms, others = self.gradient * v, self.weights * self.point.forward(v)
            allowed = self.point.precision.adjoint * (np.abs(terms).sum() + np.abs(others).sum())
            return _in_units(abs(terms.sum() - others.sum()), allowed + self.atol)
        known = self.point.differences(v)
        if not known.converged:
            return 0.0
        if pair[0] == FORWARD:
            allowed = 10 * known.uncertainty + self.rtol * np.max(np.abs(known.value), initial=0.0) + self.atol
            return max(map(_in_units, np.abs(self.point.forward(v) - known.value), allowed), default=0.0)
        sizes = np.abs(self.weights)
        allowed = 10 * sizes @ known.uncertainty + self.rtol * (sizes @ np.abs(known.value)) + self.atol
        return _in_units(abs(self.gradient @ v - self.weights @ known.value), allowed)

    def message(self, pair: tuple[str, str], place: int) -> str:
        title, scale = self.point.title(place)
        unit = np.zeros(self.point.size)
        unit[place] = 1.0
        answers = {DIFFERENCES: float(self.weights @ self.point.differences(scale * unit).value) / scale}
        if FORWARD in pair or "fwd" in self.modes:
            answers[FORWARD] = float(self.weights @ self.point.forward(unit))
        if REVERSE in pair or "rev" in self.modes:
            answers[REVERSE] = float(self.gradient[place])
        odd = _odd_one_out(answers)
        verdict = {None: ".", DIFFERENCES: "; both modes agree, so a rule that they share is wrong."}.get(
            odd, f"; {odd} is the odd one out.")
        lines = [f"check_grads({self.point.name}): {pair[0]} and {pair[1]} disagree{verdict}", "",
                 f"  The derivative by {title}, of the results times random weights, is"]
        lines += [f"      {answer:<24.12g} by {who}" for who, answer in answers.items()]
        return "\n".join(lines)


def _in_units(error: float, allowed: float) -> float:
    if error <= allowed:
        return 0.0 if error == 0.0 else error / allowed
    return float(error / allowed) if allowed > 0.0 and np.isfinite(error) else np.inf


def _odd_one_out(answers: dict[str, float]) -> str | None:
    """Of three, the one that is farthest from its nearest neighbour."""
    if len(answers) < 3:
        return None

    def loneliness(name: str) -> float:
        nearest = min(abs(answers[name] - other) for n, other in answers.items() if n != name)
        return np.inf if np.isnan(nearest) else nearest
    return max(answers, key=loneliness)
