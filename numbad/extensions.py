"""Whether somebody besides Numba and numbad has told Numba how to compile something, by `@overload` and its relatives.

Given   this process.
Gives   True if there is such an extension: then the code of a function depends on more than what it names.
Unsure  does not happen for the public interface of `numba.extending`, whose functions all end up in two registries.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any

from numba.core.imputils import builtin_registry as implementations
from numba.core.typing.templates import builtin_registry as templates

OURS = ("numba", "numbad")


def extended() -> bool:
    return any(package_of(module) not in OURS for module in _modules())


def package_of(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _modules() -> Iterator[str | None]:
    """The modules of the functions that were registered."""
    for template in (*templates.functions, *templates.attributes):
        yield from _template_modules(template)
    for _, ty in templates.globals:
        for template in getattr(ty, "templates", ()):
            yield from _template_modules(template)
    for group in (implementations.functions, implementations.getattrs, implementations.setattrs,
                  implementations.casts, implementations.constants):
        for implementation, *_ in group:
            yield implementation.__module__


def _template_modules(template: Any) -> Iterator[str | None]:
    """Templates that Numba makes from a function say "abc" for their module, and hold the function."""
    function = getattr(template, "_overload_func", None) or getattr(template, "_definition_func", None)
    if function is not None:
        yield _module(function)
    elif template.__module__ != "abc":
        yield template.__module__
    else:
        for member in vars(template).values():
            if isinstance(member, FunctionType):
                cells = [cell.cell_contents for cell in member.__closure__ or ()]
                yield from (_module(function) for function in (member, *cells) if isinstance(function, FunctionType))


def _module(function: FunctionType) -> str | None:
    return function.__globals__.get("__name__")
