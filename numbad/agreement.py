"""Are the derivatives of a function right? `check_grads`, and the same before a call under NUMBAD_CHECK.

Given   a function and arguments, which are left as they are.
Gives   nothing if forward mode, reverse mode and finite differences agree (`numbad.comparison`).
Unsure  raises: WrongDerivative where they do not, ValueError where nothing can be compared.

Kernels have a `check_grads` of their own (`numbad.cuda.agreement`).
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
from numbad.comparison import PRECISIONS, Comparison, Precision, compare
from numbad.cuda import DifferentiableKernel, is_for_gpu
from numbad.differences import Differences, differences
from numbad.plan import Asked
from numbad.trees import Leaf, active_leaves, copied, flat, rebuilt
from numbad.wrapper import dispatcher_of


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
    if is_for_gpu(f) or isinstance(f, DifferentiableKernel):
        raise TypeError(f"check_grads: {f.__name__} is compiled for a GPU; a kernel is checked where it is launched, "
                        f"by nd.cuda.check_grads({f.__name__})[grid, block](*args), a device function in a kernel")
    if not isinstance(args, tuple):
        raise TypeError("check_grads: args must be a tuple with one entry for each argument, not "
                        f"{type(args).__name__}")
    if order < 1:
        raise ValueError(f"check_grads: order must be 1 or more, not {order}")
    point = _point(dispatcher_of(f, "check_grads"), args, argnums, outputs)
    modes = tuple(modes)
    rng = compare(point, modes, atol, rtol, seed)
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
    Comparison(point, (asked.mode,), np.random.default_rng(0), 0.0, None).run()


@dataclass(frozen=True)
class _Point:
    """A function at its arguments, as a function of one vector: all active numbers, one after the other."""

    primal: Dispatcher
    args: tuple
    leaves: tuple[Leaf, ...]
    outputs: tuple[str | int, ...] | None

    @property
    def what(self) -> str:
        return f"check_grads({self.primal.__name__})"

    @property
    def positions(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(leaf.path[0] for leaf in self.leaves))

    @property
    def size(self) -> int:
        return sum(leaf.size for leaf in self.leaves)

    @cached_property
    def precision(self) -> Precision:
        return PRECISIONS[min(leaf.dtype.itemsize for leaf in (*self.leaves, *active_leaves(self.result)))]

    @cached_property
    def result(self) -> Any:
        return self.value(np.zeros(self.size))

    @cached_property
    def results(self) -> np.ndarray:
        return flat(self.result)

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
