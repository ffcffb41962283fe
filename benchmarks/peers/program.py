"""What is measured of a benchmark problem: the loss and its gradient, ready to be called, in whatever system."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Program:
    """A loss and its gradient at fixed inputs."""

    primal: Callable[[], float]

    gradient: Callable[[], np.ndarray]

    compile_primal: Callable[[], object] | None = None
    """Compiles without running, in systems that compile for the sizes of the inputs. None: the first call compiles,
    and serves all sizes."""

    compile_gradient: Callable[[], object] | None = None
