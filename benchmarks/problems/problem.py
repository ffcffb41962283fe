"""What a benchmark problem is.

A plain `@njit` function with a scalar loss, the inputs it is measured at, and the adjoint that an expert writes for
it by hand. The hand-written adjoint is both the yardstick for speed and a second opinion on every gradient.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One loss function with everything needed to measure and to check its gradient."""

    name: str
    """Short name, used on the command line and in the tables."""

    summary: str
    """One line: what is computed, at which size, and what is differentiated."""

    primal: Callable[..., float]
    """The numba dispatcher of the loss; it leaves its arguments as they were."""

    adjoint: Callable[..., Any]
    """The hand-written gradient: same arguments as the primal, result shaped like the differentiated one."""

    setup: Callable[..., tuple[Any, ...]]
    """Makes the arguments of the primal; its keyword defaults are the size that is measured."""

    small: Mapping[str, int]
    """Keywords of `setup` for a size that finite differences can check entry by entry."""

    argnum: int = 0
    """Position of the differentiated argument."""

    def make_inputs(self, small: bool = False) -> tuple[Any, ...]:
        """Arguments for one call, the same ones every time (the random numbers are seeded)."""
        return self.setup(**self.small) if small else self.setup()
