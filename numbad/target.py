"""A Numba target of our own, whose libraries are linked but neither optimised nor compiled to machine code.

Given   a user's dispatcher: the object behind `@njit`, or behind `@vectorize`.
Gives   its *twin*: a dispatcher with the same Python function and options which compiles for this target, so that the
        library of a twin holds the IR of the whole call tree as Numba lowered it. The user's own compiled code is no
        use for that: it is vectorised, unrolled, and rewritten in place by machine code generation.
Unsure  raises `Unsupported`. What Numba itself refuses is raised as Numba raises it.

How a call tree is kept inside the target:

- The target has its own jit decorator, so that `@overload` functions (most of NumPy) are compiled for it too.
- Its typing context gives every dispatcher among globals, closure cells, module attributes, tuples and argument types
  the type of its twin (`twinned`). Dispatchers that types hold out of sight (the methods of a jitclass) are replaced
  when the call is lowered.
- Twins hang on the user's object as an attribute. They are thereby keyed by identity and die with it; a weak-keyed
  table would keep alive for ever every function that refers to itself.
"""
from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir
from numba.core import codegen, compiler, cpu, dispatcher, lowering, registry, target_extension, types, typing
from numba.core.environment import Environment
from numba.core.extending import overload
from numba.core.runtime import rtsys
from numba.core.utils import threadsafe_cached_property
from numba.experimental.jitclass.base import JitClassType
from numba.np.arrayobj import ol_raise_with_shape_context_generic, raise_with_shape_context
from numba.np.numpy_support import ufunc_find_matching_loop
from numba.np.ufunc import ufuncbuilder
from numba.np.ufunc.dufunc import DUFunc
from numba.np.ufunc.gufunc import GUFunc
from numba.stencils.stencil import StencilFunc

from numbad.errors import EngineError, Unsupported
from numbad.ranges import counted

NAME = "numbad"
_TWIN = "__numbad_twin__"


class NumbadTarget(target_extension.CPU):
    """The class by which Numba tells targets apart; a CPU, so that every `@overload` for CPUs applies."""


class Library(codegen.JITCodeLibrary):
    """Links, but leaves the functions exactly as they were lowered."""

    def _optimize_functions(self, ll_module):
        # Numba simplifies each function when it is added. That already destroys derivatives: `if x == 1.0: return
        # x * a` becomes `return a`.
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self):
        """Preparation is the engine's business."""

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True          # and never add the module to the execution engine

    def get_pointer_to_function(self, name):
        raise Unsupported(f"the address of {name} is needed at compile time, as for a function that is stored in a "
                          "list or typed as a first-class function; pass it as an argument or call it by its name")


class Codegen(codegen.JITCPUCodegen):
    _library_class = Library

    def __init__(self, name: str):
        super().__init__(name)
        self.libraries: weakref.WeakValueDictionary[str, Library] = weakref.WeakValueDictionary()
        """Where a compiled function is defined."""
        self.awaited: set[str] = set()
        """Functions that were called before they were compiled, in mutual recursion."""

    def insert_unresolved_ref(self, builder, fnty, name):
        # Numba calls through a pointer that it sets later, because MCJIT cannot load a module with undefined functions.
        # We only link, and `linked` finds the definition.
        self.awaited.add(name)
        return builder.module.globals.get(name) or ir.Function(builder.module, fnty, name)


def linked(library: Library) -> str:
    """The text of a library and of all that it calls. The caller holds Numba's compiler lock."""
    library._ensure_finalized()
    module, codegen = library._final_module.clone(), library.codegen
    while missing := {function.name for function in module.functions if function.is_declaration} & codegen.awaited:
        for name in missing:
            other = codegen.libraries.get(name)
            if other is None:
                raise EngineError(f"{name} is called recursively and was never compiled")
            module.link_in(other._get_module_for_linking(), preserve=True)
    return str(module)


class Typing(typing.Context):
    def resolve_value_type(self, val):
        if isinstance(val, DUFunc) and not isinstance(val, TwinUfunc):
            return super().resolve_value_type(_twin(val, TwinUfunc))
        if isinstance(val, GUFunc):
            raise Unsupported(f"a call of the @guvectorize function {val.__name__}; write it as @njit")
        if isinstance(val, StencilFunc):
            raise Unsupported("a call of a @stencil function; write the stencil as loops")
        if isinstance(val, JitClassType):
            return val.class_type               # Numba tells its own context only
        return twinned(super().resolve_value_type(val))


class Context(cpu.CPUContext):
    def init(self):
        super().init()
        self._internal_codegen = Codegen(NAME)

    def load_additional_registries(self):
        # Numba's run-time functions are compiled by whichever context asks first. They must not be ours: ours never
        # become machine code.
        rtsys.initialize(registry.cpu_target.target_context)
        super().load_additional_registries()

    def insert_func_defn(self, defns):
        super().insert_func_defn([(counted(impl, sig), func, sig) if func == "iternext" else (impl, func, sig)
                                  for impl, func, sig in defns])

    def insert_user_function(self, func, fndesc, libs=()):
        for library in libs:
            library.codegen.libraries[fndesc.llvm_func_name] = library
        super().insert_user_function(func, fndesc, libs)

    def get_executable(self, library, fndesc, env):
        environments[fndesc.env_name] = env
        return object()                 # Numba uses it as the key of the compiled function: it must be unique

    def get_function(self, fn, sig, _firstcall=True):
        if isinstance(fn, types.Dispatcher):
            private = twinned(fn)
            if private is not fn:
                private.dispatcher.compile(tuple(sig.args))
                fn = private
        return super().get_function(fn, sig, _firstcall)


environments: dict[str, Environment] = {}
"""By the symbol of its address, the constants that each function of this target hands to the Python interpreter (for
printing, and for exceptions whose arguments are known at run time)."""


class Target(registry.CPUTarget):
    @threadsafe_cached_property
    def _toplevel_typing_context(self):
        return Typing()

    @threadsafe_cached_property
    def _toplevel_target_context(self):
        return Context(self.typing_context, self._target_name)


class _UfuncTarget(ufuncbuilder.UFuncTarget):
    @property
    def typing_context(self):
        return Twin.targetdescr.typing_context

    @property
    def target_context(self):
        return Twin.targetdescr.target_context


def _customized(flags):
    """Source lines on instructions, without the effects of `debug=True` on the code; no wrappers for Python and C."""
    flags.debuginfo = True
    flags.dbg_directives_only = True
    flags.dbg_extend_lifetimes = False
    flags.dbg_optnone = False
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    return flags


class _Compiler(dispatcher._FunctionCompiler):
    def _customize_flags(self, flags):
        return _customized(flags)


class Twin(dispatcher.Dispatcher):
    """A dispatcher of this target. Nothing that it compiles is ever called."""

    targetdescr = Target(NAME)

    def __init__(self, py_func, locals=None, targetoptions=None, pipeline_class=compiler.Compiler):
        super().__init__(py_func, locals or {}, targetoptions or {}, pipeline_class)
        self._compiler = _Compiler(py_func, self.targetdescr, self.targetoptions, self.locals, pipeline_class)

    def add_overload(self, cres):
        self.overloads[tuple(cres.signature.args)] = cres       # without an entry point for calls from Python


class _UfuncDispatcher(ufuncbuilder.UFuncDispatcher):
    targetdescr = _UfuncTarget()

    def _compile_core(self, sig, flags, locals):
        return super()._compile_core(sig, _customized(flags), locals)


class TwinUfunc(DUFunc):
    """The twin of a `@vectorize` function: elementwise functions for this target, no loops for NumPy."""

    def __init__(self, user: DUFunc):
        identity = user.identity
        if identity is None and user.reorderable:
            identity = "reorderable"
        self._user = weakref.ref(user)
        inner = user._dispatcher
        self._initialize(_UfuncDispatcher(inner.py_func, inner.locals, _options(inner)), identity)

    def find_ewise_function(self, ewise_types):
        user = self._user()
        declared = None
        if user is not None and user._frozen:
            loop = ufunc_find_matching_loop(user, ewise_types)
            if loop is None:
                return None, None
            ewise_types = tuple(loop.inputs + loop.outputs)[:len(ewise_types)]
            declared, _ = DUFunc.find_ewise_function(user, ewise_types)
        found = super().find_ewise_function(ewise_types)
        if found == (None, None) and declared is not None:
            self._compile_for_argtys(ewise_types, declared.return_type)
            found = super().find_ewise_function(ewise_types)
        return found

    def _compile_for_argtys(self, argtys, return_type=None):
        cres = self._dispatcher.compile(argtys if return_type is None else return_type(*argtys))
        self._lower_me.libs.append(cres.library)
        return cres


def _options(user) -> dict:
    """The options of the user's decorator that matter for what the code computes."""
    options = dict(user.targetoptions)
    name = user.py_func.__name__
    if options.pop("parallel", False):
        raise Unsupported(f"{name} is compiled with parallel=True; compile it without, or differentiate a serial "
                          "version")
    if options.pop("forceobj", False):
        raise Unsupported(f"{name} is compiled in object mode, which runs the Python interpreter")
    for option in ("debug", "_dbg_extend_lifetimes", "_dbg_optnone"):
        options.pop(option, None)                       # they change the code's form, not what it computes
    return options


def _twin(user, make):
    owner, twin = user.__dict__.get(_TWIN, (None, None))
    if owner is None or owner() is not user:  # functools.wraps copies attributes from one function to another
        twin = make(user)
        user.__dict__[_TWIN] = weakref.ref(user), twin
    return twin


def twin(user: dispatcher.Dispatcher) -> Twin:
    """The dispatcher of this target that stands for the user's."""
    if isinstance(user, Twin):
        return user
    if not isinstance(user, dispatcher.Dispatcher) or type(user).targetdescr is not registry.cpu_target:
        what = "a `with objmode` block" if isinstance(user, dispatcher.LiftedCode) else f"a {type(user).__name__}"
        raise Unsupported(f"{what} in the function {getattr(user, '__name__', user.py_func.__name__)}")
    known = _TWIN in user.__dict__
    private = _twin(user, lambda d: Twin(d.py_func, dict(d.locals), _options(d), d._compiler.pipeline_class))
    if not known and not user._can_compile:
        for signature in user.nopython_signatures:      # declared by the user: calls cast their arguments
            private.compile(signature)
        private.disable_compile()
    return private


def lowered_types(user: dispatcher.Dispatcher) -> frozenset[tuple[types.Type, ...]]:
    """The argument types for which a function was lowered in this process."""
    owner, private = user.__dict__.get(_TWIN, (None, None))
    return frozenset(private.overloads) if owner is not None and owner() is user else frozenset()


def twinned(ty: types.Type) -> types.Type:
    """`ty` with every dispatcher in it, also inside tuples and optionals, replaced by its twin."""
    if isinstance(ty, types.Dispatcher):
        user = ty.dispatcher
        private = twin(user)
        return ty if private is user else types.Dispatcher(private)
    if isinstance(ty, types.Optional):
        inner = twinned(ty.type)
        return ty if inner is ty.type else types.Optional(inner)
    if isinstance(ty, types.BaseTuple) and len(ty):
        elements = tuple(map(twinned, ty.types))
        if all(new is old for new, old in zip(elements, ty.types, strict=True)):
            return ty
        return _tuple_like(ty, elements)
    return ty


def _tuple_like(ty: types.BaseTuple, elements: tuple[types.Type, ...]) -> types.BaseTuple:
    named = getattr(ty, "instance_class", None)
    if isinstance(ty, (types.StarArgTuple, types.StarArgUniTuple)):
        return types.StarArgTuple(elements)
    if named is not None:
        return types.BaseTuple.from_types(elements, named)
    return types.BaseTuple.from_types(elements)


def _jit(*_, locals=None, cache=False, pipeline_class=compiler.Compiler, **options):
    return lambda function: Twin(function, locals, dict(options, nopython=True), pipeline_class)


@contextmanager
def active() -> Iterator[None]:
    """Compile for this target. The caller holds Numba's compiler lock."""
    with target_extension.target_override(NAME):
        finder, lowering.get_func_body_first_lineno = lowering.get_func_body_first_lineno, _first_line
        try:
            yield
        finally:
            lowering.get_func_body_first_lineno = finder


def _first_line(function) -> int:
    """Where a function's body starts, near enough for messages. Numba's own finder parses the whole source file for
    each function that it lowers, which for NumPy's array functions takes seconds, and warns where it finds none."""
    return function.__code__.co_firstlineno + 1


target_extension.target_registry[NAME] = NumbadTarget
target_extension.dispatcher_registry[NumbadTarget] = Twin
target_extension.jit_registry[NumbadTarget] = _jit

# Every assignment of an array to a slice holds an error exit. Numba's text for it names both shapes, which costs 2000
# lines of string building per function; the derivative's error leaves them out.
overload(raise_with_shape_context, target=NAME)(ol_raise_with_shape_context_generic)
