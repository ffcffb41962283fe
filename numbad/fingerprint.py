"""What a function says, and all that it reaches by the names in it, without asking Numba to lower it.

Given   a dispatcher and argument types.
Gives   a `Fingerprint`. Where two processes get the same text, and `numbad.stamp` agrees too, Numba lowers the function
        to the same code: the bytecode, constants, options and defaults of every function in reach are in it, the values
        of globals and of variables of enclosing functions, and the attributes of modules that the code may ask for.
Unsure  raises `Indescribable`: about an object that is not understood, or if Numba was extended, so that the code
        depends on functions that it does not name. Then the function has to be lowered to be told from others.

Names are taken for more than they are: one that is an attribute in the code is looked up among the globals too, and in
every module in reach. That may find too much, never too little.
"""

from __future__ import annotations

import builtins
import dis
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from numba.core import compiler, types
from numba.core.dispatcher import Dispatcher, _FunctionCompiler

from numbad.descriptions import Indescribable, describe_class, describe_type, describe_value, imported_name
from numbad.extensions import OURS, extended, package_of

_STAMPED = frozenset((*OURS, "numpy", "builtins", "cmath", "math", "operator", "random"))
"""Packages whose versions or files are in `numbad.stamp`: what lies in them is known by its name."""


@dataclass(frozen=True)
class Fingerprint:
    text: str
    functions: tuple[Dispatcher, ...]
    """The functions in reach that Numba lowers."""


def fingerprint(dispatcher: Dispatcher, argument_types: tuple[types.Type, ...] = ()) -> Fingerprint:
    if extended():
        raise Indescribable("Numba, which is extended")
    said = reach(dispatcher)
    return Fingerprint("\n\n".join([*map(describe_type, argument_types), *said.values()]), tuple(said))


def reach(dispatcher: Dispatcher) -> dict[Dispatcher, str]:
    """What the function and each function in reach says; references are numbers in this order."""
    walk = _Walk()
    with warnings.catch_warnings():  # of names in NumPy that will go
        warnings.simplefilter("ignore")
        walk.value(dispatcher, frozenset())
    return walk.parts


class _Walk:
    """One walk over what can be reached. Functions and modules are numbered as they are met, and described once."""

    def __init__(self) -> None:
        self.parts: dict[Dispatcher, str] = {}
        self._modules: dict[tuple[str, frozenset[str]], int] = {}

    def value(self, value: Any, names: frozenset[str]) -> str:
        """A global, or what else the code with these names may use."""
        if isinstance(value, Dispatcher):
            return self._dispatcher(value)
        if isinstance(value, ModuleType):
            return self._module(value, names)
        if type(value) is tuple:
            return f"({''.join(f'{self.value(entry, names)}, ' for entry in value)})"
        if isinstance(value, type) and (issubclass(value, BaseException)
                                        or issubclass(value, tuple) and hasattr(value, "_fields")):
            return describe_class(value)
        name = imported_name(value)
        is_known = name is not None and package_of(value.__module__) in _STAMPED
        return f"{name}" if is_known else describe_value(value)

    def _dispatcher(self, dispatcher: Dispatcher) -> str:
        if dispatcher not in self.parts:
            self.parts[dispatcher] = ""  # it may refer to itself
            self.parts[dispatcher] = "\n".join(self._described(dispatcher))
        return f"function {list(self.parts).index(dispatcher)}"

    def _described(self, dispatcher: Dispatcher) -> Iterator[str]:
        plan = getattr(dispatcher, "plan", None)  # of a dispatcher of ours
        if plan is not None:
            yield f"{plan.kind} {describe_value(plan.options)} of {self.value(plan.primal, frozenset())}"
            return
        how = dispatcher._compiler
        if (type(how) is not _FunctionCompiler or how.py_func is not dispatcher.py_func
                or how.pipeline_class is not compiler.Compiler):
            raise Indescribable(f"the way in which {dispatcher} is compiled")
        yield describe_value(dispatcher.targetoptions) + describe_value(dispatcher.locals)
        yield describe_value(getattr(dispatcher, "argnums", None))  # of `differentiate`
        if not dispatcher._can_compile:
            yield str([[describe_type(ty) for ty in (signature.return_type, *signature.args)]
                       for signature in dispatcher.nopython_signatures])
        yield from self._function(dispatcher.py_func)

    def _function(self, function: FunctionType) -> Iterator[str]:
        code = function.__code__
        names = frozenset(_names(code))
        yield f"{function.__module__} {function.__qualname__} {describe_value(function.__defaults__)}"
        yield from _bytecode(code)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            yield f"{name} = {self.value(_content(cell), names)}"
        for name in sorted(names):
            if name in function.__globals__:
                yield f"{name} = {self.value(function.__globals__[name], names)}"
            elif hasattr(builtins, name):
                yield f"{name} = {self.value(getattr(builtins, name), names)}"

    def _module(self, module: ModuleType, names: frozenset[str]) -> str:
        if sys.modules.get(module.__name__) is not module:
            raise Indescribable(f"{module}, which cannot be imported")
        key = module.__name__, names
        if key in self._modules:
            return f"module {self._modules[key]}"
        self._modules[key] = len(self._modules)
        attributes = [f"{name} = {self._attribute(module, name, names)}"
                      for name in sorted(names) if hasattr(module, name)]
        return f"module {module.__name__} with {attributes}"

    def _attribute(self, module: ModuleType, name: str, names: frozenset[str]) -> str:
        value = getattr(module, name)
        try:
            return self.value(value, names)
        except Indescribable:
            # What such a package has under a name is known by that; not a function, which somebody may have put there.
            is_function = isinstance(value, (FunctionType, ModuleType)) or package_of(type(value).__module__) in OURS
            if package_of(module.__name__) in _STAMPED and not is_function:
                return f"{module.__name__}.{name}"
            raise


def _names(code: CodeType) -> Iterator[str]:
    """The names that the code uses, and the texts in it: `getattr` takes them for names."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
        elif isinstance(constant, str):
            yield constant


def _bytecode(code: CodeType) -> Iterator[str]:
    if any(instruction.opname.startswith("IMPORT") for instruction in dis.get_instructions(code)):
        raise Indescribable("an import inside a function")
    yield repr((code.co_name, code.co_filename, code.co_firstlineno, code.co_flags, code.co_argcount,
                code.co_posonlyargcount, code.co_kwonlyargcount, code.co_names, code.co_varnames, code.co_freevars,
                code.co_cellvars, code.co_code, code.co_linetable, code.co_exceptiontable))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _bytecode(constant)
        else:
            yield "..." if constant is ... else describe_value(constant)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        raise Indescribable("a variable of an enclosing function that has no value") from None
