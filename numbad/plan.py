"""What a derivative dispatcher computes, before the types of its arguments are known.

Given   the function to differentiate, and what is asked of it.
Gives   `Plan`, the base of the plans of the public functions: once types are known it writes the implementation.
Unsure  the plan's errors are for the caller: they name the argument and what to do.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from types import FunctionType

from numba.core import types
from numba.core.dispatcher import Dispatcher
from numba.core.typing.typeof import typeof

from numbad.abi import mirrored
from numbad.derive import Derivative
from numbad.errors import Unsupported, located

Types = tuple[types.Type, ...]


@dataclass(frozen=True)
class Asked:
    """A call of a derivative in terms of its primal; `mode` is "fwd" or "rev"."""

    primal: Dispatcher
    args: tuple
    argnums: tuple[int, ...] | None
    outputs: tuple[int, ...] | None
    mode: str


class Plan:
    """What a dispatcher of ours computes: a derivative of `primal`, packed for its caller."""

    kind: str
    """The public function that makes such plans, for names and messages."""

    def __init__(self, primal: Dispatcher, *options):
        self.primal = primal
        self.options = options
        self._implementations: dict[Types, FunctionType] = {}
        self._derivatives: dict[Types, list[Derivative]] = {}
        self.derivatives: list[Derivative] = []
        """Those that the implementation asked for which is being written, or was last."""

    @property
    def name(self) -> str:
        return f"{self.kind}({self.primal.py_func.__name__})"

    @property
    def argument_names(self) -> tuple[str, ...]:
        """The arguments of the primal."""
        return tuple(inspect.signature(self.primal.py_func).parameters)

    @property
    def signature(self) -> inspect.Signature:
        """The parameters of the dispatcher."""
        return inspect.signature(self.primal.py_func)

    @property
    def steps(self) -> tuple[Plan, ...]:
        """This plan, and those of which it takes the derivative."""
        inner = getattr(self.primal, "plan", None)  # of a dispatcher of ours
        return (self, *inner.steps) if inner is not None else (self,)

    @property
    def root(self) -> Dispatcher:
        """The function at the bottom, which is no derivative of ours."""
        return self.steps[-1].primal

    def root_types(self, argument_types: Types) -> Types:
        """The argument types for which the root is differentiated, for arguments of these types."""
        for step in self.steps:
            argument_types = step.primal_types(given(argument_types))
        return argument_types

    def primal_types(self, argument_types: Types) -> Types:
        """The argument types for which the primal is differentiated."""
        raise NotImplementedError

    def finish(self, wrapper: FunctionType) -> None:
        """Give the wrapper its defaults and its documentation."""
        raise NotImplementedError

    def asked(self, arguments: tuple) -> Asked:
        """What a call with these arguments asks for."""
        raise NotImplementedError

    def write(self, argument_types: Types) -> FunctionType:
        """The implementation `(plan, arguments)` for arguments of these types; the first is `arguments[1]`."""
        raise NotImplementedError

    def implementation(self, argument_types: Types) -> FunctionType:
        if argument_types not in self._implementations:
            self._derivatives[argument_types] = self.derivatives = []
            try:
                self._implementations[argument_types] = self.write(argument_types)
            except Unsupported as refusal:
                raise located(refusal, self.primal.py_func) from refusal.__cause__
        return self._implementations[argument_types]

    def made(self, argument_types: Types) -> list[Derivative]:
        """The derivatives in the implementation for arguments of these types; none if it was never asked for."""
        return self._derivatives.get(given(argument_types), [])


def given(argument_types: Iterable[types.Type]) -> Types:
    """The types that arguments have inside the function: no literals, and none left to its default."""
    return tuple(typeof(ty.value) if isinstance(ty, types.Omitted) else mirrored(ty, types.unliteral)
                 for ty in argument_types)
