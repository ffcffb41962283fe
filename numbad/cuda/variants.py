"""What a derivative in a kernel is compiled from, once types are known: two lines of Python around a foreign function.

    found = callee(x, y)                        the result's numbers, then those of its tangents, lane by lane
    return (found[1], found[2])

Given   a device function, what is asked of it, and the types of the call.
Gives   the Python function with these lines.
Unsure  refuses: a `TypeError` or `Unsupported` names the argument.

A *place* is a number among the arguments: the position of the argument and the indices that lead to it in tuples.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from numba.core import types

from numbad import abi
from numbad.checks import check_active, check_result, describe, match
from numbad.cuda import numba_cuda
from numbad.cuda.derive import Lane, derive_function
from numbad.errors import Unsupported
from numbad.implementation import at, indices
from numbad.plan import Types
from numbad.source import define, parameter_text


@dataclass(frozen=True)
class Asked:
    """
    kind        "grad", "value_and_grad", "jvp" or "vjp"
    positions   arguments that are differentiated by; None for all that can be
    as_tuple    whether they were given as a tuple
    """

    kind: str
    positions: tuple[int, ...] | None = None
    as_tuple: bool = False

    @property
    def takes_tuples(self) -> bool:
        return self.kind in ("jvp", "vjp")


class Variant:
    """The lines for one list of types. `signature` is the derivative's."""

    def __init__(self, primal: Any, asked: Asked, signature: inspect.Signature, argtypes: Types):
        self.primal, self.asked, self.signature = primal, asked, signature
        self.name = f"{asked.kind}({primal.py_func.__name__})"
        self.names = tuple(inspect.signature(primal.py_func).parameters)
        self.access = list(signature.parameters)
        self.tangents: Types = ()
        self.cotangent: types.Type = types.none
        if asked.takes_tuples:
            self.access = [f"primals[{k}]" for k in range(len(self.names))]
            given, second = argtypes
            argtypes = self.entries("primals", given)
            if asked.kind == "jvp":
                self.tangents = self.entries("tangents", second)
            else:
                self.cotangent = second
        self.args = numba_cuda.called_types(primal, argtypes)
        self.positions = self.differentiated()
        self.places = [((k, path), ty) for k in self.positions for path, ty in abi.leaves(self.args[k])
                       if abi.is_float(ty)]

    def entries(self, what: str, ty: types.Type) -> Types:
        if not isinstance(ty, types.BaseTuple) or len(ty) != len(self.names):
            raise TypeError(f"{self.name}: {what} must be a tuple with one entry for each argument "
                            f"({', '.join(self.names)}), not {describe(ty)}")
        return tuple(ty.types)

    # --- checks ---

    def differentiated(self) -> tuple[int, ...]:
        """The positions of the arguments that have tangents."""
        if self.asked.kind == "jvp":
            for name, primal, tangent in zip(self.names, self.args, self.tangents, strict=True):
                match(self.name, f"the tangent of argument '{name}'", primal, tangent)
            found = tuple(k for k, ty in enumerate(self.tangents) if _is_given(ty))
        elif self.asked.positions is None:
            found = tuple(k for k, ty in enumerate(self.args) if abi.has_floats(ty))
            if not found:
                raise TypeError(f"{self.name}: no argument is a float")
        else:
            found = self.asked.positions
        for k in found:
            check_active(self.name, self.names[k], self.args[k])
            for _, leaf in abi.leaves(self.args[k]):
                if abi.is_float_array(leaf):
                    raise Unsupported(f"{self.name}: the argument '{self.names[k]}' is or holds {describe(leaf)}, and "
                                      "inside a kernel derivatives are taken by single numbers; pass numbers, or name "
                                      "those by argnums= and leave the rest constant. numbad.cuda.vjp differentiates "
                                      "kernels by arrays")
        return found

    def check_result(self, result: types.Type) -> None:
        if self.asked.kind == "jvp":
            check_result(self.name, result)
            for _, leaf in abi.leaves(result):
                if not abi.is_float(leaf):
                    raise Unsupported(f"{self.name}: a result that holds {describe(leaf)}; return floats")
        elif not abi.is_float(result):
            raise TypeError(f"{self.name}: inside a kernel only a function that returns one float has a gradient, and "
                            f"it returns {describe(result)}" + (": use jvp" if abi.has_floats(result) else ""))
        else:
            match(self.name, "cotangents", result, self.cotangent)

    # --- lines ---

    def function(self, name: str) -> FunctionType:
        lowered = numba_cuda.lower(self.primal, self.args, device=True)
        self.check_result(lowered.result)
        lanes, extra, given = self.lanes()
        wanted = [leaf for _, leaf in abi.leaves(lowered.result)] if self.asked.kind == "jvp" else \
            [ty for _, ty in self.places]
        callee = derive_function(lowered, self.asked.kind, lanes, tuple(extra), tuple(wanted))
        lines = [f"found = __numbad_callee({', '.join([*self.access, *given])})",
                 f"return {self.returned(lowered.result)}"]
        return define(name, parameter_text(self.signature), lines,
                      {"__numbad_callee": numba_cuda.declare(callee, lowered)})

    def lanes(self) -> tuple[list[Lane], list[types.Type], list[str]]:
        """The lanes; types and expressions of the tangents in them that are given at run time."""
        if self.asked.kind == "jvp":
            moved = [((k, path), ty) for (k, path), ty in self.places if _is_given(at(self.tangents[k], path))]
            number = {place: n for n, (place, _) in enumerate(moved)}
            lane: Lane = {place: number.get(place, 0.0) for place, _ in self.places}
            return [lane], [ty for _, ty in moved], [f"tangents[{k}]{indices(path)}" for (k, path), _ in moved]
        if self.asked.kind == "vjp" and _is_given(self.cotangent):
            return (self.units(lambda lane: lane), [ty for _, ty in self.places], ["cotangents"] * len(self.places))
        return self.units(lambda lane: 0.0 if self.asked.kind == "vjp" else 1.0), [], []

    def units(self, tangent: Callable[[int], float | int]) -> list[Lane]:
        """A lane for each place, in which only that has a tangent."""
        return [{place: tangent(lane) if place == own else 0.0 for place, _ in self.places}
                for lane, (own, _) in enumerate(self.places)]

    def returned(self, result: types.Type) -> str:
        """An expression for what the caller gets."""
        values = sum(1 for _ in abi.leaves(result))
        value = _tree(result, iter(range(values)))
        if self.asked.kind == "jvp":
            return f"({value}, {_tree(result, iter(range(values, 2 * values)))})"
        numbers = iter(range(1, 1 + len(self.places)))
        gradients = {k: _tree(self.args[k], numbers) for k in self.positions}
        if self.asked.kind == "vjp":
            return f"({value}, ({''.join(f'{gradients.get(k)}, ' for k in range(len(self.args)))}))"
        gradient = f"({''.join(f'{one}, ' for one in gradients.values())})" if self.asked.as_tuple else \
            gradients[self.positions[0]]
        return gradient if self.asked.kind == "grad" else f"({value}, {gradient})"


def _tree(ty: types.Type, numbers: Iterator[int]) -> str:
    """A tuple like `ty`, with numbers of `found` for its floats and None for the rest."""
    if isinstance(ty, types.BaseTuple):
        return f"({''.join(f'{_tree(element, numbers)}, ' for element in ty.types)})"
    return f"found[{next(numbers)}]" if abi.is_float(ty) else "None"


def _is_given(ty: types.Type) -> bool:
    """Something in a tangent is not None."""
    return any(not isinstance(leaf, types.NoneType) for _, leaf in abi.leaves(ty))
