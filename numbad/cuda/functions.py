"""Derivatives of device functions, to be called in kernels: what `grad(f)` and its relatives give for what a GPU runs.

Given   a device function, and what is asked of it.
Gives   a device function of numba-cuda: for the types of a call it is compiled from a few lines of Python, which call
        the derivative's LLVM text as a foreign function (`numbad.cuda.foreign`).
Unsure  refuses, when numba-cuda types the kernel: a `TypeError` or `Unsupported` names the argument.

All of them are forward mode, with a tangent for each number that is differentiated by:

    grad(f)(x, y)                 tangents 1, one a lane                       the tangents
    vjp(f)((x, y), seed)          tangents `seed`, one a lane                  the result and the tangents
    jvp(f)((x, y), (dx, None))    the tangents given, one lane for all         the result and its tangent
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numba.core import types
from numba.core.target_extension import current_target
from numba.cuda.descriptor import cuda_target
from numba.cuda.dispatcher import CUDADispatcher

from numbad import abi
from numbad.api import argument_positions
from numbad.checks import check_active, check_result, describe, match
from numbad.cuda import foreign, numba_cuda
from numbad.cuda.derive import derive_function
from numbad.errors import Unsupported, located
from numbad.functional import ForwardProduct, Gradient, ReverseProduct
from numbad.plan import Plan, Types, given
from numbad.source import define, parameter_text

_DERIVATIVES = "__numbad_device_derivatives__"


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


class DeviceDerivative(CUDADispatcher):
    """A device function that computes a derivative."""

    def __init__(self, primal: CUDADispatcher, asked: Asked):
        self.primal, self.asked = primal, asked
        self._variants: dict[Types, CUDADispatcher] = {}
        name = f"{asked.kind}_{primal.py_func.__name__}"
        second = {"jvp": "primals, tangents", "vjp": "primals, cotangents"}
        parameters = second.get(asked.kind) or parameter_text(inspect.signature(primal.py_func))
        function = define(name if name.isidentifier() else asked.kind, parameters, ["pass"], {})
        function.__doc__ = primal.py_func.__doc__
        if not asked.takes_tuples:
            function.__defaults__ = primal.py_func.__defaults__
        super().__init__(function, targetoptions={"device": True, "debug": False, "opt": True})

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

    # What numba-cuda asks of a device function when it types a call and when it lowers it.

    def get_call_template(self, args, kws):
        if current_target() != "cuda":
            raise self.misplaced
        parameters, folded = self.fold_argument_types(args, kws)
        template, _, folded, kws = self.variant(tuple(folded)).get_call_template(folded, {})
        return template, parameters, folded, kws            # a variant has no defaults

    def get_overload(self, sig):
        return self.variant(tuple(sig)).get_overload(sig)

    def variant(self, argtypes: Types) -> CUDADispatcher:
        """The function for these types, by itself: another one has other lines."""
        if argtypes not in self._variants:
            try:
                function = _Call(self, given(argtypes)).function()
            except Unsupported as refusal:
                raise located(refusal, self.primal.py_func) from refusal.__cause__
            self._variants[argtypes] = CUDADispatcher(function, dict(self.targetoptions))
        return self._variants[argtypes]

    def function_for(self, argtypes: Types) -> Any:
        """The Python function that is compiled for these types."""
        return self.variant(argtypes).py_func


class _Call:
    """The lines for one list of types."""

    def __init__(self, derivative: DeviceDerivative, argtypes: Types):
        self.name, self.asked = derivative.name, derivative.asked
        self.primal, self.own = derivative.primal, derivative
        self.names = tuple(inspect.signature(self.primal.py_func).parameters)
        self.second: tuple[types.Type, ...] | types.Type = types.none
        if self.asked.takes_tuples:
            what = "tangents" if self.asked.kind == "jvp" else "cotangents"
            self.args = self.entries("primals", argtypes[0])
            self.second = self.entries(what, argtypes[1]) if self.asked.kind == "jvp" else argtypes[1]
            self.access = [f"primals[{k}]" for k in range(len(self.args))]
        else:
            self.args = argtypes
            self.access = list(inspect.signature(derivative.py_func).parameters)
        self.args = numba_cuda.called_types(self.primal, self.args)
        self.positions = self.differentiated()

    def entries(self, what: str, ty: types.Type) -> Types:
        listed = ", ".join(self.names)
        if not isinstance(ty, types.BaseTuple) or len(ty) != len(self.names):
            raise TypeError(f"{self.name}: {what} must be a tuple with one entry for each argument ({listed}), not "
                            f"{describe(ty)}")
        return tuple(ty.types)

    def differentiated(self) -> tuple[int, ...]:
        """The positions of the arguments that have tangents."""
        if self.asked.kind == "jvp":
            assert isinstance(self.second, tuple)
            for name, primal, tangent in zip(self.names, self.args, self.second, strict=True):
                match(self.name, f"the tangent of argument '{name}'", primal, tangent)
            found = tuple(k for k, ty in enumerate(self.second) if not isinstance(ty, types.NoneType))
        elif self.asked.positions is None:
            found = tuple(k for k, ty in enumerate(self.args) if abi.has_floats(ty))
        else:
            found = self.asked.positions
        if not found and self.asked.kind == "vjp":
            raise TypeError(f"{self.name}: no argument is a float")
        for k in found:
            check_active(self.name, self.names[k], self.args[k])
            if not abi.is_float(self.args[k]):
                raise Unsupported(f"{self.name}: the argument '{self.names[k]}' is {describe(self.args[k])}, and "
                                  "inside a kernel derivatives are taken by single numbers; pass numbers, or name "
                                  "those by argnums= and leave the rest constant. numbad.cuda.vjp differentiates "
                                  "kernels by arrays")
        return found

    def check(self, result: types.Type) -> None:
        if self.asked.kind == "jvp":
            check_result(self.name, result)
            for _, leaf in abi.leaves(result):
                if not abi.is_float(leaf):
                    raise Unsupported(f"{self.name}: a result that holds {describe(leaf)}; return floats")
        elif not abi.is_float(result):
            raise TypeError(f"{self.name}: inside a kernel only a function that returns one float has a gradient, and "
                            f"it returns {describe(result)}" + (": use jvp" if abi.has_floats(result) else ""))
        elif self.asked.kind == "vjp":
            assert isinstance(self.second, types.Type)
            match(self.name, "cotangents", result, self.second)

    def function(self) -> Any:
        lowered = numba_cuda.lower(self.primal, self.args, device=True)
        result = lowered.result
        self.check(result)
        is_jvp, is_vjp = self.asked.kind == "jvp", self.asked.kind == "vjp"
        seeds = is_vjp and not isinstance(self.second, types.NoneType)
        active = [self.args[k] for k in self.positions]
        lanes: list[dict[int, float | int]]
        if is_jvp:
            lanes = [{k: number for number, k in enumerate(self.positions)}]
            extra = tuple(active)
        else:
            one = 0.0 if is_vjp else 1.0
            lanes = [{k: 0.0 if k != lane else number if seeds else one for k in self.positions}
                     for number, lane in enumerate(self.positions)]
            extra = tuple(active) if seeds else ()
        wanted = [leaf for _, leaf in abi.leaves(result)] if is_jvp else active
        callee = derive_function(lowered, self.asked.kind, lanes, extra, tuple(wanted))
        tangents = [f"tangents[{k}]" for k in self.positions] if is_jvp else ["cotangents"] * len(extra)
        lines = [f"found = __numbad_callee({', '.join([*self.access, *tangents])})", f"return {self.returned(result)}"]
        return define(self.own.py_func.__name__, parameter_text(inspect.signature(self.own.py_func)), lines,
                      {"__numbad_callee": foreign.declare(callee, lowered)})

    def returned(self, result: types.Type) -> str:
        """An expression for what the caller gets: `found` holds the numbers of the result, then those of each lane."""
        numbers = [f"found[{k}]" for k in range(1 + len(self.positions))]
        if self.asked.kind == "jvp":
            count = sum(1 for _ in abi.leaves(result))
            value = _tree(result, iter(range(count)))
            return f"({value}, {_tree(result, iter(range(count, 2 * count)))})"
        value, gradients = numbers[0], numbers[1:]
        if self.asked.kind == "vjp":
            by = dict(zip(self.positions, gradients, strict=True))
            return f"({value}, ({''.join(f'{by.get(k)}, ' for k in range(len(self.args)))}))"
        gradient = f"({''.join(f'{one}, ' for one in gradients)})" if self.asked.as_tuple else gradients[0]
        return gradient if self.asked.kind == "grad" else f"({value}, {gradient})"


def _tree(ty: types.Type, numbers: Any) -> str:
    if isinstance(ty, types.BaseTuple):
        return f"({''.join(f'{_tree(element, numbers)}, ' for element in ty.types)})"
    return f"found[{next(numbers)}]"


def device_derivative(primal: CUDADispatcher, asked: Asked) -> DeviceDerivative:
    """The derivative of a device function; always the same one for what is asked."""
    owner, known = primal.__dict__.get(_DERIVATIVES, (None, {}))
    if owner is not primal:             # functools.wraps copies attributes from one function to another
        known = {}
        primal.__dict__[_DERIVATIVES] = primal, known
    if asked not in known:
        known[asked] = DeviceDerivative(primal, asked)
    return known[asked]


def gradient(primal: CUDADispatcher, argnums: Any, kind: str) -> DeviceDerivative:
    _check_device(primal, kind)
    positions = argument_positions(f"{kind}({primal.py_func.__name__})", "argnums", primal, argnums)
    return device_derivative(primal, Asked(kind, positions, isinstance(argnums, tuple)))


def product(primal: CUDADispatcher, kind: str, outputs: Sequence | None, argnums: Any = None) -> DeviceDerivative:
    _check_device(primal, kind)
    what = f"{kind}({primal.py_func.__name__})"
    if outputs is not None:
        raise located(Unsupported(f"{what}: outputs= inside a kernel; let the function return what is to be "
                                  "differentiated"), primal.py_func)
    positions = None if argnums is None else argument_positions(what, "argnums", primal, argnums)
    return device_derivative(primal, Asked(kind, positions))


def of_plan(plan: Plan) -> DeviceDerivative:
    """The same derivative for kernels of a function that Numba compiles for the host."""
    primal = cuda_target.typing_context.resolve_value_type(plan.primal).dispatcher
    if isinstance(plan, Gradient):
        return device_derivative(primal, Asked(plan.kind, plan.positions, plan.as_tuple))
    if isinstance(plan, (ForwardProduct, ReverseProduct)) and plan.outputs is None:
        return device_derivative(primal, Asked(plan.kind, plan.options[1] if len(plan.options) > 1 else None))
    raise located(Unsupported(f"{plan.name} inside a kernel"), plan.root.py_func)


def _check_device(primal: CUDADispatcher, kind: str) -> None:
    if not primal.targetoptions.get("device"):
        raise TypeError(f"{kind}({primal.py_func.__name__}): the function is a kernel, and only a function returns "
                        "something to differentiate: use numbad.cuda.jvp or numbad.cuda.vjp, or compile it by "
                        "@cuda.jit(device=True)")
