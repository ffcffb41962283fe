"""Python functions made from source text, for what Numba wants spelled out: exact parameter lists, one line per leaf.

Given   lines of Python and the objects that they name.
Gives   the function. Its text is known to `linecache`, so tracebacks and Numba's messages can show it.
"""

from __future__ import annotations

import inspect
import itertools
import linecache
import weakref
from types import FunctionType
from typing import Any

_count = itertools.count()
_bodies: weakref.WeakKeyDictionary[FunctionType, tuple[list[str], dict[str, object]]] = weakref.WeakKeyDictionary()


class Body:
    """The lines of a function body, and the names that they use."""

    def __init__(self, **names: object):
        self.lines: list[str] = []
        self.names = dict(names)

    def line(self, text: str, depth: int = 0) -> None:
        self.lines.append("    " * depth + text)

    def name(self, hint: str, value: object) -> str:
        """A name for `value` inside the function."""
        name = f"{hint}_{len(self.names)}"
        self.names[name] = value
        return name

    def refuse(self, condition: str, error: type[Exception], message: str) -> None:
        """Raise at run time if the condition holds; Numba wants the message as a constant."""
        self.line(f"if {condition}:")
        self.line(f"raise {error.__name__}({message!r})", 1)

    def function(self, name: str, parameters: str) -> FunctionType:
        return define(name, parameters, self.lines, self.names)


def define(name: str, parameters: str, lines: list[str], names: dict[str, object]) -> FunctionType:
    """`def name(parameters): lines`, with `names` as its globals; `body_of` gives both back."""
    text = f"def {name}({parameters}):\n" + "".join(f"    {line}\n" for line in lines)
    filename = f"<numbad {name} {next(_count)}>"
    # Numba stores the module name with compiled code and imports it again.
    scope: dict[str, Any] = {"__name__": __name__, **names}
    exec(compile(text, filename, "exec"), scope)
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    function = scope[name]
    _bodies[function] = lines, names
    return function


def body_of(function: FunctionType) -> tuple[list[str], dict[str, object]]:
    """The lines and the names of a function made by `define`."""
    return _bodies[function]


def parameter_text(signature: inspect.Signature) -> str:
    """The parameters as they are written in a `def`, without defaults and annotations."""
    bare = [p.replace(default=p.empty, annotation=p.empty) for p in signature.parameters.values()]
    return str(inspect.Signature(bare))[1:-1]
