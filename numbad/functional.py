"""The functional layer: plans of `grad`, `value_and_grad`, `jvp` and `vjp`.

Given   the types of the arguments.
Gives   the implementation for them: it copies what the primal writes and what is not contiguous, makes shadows, calls
        the derivative, and packs its results. The caller's arrays stay as they were.
Unsure  refuses: a `TypeError` or `ValueError` names the argument, before the derivative is made wherever types tell.

The written functions read like this, for `grad` of `f(x, w)` that writes `w`:

    a0 = arguments[1]
    a1 = arguments[2]
    if overlap(a0, a1):
        raise ValueError("grad(f): argument 'x' and argument 'w' overlap, and argument 'w' is written: ...")
    p1 = duplicate(a1, a1)
    s0 = zeros(a0)
    s1 = zeros(p1)
    code, excinfo, mismatch, out, adjoints = reverse(callee, (None, a0, p1), (s0, s1), 1.0)
    ...
    return s0
"""

from __future__ import annotations

import inspect
from types import FunctionType

from numba.core import types

from numbad import abi
from numbad.checks import check_result, describe, match
from numbad.implementation import CopiedInputs, contiguous
from numbad.plan import Asked, Plan, Types


class Gradient(Plan):
    """`grad` and `value_and_grad`: options are the positions, whether they were given as a tuple, whether the value is
    wanted too."""

    def __init__(self, primal, positions: tuple[int, ...], as_tuple: bool, with_value: bool):
        super().__init__(primal, positions, as_tuple, with_value)
        self.positions, self.as_tuple, self.with_value = positions, as_tuple, with_value
        self.kind = "value_and_grad" if with_value else "grad"

    def finish(self, wrapper: FunctionType) -> None:
        wrapper.__defaults__ = self.primal.py_func.__defaults__
        names = ", ".join(f"`{self.argument_names[position]}`" for position in self.positions)
        what = "The value and the gradient" if self.with_value else "The gradient"
        wrapper.__doc__ = f"{what} of `{self.primal.py_func.__name__}` with respect to {names}." + _original(self)

    def asked(self, arguments: tuple) -> Asked:
        return Asked(self.primal, arguments, self.positions, None, "rev")

    def primal_types(self, argument_types: Types) -> Types:
        return contiguous(argument_types)

    def write(self, argument_types: Types) -> FunctionType:
        access = [f"arguments[{index}]" for index in range(1, 1 + len(argument_types))]
        call = CopiedInputs(self, argument_types, self.positions, access)
        result = call.result
        if not abi.is_float(result):
            advice = ("it returns None: use vjp(f, outputs=...) for results that are arguments"
                      if isinstance(result, types.NoneType) else f"it returns {describe(result)}: use vjp or jvp")
            raise TypeError(f"{self.name}: only a function that returns one float has a gradient, and {advice}")
        call.differentiate("reverse")
        call.prepare()
        call.make_shadows()
        call.reverse("1.0")
        gradients = [call.gradient(position) for position in self.positions]
        gradient = f"({', '.join(gradients)},)" if self.as_tuple else gradients[0]
        call.body.line(f"return out, {gradient}" if self.with_value else f"return {gradient}")
        return call.function()


class _Product(Plan):
    """What `jvp` and `vjp` have in common: the primal's arguments come as one tuple, its results may be arguments."""

    second: str

    def __init__(self, primal, *options):
        super().__init__(primal, *options)
        self.outputs: tuple[int, ...] | None = options[0]

    @property
    def signature(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(name, kind) for name in ("primals", self.second)])

    def primal_types(self, argument_types: Types) -> Types:
        return contiguous(self.entries("primals", argument_types[0]))

    def entries(self, what: str, given: types.Type) -> Types:
        """The types of the entries of a tuple that has one for each argument."""
        names = self.argument_names
        if not isinstance(given, types.BaseTuple):
            raise TypeError(f"{self.name}: {what} must be a tuple with one entry for each argument "
                            f"({', '.join(names)}), not {describe(given)}")
        if len(given) != len(names):
            raise TypeError(f"{self.name}: {what} has {len(given)} entries, but there are {len(names)} arguments "
                            f"({', '.join(names)})")
        return tuple(given.types)

    def check_outputs(self, primals: Types, result: types.Type) -> None:
        """Results that are arguments are arrays of floats, of a function that returns None."""
        if self.outputs is None:
            check_result(self.name, result)
            return
        if not isinstance(result, types.NoneType):
            raise TypeError(f"{self.name}: outputs= is for functions that return None, and this one returns "
                            f"{describe(result)}")
        for position in self.outputs:
            if not abi.is_float_array(primals[position]):
                raise TypeError(f"{self.name}: the output '{self.argument_names[position]}' must be an array of "
                                f"floats, and it is {describe(primals[position])}")


class ForwardProduct(_Product):
    """`jvp`; the option is the positions of the outputs, or None for a function that returns its result."""

    kind = "jvp"
    second = "tangents"

    def finish(self, wrapper: FunctionType) -> None:
        wrapper.__doc__ = (f"`(out, tangent)` of `{self.primal.py_func.__name__}`: the directional derivative along "
                           "`tangents`, which has one entry for each argument." + _original(self))

    def asked(self, arguments: tuple) -> Asked:
        primals, tangents = arguments
        perturbed = tuple(k for k, tangent in enumerate(tangents) if tangent is not None)
        return Asked(self.primal, primals, perturbed, self.outputs, "fwd")

    def write(self, argument_types: Types) -> FunctionType:
        primals, tangents = argument_types
        primal_types, tangent_types = self.entries("primals", primals), self.entries("tangents", tangents)
        perturbed = tuple(position for position, ty in enumerate(tangent_types)
                          if any(not isinstance(leaf, types.NoneType) for _, leaf in abi.leaves(ty)))
        for name, primal, tangent in zip(self.argument_names, primal_types, tangent_types, strict=True):
            match(self.name, f"the tangent of argument '{name}'", primal, tangent)
        call = CopiedInputs(self, primal_types, perturbed, _entries("arguments[1]", primals), self.outputs)
        call.what = "tangent"
        self.check_outputs(primal_types, call.result)
        call.differentiate("forward")
        call.prepare()
        for position, ty in enumerate(tangent_types):
            call.make_shadow(position, ty, f"arguments[2][{position}]")
        call.forward()
        if self.outputs is None:
            call.body.line("return out, out_dot")
        else:
            outs = "".join(f"{call.primals[position]}, " for position in self.outputs)
            dots = "".join(f"{call.shadows[position]}, " for position in self.outputs)
            call.body.line(f"return ({outs}), ({dots})")
        return call.function()


class ReverseProduct(_Product):
    """`vjp`; the options are the positions of the outputs and of the differentiated arguments, each may be None."""

    kind = "vjp"
    second = "cotangents"

    def finish(self, wrapper: FunctionType) -> None:
        wrapper.__doc__ = (f"`(out, gradients)` of `{self.primal.py_func.__name__}`: `cotangents`, which look like "
                           "`out`, times the Jacobian; one entry for each argument, None for constants."
                           + _original(self))

    def asked(self, arguments: tuple) -> Asked:
        return Asked(self.primal, arguments[0], self.options[1], self.outputs, "rev")

    def write(self, argument_types: Types) -> FunctionType:
        primals, cotangents = argument_types
        primal_types = self.entries("primals", primals)
        wanted = self.options[1]
        if wanted is None:
            wanted = tuple(position for position, ty in enumerate(primal_types)
                           if abi.has_floats(ty) or any(abi.is_complex(leaf) for _, leaf in abi.leaves(ty)))
            if not wanted:
                raise TypeError(f"{self.name}: no argument is a float or an array of floats")
        call = CopiedInputs(self, primal_types, wanted, _entries("arguments[1]", primals), self.outputs)
        call.what = "cotangent"
        result = call.result
        self.check_outputs(primal_types, result)
        if self.outputs is None:
            match(self.name, "cotangents", result, cotangents)
            call.differentiate("reverse", cotangents)
            call.prepare()
            call.make_shadows()
            call.reverse("arguments[2]", cotangents)
            out = "out"
        else:
            self._match_outputs(call, self.outputs, cotangents)
            call.differentiate("reverse")
            call.prepare()
            for index, position in enumerate(self.outputs):
                call.make_shadow(position, cotangents.types[index], f"arguments[2][{index}]")
            call.make_shadows()
            call.reverse("None")
            out = f"({''.join(f'{call.primals[position]}, ' for position in self.outputs)})"
        gradients = "".join(f"{call.gradient(position)}, " for position in range(len(primal_types)))
        call.body.line(f"return {out}, ({gradients})")
        return call.function()

    def _match_outputs(self, call: CopiedInputs, outputs: tuple[int, ...], cotangents: types.Type) -> None:
        names = ", ".join(call.names[position] for position in outputs)
        if not isinstance(cotangents, types.BaseTuple) or len(cotangents) != len(outputs):
            raise TypeError(f"{self.name}: cotangents must be a tuple with one entry for each output ({names}), not "
                            f"{describe(cotangents)}")
        for position, ty in zip(outputs, cotangents.types, strict=True):
            match(self.name, f"the cotangent of output '{call.names[position]}'", call.given[position], ty)


def _entries(access: str, ty: types.Type) -> list[str]:
    return [f"{access}[{index}]" for index in range(len(ty))]


def _original(plan: Plan) -> str:
    doc = plan.primal.py_func.__doc__
    return f"\n\nThe documentation of `{plan.primal.py_func.__name__}`:\n\n{inspect.cleandoc(doc)}" if doc else ""
