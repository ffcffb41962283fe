"""Python function and Numba types in, LLVM text out.

Given   a dispatcher (or a plain Python function) and the Numba types of its arguments.
Gives   `Lowered`: the text of the function and of everything that it calls, as Numba lowered it and before any LLVM
        pass, with what is needed to read its parameter list.
Unsure  raises `Unsupported`. Errors of typing are Numba's own and pass through unchanged.

Nothing is cached here: each call lowers again what Numba has not lowered yet for the same dispatcher and types. The
values of globals are those at the first lowering of a function, as they are for Numba's own compilation.
"""
from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from numba import njit
from numba.core import dispatcher as numba_dispatcher
from numba.core import errors, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.datamodel import models
from numba.core.datamodel.packer import ArgPacker
from numba.core.typing import Signature

from numbad import target
from numbad.errors import EngineError, Unsupported, located
from numbad.passes.llvm import Machine

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Parameter:
    """One LLVM parameter of the entry, behind `retptr` and `excinfo`."""

    argument: int
    """Index of the Python argument that it belongs to."""
    name: str
    """Name of that argument."""
    type: types.Type
    """Numba type of that argument (of the whole, not of the leaf)."""
    path: Path
    """Fields and indices from the argument to this leaf: `()` for a number, `("data",)`, `("shape", 0)`,
    `(1, "real")`."""
    leaf: types.Type
    """Numba type of the leaf."""


@dataclass(frozen=True)
class Lowered:
    text: str
    """LLVM text of the entry and of its call tree."""
    entry: str
    """Symbol of the entry."""
    signature: Signature
    """Numba's signature. Arguments left to their defaults are `Omitted` and have no parameter."""
    parameters: tuple[Parameter, ...]
    name: str
    """Qualified name of the Python function."""
    filename: str
    line: int
    """First line of the Python function."""


def lower(function: Callable | numba_dispatcher.Dispatcher, argtypes: tuple[types.Type, ...]) -> Lowered:
    """The LLVM text of `function` for arguments of these types."""
    user = function if isinstance(function, numba_dispatcher.Dispatcher) else _jitted(function)
    with global_compiler_lock, target.active():
        twin = target.twin(user)
        _, users = twin.fold_argument_types(tuple(argtypes), {})
        code = twin.py_func.__code__
        try:
            result = _compile(twin, tuple(map(target.twinned, users)))
        except Unsupported as refusal:
            raise located(refusal, twin.py_func) from refusal.__cause__
        text = _without_addresses(target.linked(result.library))
        signature = result.signature.replace(args=tuple(      # with the user's functions rather than their twins
            given if target.twinned(given) == compiled else compiled
            for given, compiled in zip(users, result.signature.args, strict=True)))
        listed = parameters(result, signature)
    return Lowered(text, result.fndesc.llvm_func_name, signature, listed, twin.py_func.__qualname__,
                   code.co_filename, code.co_firstlineno)


def _without_addresses(text: str) -> str:
    """Numba names array expressions after an address; they are numbered instead, so that texts can be compared."""
    names: dict[str, str] = {}
    return re.sub(r"__numba_array_expr_0x[0-9a-f]+",
                  lambda m: names.setdefault(m[0], f"__numba_array_expr_{len(names)}".ljust(len(m[0]), "_")), text)


@cache
def machine() -> Machine:
    """The processor that Numba compiles for, under the user's Numba settings."""
    codegen = target.Twin.targetdescr.target_context.codegen()
    return Machine(cpu=codegen._get_host_cpu_name(), features=codegen._get_host_cpu_features())


def _jitted(function: Callable) -> numba_dispatcher.Dispatcher:
    if not inspect.isfunction(function):
        raise Unsupported(f"{function!r} is neither a Numba dispatcher nor a Python function")
    jitted = njit(function)
    if not isinstance(jitted, numba_dispatcher.Dispatcher):
        raise Unsupported("NUMBA_DISABLE_JIT is set: there is no compiled code to differentiate")
    return jitted


def _compile(twin: target.Twin, argtypes: tuple[types.Type, ...]):
    name = twin.py_func.__qualname__
    try:
        if twin._can_compile:
            twin.compile(argtypes)
        else:
            argtypes = _declared(twin, argtypes)
    except errors.ForceLiteralArg as error:
        wanted = ", ".join(str(index) for index in sorted(error.requested_args))
        raise Unsupported(f"{name} needs argument {wanted} as a compile-time constant; fix it in a function around it "
                          "or in a closure") from error
    except (errors.LoweringError, errors.UnsupportedError, NotImplementedError) as error:
        cause = _unsupported(error)
        if cause is not None:
            raise cause from None
        raise Unsupported(f"{name} cannot be lowered outside Numba's own compilation: {error}") from error
    result = twin.overloads[argtypes]
    if isinstance(result.signature.return_type, types.Generator):
        raise Unsupported(f"{name} is a generator")
    return result


def _declared(twin: target.Twin, argtypes: tuple[types.Type, ...]) -> tuple[types.Type, ...]:
    """The argument types of the declared signature that Numba takes for these arguments."""
    if argtypes in twin.overloads:
        return argtypes
    signature = types.Dispatcher(twin).get_call_type(twin.typingctx, argtypes, {})
    if signature is None:
        raise errors.TypingError(f"{twin.py_func.__qualname__} has no signature for arguments of types {argtypes}")
    return tuple(signature.args)


def _unsupported(error: BaseException) -> Unsupported | None:
    """The `Unsupported` that Numba wrapped in an error of its own, if that is what happened."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, Unsupported):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def parameters(result, signature: Signature) -> tuple[Parameter, ...]:
    """The entry's parameters, from Numba's data models."""
    manager = result.target_context.data_model_manager
    description = result.fndesc
    names = description.args
    found = tuple(Parameter(index, names[index], ty, path, leaf)
                  for index, ty in enumerate(signature.args)
                  for path, leaf in _leaves(manager.lookup(ty)))
    expected = len(ArgPacker(manager, result.signature.args).argument_types)
    if len(found) != expected:
        raise EngineError(f"{description.qualname} has {expected} LLVM parameters, but its types have "
                          f"{len(found)} leaves")
    return found


def _leaves(model: models.DataModel) -> Iterator[tuple[Path, types.Type]]:
    """The leaves of an argument in the order in which Numba passes them."""
    if isinstance(model, models.OmittedArgDataModel):
        return
    if isinstance(model, (models.ProxyModel, models.DeferredStructModel)):
        inner = model._proxied_model if isinstance(model, models.ProxyModel) else model._actual_model
        yield from _leaves(inner)
    elif isinstance(model, models.UniTupleModel):
        for index in range(model._count):
            for path, leaf in _leaves(model._elem_model):
                yield (index, *path), leaf
    elif isinstance(model, models.StructModel):
        is_tuple = isinstance(model, models.TupleModel)
        for index, (field, member) in enumerate(zip(model._fields, model._models, strict=True)):
            for path, leaf in _leaves(member):
                yield (index if is_tuple else field, *path), leaf
    else:
        yield (), model.fe_type
