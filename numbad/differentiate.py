"""`differentiate`: a Numba dispatcher that carries its derivatives as attributes.

Given   a Python function or a dispatcher, with the options of `numba.njit`.
Gives   a dispatcher that runs the primal when called, with `.grad`, `.value_and_grad`, `.jvp`, `.vjp` and
        `.report()`.
Unsure  about an option: it is Numba's, and Numba refuses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar
from weakref import WeakSet

from numba.core import config, sigutils
from numba.core.dispatcher import Dispatcher
from numba.core.registry import CPUDispatcher

from numbad import abi
from numbad.api import Argnums, grad, jvp, value_and_grad, vjp
from numbad.cuda import DifferentiableKernel, is_for_gpu
from numbad.derive import report
from numbad.errors import Unsupported, located
from numbad.wrapper import dispatcher_of


class DifferentiableDispatcher(CPUDispatcher):
    """A function compiled by Numba, and its derivatives."""

    instances: ClassVar[WeakSet] = WeakSet()

    def __init__(self, py_func, locals=None, targetoptions=None, argnums: Argnums = 0):
        super().__init__(py_func, locals or {}, targetoptions or {})
        self.argnums = argnums
        self.instances.add(self)

    @property
    def grad(self) -> Dispatcher:
        """The gradient with respect to `argnums`."""
        return grad(self, self.argnums)

    @property
    def value_and_grad(self) -> Dispatcher:
        """The value and the gradient with respect to `argnums`."""
        return value_and_grad(self, self.argnums)

    @property
    def jvp(self) -> Dispatcher:
        """`(primals, tangents) -> (out, tangent)`"""
        return jvp(self)

    @property
    def vjp(self) -> Dispatcher:
        """`(primals, cotangents) -> (out, gradients)`"""
        return vjp(self)

    def report(self) -> str:
        """What the derivatives that were compiled in this process do, in words.

        For each of them the argument types, what it differentiates by, and the plan of its reverse sweep: what is kept
        on the tape, in which loop, how many bytes, for which reason; what is computed again; which iterations are run
        again when the tape is long. Values have the names of Numba's LLVM code, which begin with those of variables.
        """
        return report(self)

    def _compile_for_args(self, *args, **kws):
        # What Numba calls next: with NUMBA_DISABLE_JIT the Python function, as for `@njit`.
        return self.py_func if config.DISABLE_JIT else super()._compile_for_args(*args, **kws)

    def _reduce_states(self):
        return {**super()._reduce_states(), "argnums": self.argnums}

    @classmethod
    def _rebuild(cls, argnums, **states):
        self = super()._rebuild(**states)
        self.argnums = argnums
        return self


def differentiate(function_or_signature=None, *, argnums: Argnums = 0, cache: bool = False, **options):
    """Compile a function with Numba and give it `.grad`, `.value_and_grad`, `.jvp`, `.vjp` and `.report()`.

    Used as `@differentiate`, `@differentiate("float64(float64)")`, `@differentiate(fastmath=True)`, or on a function
    that `@njit` compiled before, which keeps its options; on a kernel of `cuda.jit` it gives `.jvp` and `.vjp`, which
    are launched as the kernel is (`numbad.cuda`). A signature compiles the function and, if it returns one
    float, its gradient at once. `argnums` is what `.grad` differentiates by; `options` and `cache` are those of
    `numba.njit`.

    With `cache=True` the derivatives are kept on disk too, where Numba keeps the function, as are those of every
    function that `njit(cache=True)` compiled. `.stats` of a derivative counts hits and misses. It is compiled anew
    when anything changed that it depends on: the function, what it calls in any file, a global, an option, numbad.
    Not kept, silently, is what another process could not recognise: arguments that are functions, named tuples and
    exceptions defined in the main program. With a warning: what holds an address, such as large global arrays.

    >>> @differentiate
    ... def cube(x):
    ...     return x ** 3
    >>> cube(2.0), cube.grad(2.0)
    (8.0, 12.0)
    """
    is_signature = isinstance(function_or_signature, (list, tuple, str)) or sigutils.is_signature(function_or_signature)
    if is_for_gpu(function_or_signature):
        if options or cache or argnums != 0:
            raise TypeError("differentiate: options of a kernel are given to cuda.jit")
        return DifferentiableKernel(function_or_signature)
    if function_or_signature is not None and not is_signature:
        return _differentiable(function_or_signature, (), argnums, cache, options)
    signatures = function_or_signature if isinstance(function_or_signature, list) else [function_or_signature]
    signatures = [signature for signature in signatures if signature is not None]
    return lambda function: _differentiable(function, signatures, argnums, cache, options)


def _differentiable(function: Callable, signatures, argnums: Argnums, cache: bool, options) -> DifferentiableDispatcher:
    inner = dispatcher_of(function, "differentiate")
    if options.get("parallel"):
        raise located(Unsupported("differentiate: parallel=True has no derivative yet; compile without it"),
                      inner.py_func)
    options = {"nopython": True, **inner.targetoptions, **options}
    local_types = {**inner.locals, **options.pop("locals", {})}
    dispatcher = DifferentiableDispatcher(inner.py_func, local_types, options, argnums)
    if cache or inner.stats.cache_path is not None:
        dispatcher.enable_caching()
    if config.DISABLE_JIT:
        return dispatcher
    for signature in signatures:
        dispatcher.compile(signature)
        arguments, _ = sigutils.normalize_signature(signature)
        if abi.is_float(dispatcher.overloads[tuple(arguments)].signature.return_type):
            dispatcher.grad.compile(tuple(arguments))
    if signatures:
        dispatcher.disable_compile()
    return dispatcher
