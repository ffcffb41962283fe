"""The functional layer as users call it: `grad`, `value_and_grad`, `jvp`, `vjp`, from Python and inside `@njit`.

Given   a Python function, a Numba dispatcher, or another derivative of ours.
Gives   a Numba dispatcher; nothing is compiled before it is called.
Unsure  raises `TypeError` or `ValueError`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
from numba.core.dispatcher import Dispatcher

from numbad.cuda import is_for_gpu
from numbad.functional import ForwardProduct, Gradient, ReverseProduct
from numbad.trees import copied
from numbad.wrapper import derivative_dispatcher, dispatcher_of

Argnums = int | str | tuple[int | str, ...]


def grad(f: Callable, argnums: Argnums = 0) -> Dispatcher:
    """The gradient of a function that returns one float.

    `grad(f)` has the parameters of `f` and returns the gradient with respect to the argument `argnums`: a position or a
    name, or a tuple of them for a tuple of gradients. A gradient has the dtype and shape of the argument. It compiles
    once per argument types (kept on disk if `f` was compiled with `cache=True`, see `differentiate`), can be called
    from Python and from `@njit` code, and can be differentiated again. Inside `@njit`, pass what `f`
    needs as arguments: Numba refuses a function that uses a variable of its compiled caller. Inside `@cuda.jit`, also
    of a device function, it differentiates by numbers; see `numbad.cuda`.

    >>> grad(lambda x: x ** 3)(2.0)
    12.0
    """
    return _gradient(f, argnums, "grad", False)


def value_and_grad(f: Callable, argnums: Argnums = 0) -> Dispatcher:
    """The value and the gradient, as `(value, gradient)`, for the cost of the gradient; see `grad`.

    >>> value_and_grad(lambda x: x ** 3)(2.0)
    (8.0, 12.0)
    """
    return _gradient(f, argnums, "value_and_grad", True)


def jvp(f: Callable, primals: tuple | None = None, tangents: tuple | None = None, *,
        outputs: tuple[str | int, ...] | None = None):
    """The directional derivative: `jvp(f)(primals, tangents)`, or at once `jvp(f, primals, tangents)`.

    Returns `(out, tangent)`. Both tuples have one entry for each argument; a tangent of None means that the argument is
    not perturbed. For a function that returns None and writes its arguments, `outputs` names those that are its
    results: `jvp(k, outputs=("y",))(primals, tangents)` returns `((y,), (y_tangent,))`.

    >>> jvp(lambda x, y: x * y)((2.0, 3.0), (1.0, None))
    (6.0, 3.0)
    """
    dispatcher = _forward_product(f, outputs)
    if primals is None and tangents is None:
        return dispatcher
    if primals is None or tangents is None:
        raise TypeError("jvp(f, primals, tangents) needs both, as tuples; jvp(f) alone is a function of both")
    return dispatcher(primals, tangents)


def vjp(f: Callable, *primals, argnums: Argnums | None = None, outputs: tuple[str | int, ...] | None = None):
    """Cotangents times the Jacobian: `vjp(f)(primals, cotangents)`, which returns `(out, gradients)`.

    The cotangents look like `out`. There is one gradient for each argument, and None for constants: integers, and what
    is not in `argnums`. For a function that returns None and writes its arguments, `outputs` names those that are its
    results: `vjp(k, outputs=("y",))(primals, cotangents)` returns `((y,), gradients)`, where the gradient of `y` is
    with respect to what it held before the call.

    From Python, `vjp(f, *primals)` returns `(out, pullback)`, and `pullback(cotangents)` returns the gradients. It
    keeps a copy of the arguments and runs `f` again each time that it is called, which can be any number of times.

    >>> vjp(lambda x, y: x * y)((2.0, 3.0), 1.0)
    (6.0, (3.0, 2.0))
    """
    dispatcher = _reverse_product(f, argnums, outputs)
    if not primals:
        return dispatcher
    pullback = Pullback(dispatcher, primals)
    return pullback.value(), pullback


class Pullback:
    """The function `cotangents -> gradients` at a fixed point, of which it holds a copy."""

    def __init__(self, dispatcher: Dispatcher, primals: tuple):
        self._dispatcher = dispatcher
        self._primals = copied(primals)

    def value(self):
        """The result of the function; of a function that returns None the arguments named by `outputs`."""
        primals, plan = copied(self._primals), self._dispatcher.plan
        result = plan.primal(*primals)
        return result if plan.outputs is None else tuple(primals[position] for position in plan.outputs)

    def __call__(self, cotangents):
        return self._dispatcher(self._primals, cotangents)[1]


def _gradient(f, argnums, kind: str, with_value: bool) -> Dispatcher:
    if is_for_gpu(f):
        from numbad.cuda import functions
        return functions.gradient(f, argnums, kind)
    primal = dispatcher_of(f, kind)
    positions = argument_positions(f"{kind}({primal.__name__})", "argnums", primal, argnums)
    return derivative_dispatcher(Gradient, primal, positions, isinstance(argnums, tuple), with_value)


def _forward_product(f, outputs) -> Dispatcher:
    if is_for_gpu(f):
        from numbad.cuda import functions
        return functions.product(f, "jvp", outputs)
    primal = dispatcher_of(f, "jvp")
    return derivative_dispatcher(ForwardProduct, primal, _output_positions("jvp", primal, outputs))


def _reverse_product(f, argnums, outputs) -> Dispatcher:
    if is_for_gpu(f):
        from numbad.cuda import functions
        return functions.product(f, "vjp", outputs, argnums)
    primal = dispatcher_of(f, "vjp")
    positions = None if argnums is None else argument_positions(f"vjp({primal.__name__})", "argnums", primal, argnums)
    return derivative_dispatcher(ReverseProduct, primal, _output_positions("vjp", primal, outputs), positions)


def _output_positions(kind: str, primal: Dispatcher, outputs) -> tuple[int, ...] | None:
    if outputs is None:
        return None
    what = f"{kind}({primal.__name__})"
    if not isinstance(outputs, tuple):
        raise TypeError(f"{what}: outputs must be a tuple of argument names, not {outputs!r}")
    return argument_positions(what, "outputs", primal, outputs)


def argument_positions(what: str, option: str, primal: Dispatcher, chosen) -> tuple[int, ...]:
    """The positions of arguments that were named by position or by name."""
    names = tuple(inspect.signature(primal.py_func).parameters)
    entries = chosen if isinstance(chosen, tuple) else (chosen,)
    if not entries:
        raise ValueError(f"{what}: {option} is empty")
    positions = []
    for entry in entries:
        if isinstance(entry, str):
            if entry not in names:
                raise ValueError(f"{what}: {option} names '{entry}', but the arguments are {', '.join(names)}")
            position = names.index(entry)
        elif isinstance(entry, (int, np.integer)) and not isinstance(entry, bool):
            if not -len(names) <= entry < len(names):
                raise ValueError(f"{what}: {option} is {entry}, but there are {len(names)} arguments "
                                 f"({', '.join(names)})")
            position = int(entry) % len(names)
        else:
            raise TypeError(f"{what}: {option} must hold positions or names of arguments, not {entry!r}")
        if position in positions:
            raise ValueError(f"{what}: {option} holds '{names[position]}' twice")
        positions.append(position)
    return tuple(positions)
