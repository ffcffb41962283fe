"""Derivatives of device functions, to be called in kernels: what `grad(f)` and its relatives give for what a GPU runs.

Given   a device function, and what is asked of it.
Gives   a device function of numba-cuda: for the types of a call it is compiled from a few lines of Python
        (`numbad.cuda.variants`), which call the derivative's LLVM text as a foreign function (`numba_cuda.calls`).
Unsure  refuses, when numba-cuda types the kernel: a `TypeError` or `Unsupported` names the argument.

All of them are forward mode, with a tangent for each number that is differentiated by:

    grad(f)(x, y)                 tangents 1, one a lane                       the tangents
    vjp(f)((x, y), seed)          tangents `seed`, one a lane                  the result and the tangents
    jvp(f)((x, y), (dx, None))    the tangents given, one lane for all         the result and its tangent
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from numbad.api import argument_positions
from numbad.cuda.numba_cuda import TypedFunction, device_function_of
from numbad.cuda.variants import Asked, Variant
from numbad.errors import Unsupported, located
from numbad.functional import ForwardProduct, Gradient, ReverseProduct
from numbad.plan import Plan, Types, given
from numbad.source import define, parameter_text

_DERIVATIVES = "__numbad_device_derivatives__"


class DeviceDerivative(TypedFunction):
    """A device function that computes a derivative."""

    def __init__(self, primal: Any, asked: Asked):
        self.primal, self.asked = primal, asked
        name = f"{asked.kind}_{primal.py_func.__name__}"
        second = {"jvp": "primals, tangents", "vjp": "primals, cotangents"}
        parameters = second.get(asked.kind) or parameter_text(inspect.signature(primal.py_func))
        function = define(name if name.isidentifier() else asked.kind, parameters, ["pass"], {})
        function.__doc__ = primal.py_func.__doc__
        if not asked.takes_tuples:
            function.__defaults__ = primal.py_func.__defaults__
        super().__init__(function)

    @property
    def name(self) -> str:
        return f"{self.asked.kind}({self.primal.py_func.__name__})"

    def __reduce__(self):
        return device_derivative, (self.primal, self.asked)

    @property
    def misplaced(self) -> TypeError:
        return TypeError(f"{self.name} is a device function: call it in a @cuda.jit kernel. For a derivative on the "
                         "host, take that of a Python function or of one compiled by numba.njit")

    def __call__(self, *args: Any, **kws: Any) -> Any:
        raise self.misplaced

    def __getitem__(self, configuration: Any) -> Any:
        raise TypeError(f"{self.name} is a device function and cannot be launched: call it in a @cuda.jit kernel")

    def made(self, argtypes: Types) -> Any:
        try:
            variant = Variant(self.primal, self.asked, inspect.signature(self.py_func), given(argtypes))
            return variant.function(self.py_func.__name__)
        except Unsupported as refusal:
            raise located(refusal, self.primal.py_func) from refusal.__cause__


def device_derivative(primal: Any, asked: Asked) -> DeviceDerivative:
    """The derivative of a device function; always the same one for what is asked."""
    owner, known = primal.__dict__.get(_DERIVATIVES, (None, {}))
    if owner is not primal:             # functools.wraps copies attributes from one function to another
        known = {}
        primal.__dict__[_DERIVATIVES] = primal, known
    if asked not in known:
        known[asked] = DeviceDerivative(primal, asked)
    return known[asked]


def gradient(primal: Any, argnums: Any, kind: str) -> DeviceDerivative:
    _check_device(primal, kind)
    positions = argument_positions(f"{kind}({primal.py_func.__name__})", "argnums", primal, argnums)
    return device_derivative(primal, Asked(kind, positions, isinstance(argnums, tuple)))


def product(primal: Any, kind: str, outputs: Sequence | None, argnums: Any = None) -> DeviceDerivative:
    _check_device(primal, kind)
    what = f"{kind}({primal.py_func.__name__})"
    if outputs is not None:
        raise located(Unsupported(f"{what}: outputs= inside a kernel; let the function return what is to be "
                                  "differentiated"), primal.py_func)
    positions = None if argnums is None else argument_positions(what, "argnums", primal, argnums)
    return device_derivative(primal, Asked(kind, positions))


def of_plan(plan: Plan) -> DeviceDerivative:
    """The same derivative for kernels of a function that Numba compiles for the host."""
    primal = device_function_of(plan.primal)
    if isinstance(plan, Gradient):
        return device_derivative(primal, Asked(plan.kind, plan.positions, plan.as_tuple))
    if isinstance(plan, (ForwardProduct, ReverseProduct)) and plan.outputs is None:
        return device_derivative(primal, Asked(plan.kind, plan.options[1] if len(plan.options) > 1 else None))
    raise located(Unsupported(f"{plan.name} inside a kernel"), plan.root.py_func)


def _check_device(primal: Any, kind: str) -> None:
    if not primal.targetoptions.get("device"):
        raise TypeError(f"{kind}({primal.py_func.__name__}): the function is a kernel, and only a function returns "
                        "something to differentiate: use numbad.cuda.jvp or numbad.cuda.vjp, or compile it by "
                        "@cuda.jit(device=True)")
