"""The public functions inside `@njit` and `@cuda.jit`: `nd.grad(f)(x)`, `nd.jvp(f)(...)`, `f.grad(x)` and so on.

Given   the Numba types of the operands of such a call.
Gives   the dispatcher that the same call gives in Python: it is found when Numba types the caller, and then is a
        constant of the compiled code.
Unsure  (an option that is no constant, a function that Numba does not know) raises `TypeError`.

A function that closes over a variable of its compiled caller never gets here: Numba itself refuses it.
"""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.core.dispatcher import Dispatcher
from numba.core.imputils import lower_getattr_generic
from numba.core.target_extension import current_target
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import overload

from numbad.api import grad, jvp, value_and_grad, vjp
from numbad.cuda import is_for_gpu
from numbad.differentiate import DifferentiableDispatcher
from numbad.inplace import autodiff

ATTRIBUTES = ("grad", "value_and_grad", "jvp", "vjp")


@overload(grad, prefer_literal=True)
def _grad(f, argnums=0):
    derivative = grad(_function("grad", f), _constant("grad", "argnums", argnums))

    def implementation(f, argnums=0):
        return derivative
    return implementation


@overload(value_and_grad, prefer_literal=True)
def _value_and_grad(f, argnums=0):
    derivative = value_and_grad(_function("value_and_grad", f), _constant("value_and_grad", "argnums", argnums))

    def implementation(f, argnums=0):
        return derivative
    return implementation


@overload(jvp, prefer_literal=True)
def _jvp(f, primals=None, tangents=None, outputs=None):
    derivative = jvp(_function("jvp", f), outputs=_constant("jvp", "outputs", outputs))
    if _is_absent(primals) and _is_absent(tangents):
        def implementation(f, primals=None, tangents=None, outputs=None):
            return derivative
    else:
        def implementation(f, primals=None, tangents=None, outputs=None):
            return derivative(primals, tangents)
    return implementation


@overload(vjp, prefer_literal=True)
def _vjp(f, argnums=None, outputs=None):
    derivative = vjp(_function("vjp", f), argnums=_constant("vjp", "argnums", argnums),
                     outputs=_constant("vjp", "outputs", outputs))

    def implementation(f, argnums=None, outputs=None):
        return derivative
    return implementation


@overload(autodiff, prefer_literal=True)
def _autodiff(f, mode):
    derivative = autodiff(_function("autodiff", f), _constant("autodiff", "mode", mode))

    def implementation(f, mode):
        return derivative
    return implementation


@infer_getattr
class _DifferentiableAttributes(AttributeTemplate):
    key = types.Dispatcher

    def generic_resolve(self, ty, attribute):
        if attribute in ATTRIBUTES:
            owner = _differentiable(ty.dispatcher)
            if owner is not None:
                return self.context.resolve_value_type(getattr(owner, attribute))


@lower_getattr_generic(types.Dispatcher)
def _lower_attribute(context, builder, ty, value, attribute):
    return context.get_dummy_value()


def _differentiable(dispatcher: Dispatcher) -> DifferentiableDispatcher | None:
    """The differentiable dispatcher that a dispatcher is, or stands for while its caller is differentiated."""
    if isinstance(dispatcher, DifferentiableDispatcher):
        return dispatcher
    from numbad.target import Twin, twin
    if isinstance(dispatcher, Twin):
        for candidate in DifferentiableDispatcher.instances:
            if candidate.py_func is dispatcher.py_func and twin(candidate) is dispatcher:
                return candidate
    return None


def _function(kind: str, ty: types.Type) -> Dispatcher:
    if isinstance(ty, types.Dispatcher):
        if is_for_gpu(ty.dispatcher) and current_target() != "cuda":
            raise TypeError(f"{kind}({ty.dispatcher.py_func.__name__}) in code for the host: the function is compiled "
                            "by numba.cuda.jit; call it in a kernel, or compile it by numba.njit")
        return ty.dispatcher
    raise TypeError(f"{kind} inside compiled code needs a function compiled by numba.njit, not {ty}; if the function "
                    "uses a variable of its caller, pass that as an argument")


def _constant(kind: str, option: str, ty: Any):
    """The value of an option, which Numba knows if it is written as a constant."""
    if isinstance(ty, types.Omitted):
        return ty.value
    if isinstance(ty, types.Literal):
        return ty.literal_value
    if isinstance(ty, types.BaseTuple):
        return tuple(_constant(kind, option, element) for element in ty.types)
    if isinstance(ty, types.NoneType):
        return None
    if isinstance(ty, types.Type):
        raise TypeError(f"{kind} inside compiled code: {option} must be written as a constant, and it is {ty}")
    return ty


def _is_absent(ty: Any) -> bool:
    return ty is None or isinstance(ty, (types.Omitted, types.NoneType))
