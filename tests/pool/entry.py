"""One declaration per program of the pool.

Given   a plain Python function under `@entry(args=..., ...)`; the decorator hands the function back unchanged.
Gives   an `Entry` in `REGISTRY`, under the function's name: the function, how to make its arguments, what is
        differentiated, and how the right answer is known.
Unsure  (a parameter named that the function does not have, two entries of one name, an oracle switched off without
        a reason, no oracle at all) raises when the pool is imported.

`diff` names the differentiated parameters; left out, these are all parameters that hold floats: floats, float arrays,
tuples of them. What the oracles cannot do for an entry is said by a `no_...` field, and its text is the reason:

    no_fd       finite differences make no sense at `args`: then `exact` gives the gradient there, or `admissible` says
                whether a gradient is defensible, and `generic` gives other arguments for finite differences
    no_complex  complex step would run, and be wrong
    no_python   plain Python computes something else than Numba
    no_layouts  Fortran order or strides change the meaning, or Numba refuses them
    no_single   float32 arguments change the meaning
    no_twice    the second derivative does not exist at `args`
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from numba import njit

from pool.trees import copied, has_floats

Arguments = Callable[[np.random.Generator], tuple]

REGISTRY: dict[str, Entry] = {}


@dataclass(frozen=True)
class Entry:
    """A program that numbad must differentiate, or say why not."""

    name: str
    theme: str
    function: Callable
    args: Arguments
    diff: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    """Written parameters that are the results, for a function that returns None."""
    exact: Callable[..., tuple] | None = None
    """The analytic gradient of a scalar function: one item per name in `diff`."""
    admissible: Callable[[tuple, tuple], bool] | None = None
    """Whether a gradient (second argument) is defensible at the arguments (first), where several are."""
    generic: Arguments | None = None
    """Arguments away from the special point of `args`, where finite differences know the derivative."""
    raises: tuple[type[Exception], Arguments] | None = None
    """An exception, and the arguments for which the function raises it."""
    rtol: float = 1e-8
    """How well finite differences with `step` know the derivative, relative to its largest component."""
    step: float = 2e-3
    projection: float = 1e-12
    """Bound on |<y_bar, J x_dot> - <J' y_bar, x_dot>| relative to the sum of absolute terms, in float64."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the entry adds to `@njit(...)`."""
    leaks: str = ""
    """Why the program itself loses memory; its derivatives must not lose more."""
    may_refuse: str = ""
    """Why NoDerivative or Unsupported is as good an answer as the derivative."""
    no_fd: str = ""
    no_complex: str = ""
    no_python: str = ""
    no_layouts: str = ""
    no_single: str = ""
    no_twice: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.function).parameters)

    @property
    def source(self) -> str:
        return inspect.getsource(self.function)

    @cached_property
    def dispatcher(self):
        """The function under `@njit`, one dispatcher per process."""
        return njit(**self.options)(self.function)

    @property
    def outputs_option(self) -> dict[str, tuple[str, ...]]:
        """What `nd.jvp` and `nd.vjp` are told about results that are arguments."""
        return {"outputs": self.outputs} if self.outputs else {}

    def arguments(self, seed: int = 0, make: Arguments | None = None) -> tuple:
        """Fresh arguments: the same ones for the same seed."""
        return (make or self.args)(np.random.default_rng([seed, zlib.crc32(self.name.encode())]))

    @property
    def length(self) -> pytest.MarkDecorator:
        """How long tests are marked that need not run with every program: of a fifth slow, of the rest exhaustive."""
        return pytest.mark.slow if self.share(5) == 0 else pytest.mark.exhaustive

    def share(self, of: int) -> int:
        """A number below `of` that spreads the programs evenly and stays the same."""
        return zlib.crc32(self.name.encode()) % of

    def is_diff(self) -> tuple[bool, ...]:
        """For each parameter, whether it is differentiated."""
        return tuple(p in self.diff for p in self.parameters)

    def diff_is_default(self) -> bool:
        """Whether `diff` is what `nd.vjp` differentiates when it is not told."""
        return all(d == has_floats(a) for d, a in zip(self.is_diff(), self.arguments(), strict=True))

    def results(self, args: tuple, returned: Any) -> Any:
        """What a call computed: its return value, or its outputs among the arguments."""
        if not self.outputs:
            return returned
        return tuple(args[self.parameters.index(p)] for p in self.outputs)

    def result_of(self, call: Callable, args: tuple) -> Any:
        """The results of `call` (the function or its dispatcher) on copies of `args`."""
        args = tuple(copied(a) for a in args)
        return self.results(args, call(*args))


def entry(*, args: Arguments, diff: tuple[str, ...] | None = None, **rest: Any) -> Callable[[Callable], Callable]:
    """Put the function below into the pool. Keywords are the fields of `Entry`."""

    def register(function: Callable) -> Callable:
        name, theme = function.__name__, function.__module__.rpartition(".")[2]
        if name in REGISTRY:
            raise ValueError(f"two entries are named {name}: in {REGISTRY[name].theme} and {theme}")
        draft = Entry(name, theme, function, args, diff or (), **rest)
        sample = draft.arguments()
        if len(sample) != len(draft.parameters):
            raise ValueError(f"{name} has {len(draft.parameters)} parameters, args gives {len(sample)}")
        active = tuple(p for p, a in zip(draft.parameters, sample, strict=True) if has_floats(a))
        chosen = active if diff is None else diff
        if not chosen or not set(chosen) <= set(active) or not set(draft.outputs) <= set(draft.parameters):
            raise ValueError(f"{name}: nothing to differentiate, or diff or outputs name what is no float parameter")
        if draft.no_fd and (draft.generic is None or (draft.exact is None) == (draft.admissible is None)):
            raise ValueError(f"{name}: without finite differences, give generic arguments and exact or admissible")
        REGISTRY[name] = Entry(name, theme, function, args, chosen, **rest)
        return function

    return register
