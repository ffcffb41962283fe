"""The dispatchers that numbad returns: ordinary Numba dispatchers around a derivative.

Given   a `numbad.plan.Plan`: what is computed from the arguments, once their types are known.
Gives   a dispatcher with the parameters that the plan names. Its Python function is one line, `apply(plan, arguments)`,
        and `apply` is overloaded: when types are known the plan writes the implementation for them. (`arguments` begins
        with None, since Numba warns of any tuple that begins with a function.) So it can be called
        from Python and from compiled code, and can be differentiated again like any other Numba function.
Unsure  the plan's errors reach the caller from Python unchanged: the plan is asked before Numba types the wrapper.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType
from uuid import uuid4

from numba.core import config, sigutils
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher, _FunctionCompiler
from numba.core.errors import NumbaExperimentalFeatureWarning, NumbaWarning
from numba.core.registry import CPUDispatcher
from numba.core.typing.typeof import typeof_impl
from numba.extending import overload

from numbad import target
from numbad.caching import DerivativeCache
from numbad.errors import EngineError, Unsupported, located
from numbad.link import Static, StaticType
from numbad.passes.watch import is_on
from numbad.plan import Plan, Types, given
from numbad.source import body_of, define, parameter_text

_checking: ContextVar[bool] = ContextVar("numbad is checking a derivative", default=False)
_DERIVATIVES = "__numbad_derivatives__"
_DISPATCHER = "__numbad_dispatcher__"


def apply(plan: Plan, arguments: tuple):
    """What `plan` computes from `arguments`; exists in compiled code only."""
    raise EngineError(f"{plan.name} runs as compiled code only")


@overload(apply, inline="always")
def _apply(plan, arguments):
    if isinstance(plan, StaticType) and isinstance(plan.static.value, Plan):
        return plan.static.value.implementation(given(arguments.types[1:]))


class _StaticPlan(Static):
    """A plan in compiled code. Numba names the implementations after its type, and when cached code is loaded the first
    of two functions of one name wins; so the label must differ from those of other processes too."""

    def __init__(self, plan: Plan):
        super().__init__(plan)
        self.label = f"{plan.name} {uuid4().hex}"


@typeof_impl.register(_StaticPlan)
def _typeof_plan(static, context):
    return StaticType(static, static.label)


class _PlanCompiler(_FunctionCompiler):
    """Compiles what a plan writes for the types of a call, with the parameters of the wrapper, as one function: by way
    of the wrapper's one line and `apply` Numba would compile it twice.

    The name of the function ends up in a symbol. Of two functions with one symbol the first wins where code from disk
    is loaded, so it holds the key of the code, or is drawn at random."""

    def __init__(self, plan: Plan, ordinary: _FunctionCompiler):
        super().__init__(ordinary.py_func, ordinary.targetdescr, ordinary.targetoptions, ordinary.locals,
                         ordinary.pipeline_class)
        self.plan = plan
        self.cache: DerivativeCache | None = None

    def compile(self, args, return_type):
        self.plan.implementation(given(args))  # before Numba types anything, so that its errors stay as they are
        return super().compile(args, return_type)

    def _get_implementation(self, args, kws):
        lines, names = body_of(self.plan.implementation(given(args)))
        # Parameters are passed by position: names of our own cannot meet those in the lines.
        parameters = ", ".join(f"__{index}" for index in range(len(args)))
        first = f"arguments = (None, {parameters + ', ' if parameters else ''})"
        function = define(self.py_func.__name__, parameters, [first, *lines], names)
        key = self.cache.key(args) if self.cache else None
        function.__qualname__ = f"{key or uuid4().hex}.{function.__name__}"
        return function


class DerivativeDispatcher(CPUDispatcher):
    """A Numba dispatcher that computes a derivative."""

    def __init__(self, plan: Plan):
        self.plan = plan
        arguments = "".join(f"{name}, " for name in plan.signature.parameters)
        # Names that a parameter of a user's function will not have.
        names = {"__numbad_apply": apply, "__numbad_plan": _StaticPlan(plan)}
        wrapper = define(_identifier(f"{plan.kind}_{plan.primal.py_func.__name__}"), parameter_text(plan.signature),
                         [f"return __numbad_apply(__numbad_plan, (None, {arguments}))"], names)
        wrapper.__module__ = plan.primal.py_func.__module__
        wrapper.__qualname__ = wrapper.__name__
        plan.finish(wrapper)
        # The other options of the primal are in its code; this one is about who may run beside it.
        options = {"nopython": True, "nogil": plan.primal.targetoptions.get("nogil", False)}
        super().__init__(wrapper, targetoptions=options)
        self._compiler: _PlanCompiler = _PlanCompiler(plan, self._compiler)

    def __reduce__(self):
        return derivative_dispatcher, (type(self.plan), self.plan.primal, *self.plan.options)

    @property
    def _CUDATypingContext__dispatcher(self):
        """What numba-cuda compiles in the place of a dispatcher for CPUs, and keeps under this name."""
        from numbad.cuda.functions import of_plan
        return of_plan(self.plan)

    def _compile_for_args(self, *args, **kws):
        compiled = super()._compile_for_args(*args, **kws)
        if is_on("NUMBAD_CHECK") and not _checking.get():
            from numbad.agreement import check_call  # which is made of derivatives itself
            token = _checking.set(True)
            try:
                call = self.plan.signature.bind(*args, **kws)
                call.apply_defaults()
                check_call(self.plan.asked(call.args))
            finally:
                _checking.reset(token)
        return compiled

    def enable_caching(self) -> None:
        """Keep what is compiled on disk. A derivative of a function that Numba caches does so by itself."""
        self._cache = self._compiler.cache = DerivativeCache(self.plan)

    def _follow_root(self) -> None:
        try:
            self.enable_caching()
        except (OSError, RuntimeError) as error:  # the file of the function or every place to write is gone by now
            warnings.warn(NumbaWarning(f"{self.plan.name} is not kept on disk: {error}"), stacklevel=2)

    def typeof_pyval(self, val):
        with _functions_in_tuples():
            return super().typeof_pyval(val)

    def compile(self, sig):
        if config.DISABLE_JIT:
            raise located(Unsupported(f"{self.plan.name} needs compiled code, and NUMBA_DISABLE_JIT is set: unset it"),
                          self.plan.primal.py_func)
        argument_types, _ = sigutils.normalize_signature(sig)
        with global_compiler_lock, _functions_in_tuples():
            if self._compiler.cache is None and self.plan.root.stats.cache_path is not None:
                self._follow_root()
            entry = super().compile(sig)
            self._bind_environments(argument_types)
            return entry

    def _bind_environments(self, argument_types: Types) -> None:
        """Tell the compiled code where the constants are that it hands to the Python interpreter."""
        codegen = self.targetdescr.target_context.codegen()
        for derivative in self.plan.made(argument_types):
            for symbol in derivative.environments:
                if codegen._engine.get_global_value_address(symbol):  # 0 if the optimiser found no use of it
                    codegen.set_env(symbol, target.environments[symbol])


class _Derivatives(dict):
    """The derivative dispatchers of a primal, kept as an attribute of it."""

    def __init__(self, primal: Dispatcher):
        super().__init__()
        self.primal = primal


def derivative_dispatcher(make: type[Plan], primal: Dispatcher, *options) -> DerivativeDispatcher:
    """The dispatcher for a plan; always the same one for the same primal and options."""
    known = primal.__dict__.get(_DERIVATIVES)
    # functools.wraps copies attributes from one function to another, these too.
    if known is None or known.primal is not primal:
        known = primal.__dict__[_DERIVATIVES] = _Derivatives(primal)
    if (make, options) not in known:
        known[make, options] = DerivativeDispatcher(make(primal, *options))
    return known[make, options]


def dispatcher_of(function: Callable, kind: str) -> Dispatcher:
    """The Numba dispatcher of a function: the function itself, or one made for it, once."""
    if isinstance(function, Dispatcher):
        if function.targetoptions.get("parallel"):
            raise located(Unsupported(
                f"{kind}({function.__name__}): the function is compiled with parallel=True, which has no derivative "
                "yet; compile it without"), function.py_func)
        dispatcher = function
    elif isinstance(function, FunctionType):
        dispatcher = function.__dict__.get(_DISPATCHER)
        # Again, the attribute may have been copied from another function.
        if dispatcher is None or dispatcher.py_func is not function:
            dispatcher = CPUDispatcher(function, targetoptions={"nopython": True})
            function.__dict__[_DISPATCHER] = dispatcher
    else:
        raise TypeError(f"{kind} needs a Python function or a function compiled by numba.njit, not {function!r}")
    if dispatcher._compiler.py_func is not dispatcher.py_func:
        raise located(Unsupported(
            f"{kind}({dispatcher.__name__}): functools.wraps gave the function the attributes of a compiled one, and "
            "Numba takes it for that; leave functools.wraps out, or set only __name__ and __doc__"), dispatcher.py_func)
    for parameter in inspect.signature(dispatcher.py_func).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
            raise located(Unsupported(
                f"{kind}({dispatcher.__name__}): the parameter {parameter} is neither an ordinary nor a positional "
                "one; differentiate a function that lists its parameters"), dispatcher.py_func)
    return dispatcher


@contextmanager
def _functions_in_tuples() -> Iterator[None]:
    """Without Numba's warning about tuples of functions: `jvp` and `vjp` take all arguments in a tuple."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaExperimentalFeatureWarning)
        yield


def _identifier(text: str) -> str:
    return "".join(c if c.isidentifier() or c.isdigit() else "_" for c in text)
