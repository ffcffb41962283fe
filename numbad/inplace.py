"""The in-place layer: `autodiff`. The caller gives all memory; nothing is copied.

Given   a function, a mode, and its arguments, each wrapped to say what it is for the derivative: `Const`, `Dup` (with
        its shadow beside it) or `Active` (a float whose adjoint is returned).
Gives   forward: `(value, tangent)`. Reverse: `(value, adjoints)`, the adjoints of the `Active` arguments in order.
Unsure  raises: shapes, strides and overlaps are checked before the derivative runs.

The wrappers are named tuples, so they can be made inside `@njit` too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.core.dispatcher import Dispatcher

from numbad import abi
from numbad.checks import check_result, describe, match
from numbad.errors import Unsupported
from numbad.implementation import Inputs, at, indices, variable
from numbad.plan import Asked, Plan, Types
from numbad.trees import copied
from numbad.wrapper import derivative_dispatcher, dispatcher_of

MODES = ("forward", "reverse")


class Const(NamedTuple):
    """An argument that is not differentiated."""

    value: Any


class Active(NamedTuple):
    """A float argument of a reverse derivative, whose adjoint is returned."""

    value: Any


class Dup(NamedTuple):
    """An argument with its shadow: its tangent in forward mode; in reverse mode the array that its adjoint is added to.

    The shadow of an array that the function writes holds the seed before the call, and afterwards the adjoint of what
    the array held before the call.
    """

    value: Any
    shadow: Any


def autodiff(f: Callable, mode: str) -> Dispatcher:
    """A derivative that works in the caller's memory: `autodiff(f, mode)(Const(n), Dup(x, dx), Active(a))`.

    In mode "forward" the result is `(value, tangent)`. In mode "reverse" it is `(value, adjoints)`: a float result is
    seeded with 1.0, the adjoints of arrays are added to their shadows (which the caller sets to zero), and `adjoints`
    is a tuple with those of the `Active` arguments. Both values are None if `f` returns None. The arrays that `f`
    writes are written. An array under `Const` that receives derivatives is scratch and gets a shadow for the call.

    >>> autodiff(lambda x, n: x ** n, "reverse")(Active(3.0), Const(2))
    (9.0, (6.0,))
    """
    if mode not in MODES:
        raise ValueError(f"autodiff: the mode is 'forward' or 'reverse', not {mode!r}")
    return derivative_dispatcher(InPlace, dispatcher_of(f, "autodiff"), mode)


class InPlace(Plan):
    """`autodiff`; the option is the mode."""

    kind = "autodiff"

    def finish(self, wrapper) -> None:
        defaults = self.primal.py_func.__defaults__
        wrapper.__defaults__ = defaults and tuple(map(Const, defaults))
        wrapper.__doc__ = inspect.getdoc(autodiff)

    def asked(self, arguments: tuple) -> Asked:
        mode, = self.options
        values = tuple(argument[0] for argument in arguments)
        chosen = tuple(k for k, argument in enumerate(arguments) if not isinstance(argument, Const))
        returns_none = self.primal(*copied(values)) is None
        outputs = tuple(k for k in chosen if returns_none and isinstance(values[k], np.ndarray))
        if returns_none and not outputs:
            chosen = ()  # no result has a derivative
        return Asked(self.primal, values, chosen, outputs or None, "fwd" if mode == "forward" else "rev")

    def primal_types(self, argument_types: Types) -> Types:
        mode, = self.options
        for name, ty in zip(self.argument_names, argument_types, strict=True):
            self._check(mode, name, ty)
        return tuple(ty.types[0] for ty in argument_types)

    def write(self, argument_types: Types):
        mode, = self.options
        call_types = self.primal_types(argument_types)
        kinds = [ty.instance_class for ty in argument_types]
        call = Inputs(self, call_types, [position for position, kind in enumerate(kinds) if kind is not Const])
        if mode == "forward":
            if not isinstance(call.result, types.NoneType):
                check_result(self.name, call.result)
        elif not (abi.is_float(call.result) or isinstance(call.result, types.NoneType)):
            raise TypeError(f"{self.name}: in reverse mode the function returns one float, or None, and not "
                            f"{describe(call.result)}; use vjp, which takes cotangents")
        call.differentiate(mode)
        self._prepare(call, mode, argument_types)
        if mode == "forward":
            call.forward()
            call.body.line("return out, " + ("None" if isinstance(call.result, types.NoneType) else "out_dot"))
        else:
            call.reverse("1.0" if abi.is_float(call.result) else "None")
            adjoints = "".join(f"adjoints[{position}], " for position, kind in enumerate(kinds) if kind is Active)
            call.body.line(f"return out, ({adjoints})")
        return call.function()

    def _prepare(self, call: Inputs, mode: str, argument_types: Types) -> None:
        """Lines that unwrap primals and shadows; a written array may share memory with no other one."""
        primals: list[tuple[str, str, str]] = []
        shadows: list[tuple[str, str, str]] = []
        for position, ty in enumerate(argument_types):
            call.body.line(f"a{position} = arguments[{position + 1}][0]")
            call.primals[position] = f"a{position}"
            is_written = position in call.written
            primals += call.arrays(position, call.types[position])
            if ty.instance_class is Dup:
                call.body.line(f"s{position} = arguments[{position + 1}][1]")
                call.shadows[position] = f"s{position}"
                shadows += [(f"the shadow of {call.title(position, path)}", f"s{position}{indices(path)}",
                             "is written" if mode == "reverse" or is_written else "")
                            for path in self._check_shadow(call, mode, position, ty.types[1])]
            else:
                call.shadows[position] = call.mirror(call.types[position], partial(self._scratch, call, position))
        call.refuse_overlaps(primals + shadows)

    def _check(self, mode: str, name: str, ty: types.Type) -> None:
        """The wrapper of an argument fits the mode and the argument."""
        kind = getattr(ty, "instance_class", None)
        if kind not in (Const, Active, Dup):
            raise TypeError(f"{self.name}: wrap the argument '{name}' in Const, Dup or Active; it is {describe(ty)}")
        value = ty.types[0]
        if kind is Active and mode == "forward":
            raise TypeError(f"{self.name}: forward mode has no Active arguments; give '{name}' its tangent: "
                            "Dup(value, tangent)")
        if kind is Active and not abi.is_float(value):
            raise TypeError(f"{self.name}: only a float can be Active, and '{name}' is {describe(value)}; "
                            "use Dup(value, shadow) for an array of floats, Const for what has no derivative")
        if kind is Dup:
            if mode == "reverse" and any(abi.is_float(leaf) for _, leaf in abi.leaves(value)):
                raise TypeError(f"{self.name}: a float has no shadow in reverse mode: '{name}' must be Active, and "
                                "not in a tuple")
            match(self.name, f"the shadow of argument '{name}'", value, ty.types[1])

    def _check_shadow(self, call: Inputs, mode: str, position: int, shadow: types.Type) -> list[abi.Path]:
        """Lines that compare a shadow with its arrays; the paths of the arrays."""
        arrays = []
        for path, leaf in abi.leaves(call.types[position]):
            given = at(shadow, path)
            name = f"the shadow of {call.title(position, path)}"
            if isinstance(given, types.NoneType):
                if abi.is_float_array(leaf):
                    raise TypeError(f"{self.name}: {name} is None; wrap the argument in Const, or give an array")
                continue
            if not abi.is_float_array(leaf):
                continue
            if given.layout != leaf.layout or given.aligned != leaf.aligned:
                raise ValueError(f"{self.name}: {name} has memory layout {given.layout}, the argument {leaf.layout}; "
                                 "both must be the same")
            if not given.mutable and (mode == "reverse" or position in call.written):
                raise ValueError(f"{self.name}: {name} is read-only and would be written")
            call.body.refuse(f"not congruent(a{position}{indices(path)}, s{position}{indices(path)}, "
                             f"{leaf.layout == 'A'})", ValueError,
                             f"{self.name}: {name} has another shape than the argument, or other strides")
            arrays.append(path)
        return arrays

    def _scratch(self, call: Inputs, position: int, path: abi.Path, leaf: types.Type) -> str:
        """The shadow of an array for which the caller gave none."""
        if not abi.is_float_array(leaf) or position not in call.shadowed:
            return "None"
        if leaf.layout == "A":
            raise Unsupported(f"{self.name}: derivatives are written into the argument '{call.names[position]}', and "
                              "its memory is not contiguous; give it a shadow with equal strides: Dup(value, shadow)")
        name = variable("s", position, path)
        call.body.line(f"{name} = zeros(a{position}{indices(path)})")
        return name
