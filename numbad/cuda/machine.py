"""What a launch asks of the device.

Given   values of a call, arrays on the device, derivatives.
Gives   `Machine`: numba-cuda's (`numbad.cuda.gpu`); in tests an emulator's.
Unsure  raises `Unsupported` without a device, TypeError for arrays that do not lie there, MemoryError without room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numba.core import types

from numbad.cuda.derive import KernelDerivative
from numbad.cuda.memory import Array


class Machine(Protocol):
    """Where kernels run."""

    def arguments(self, kernel: Any) -> Sequence[str]:
        """The names of a kernel's arguments."""

    def typeof(self, value: Any) -> types.Type:
        """The Numba type of a value as an argument of a kernel."""

    def array(self, value: Any) -> Array | None:
        """Where an array on the device lies; None for what is none."""

    def wait(self, values: Iterable[Any]) -> None:
        """Until what other libraries have begun on these arrays is done."""

    def words(self, count: int) -> Array:
        """Integers of 64 bits, zero at first."""

    def room(self, count: int) -> Array:
        """The same, not set to anything. Memory that is let go stays until launches that use it are over."""

    def number(self, words: Array) -> int:
        """The first of them, when all launches so far are done."""

    def saved(self, array: Any) -> Any:
        """A copy of an array."""

    def restore(self, array: Any, saved: Any) -> None:
        """Put the numbers of a copy back."""

    def like(self, array: Array) -> Any:
        """A new array of the same layout, zero at first."""

    def numbers(self, array: Any) -> np.ndarray:
        """What an array holds, on the host, when all launches so far are done."""

    def put(self, array: Any, numbers: np.ndarray) -> None:
        """Let an array hold these numbers, when all launches so far are done."""

    def run(self, kernel: Any, configuration: tuple, arguments: Sequence[Any]) -> None:
        """Run the kernel itself."""

    def block_size(self, derivative: KernelDerivative, extra: Sequence[types.Type], shared: int) -> int:
        """How many threads of the derivative a block had best have, with so many bytes of dynamic shared memory."""

    def launch(self, derivative: KernelDerivative, configuration: tuple, arguments: Sequence[Any],
               extra: Sequence[tuple[types.Type, Any]]) -> None:
        """Run the derivative: the primal's arguments, then numbers of these types."""
