"""Device functions that are made when the types of a call are known.

Given   for a list of types, a Python function.
Gives   what numba-cuda takes for a device function: it is typed and compiled as that Python function.
Unsure  errors of the one who makes it pass through numba-cuda's typing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.core.target_extension import current_target
from numba.cuda.descriptor import cuda_target
from numba.cuda.dispatcher import CUDADispatcher


class TypedFunction(CUDADispatcher):
    """`function` has the name, parameters and defaults; what is compiled comes from `made`."""

    def __init__(self, function: Callable):
        self._variants: dict[tuple[types.Type, ...], CUDADispatcher] = {}
        super().__init__(function, targetoptions={"device": True, "debug": False, "opt": True})

    @abstractmethod
    def made(self, argtypes: tuple[types.Type, ...]) -> Callable:
        """The Python function for these types; asked for once."""

    @property
    @abstractmethod
    def misplaced(self) -> TypeError:
        """What is raised in code for the host."""

    # What numba-cuda asks of a device function when it types a call and when it lowers it.

    def get_call_template(self, args, kws):
        if current_target() != "cuda":
            raise self.misplaced
        parameters, folded = self.fold_argument_types(args, kws)
        template, _, folded, kws = self.variant(tuple(folded)).get_call_template(folded, {})
        return template, parameters, folded, kws            # a variant has no defaults

    def get_overload(self, sig):
        return self.variant(tuple(sig)).get_overload(sig)

    def variant(self, argtypes: tuple[types.Type, ...]) -> CUDADispatcher:
        """The function for these types, by itself: another one has other lines."""
        if argtypes not in self._variants:
            self._variants[argtypes] = CUDADispatcher(self.made(argtypes), dict(self.targetoptions))
        return self._variants[argtypes]

    def function_for(self, argtypes: tuple[types.Type, ...]) -> Any:
        """The Python function that is compiled for these types."""
        return self.variant(argtypes).py_func


def device_function_of(function: Any) -> CUDADispatcher:
    """What numba-cuda compiles for a call of a function that `numba.njit` has compiled for the host."""
    return cuda_target.typing_context.resolve_value_type(function).dispatcher
