"""CUDA kernels that users would write, one declaration each; the header of `entry.py` explains a declaration.

`POOL` holds those that are to be differentiated, `REFUSED` those that must be refused, both by name.
"""

from cuda.pool import (  # noqa: F401
    atomics,
    branches,
    combinations,
    elementwise,
    functions,
    lanes,
    mathematics,
    memories,
    overwritten,
    own_arrays,
    recurrences,
    refused,
    restored,
    simulations,
    warps,
)
from cuda.pool.entry import REGISTRY, Kernel, copied

POOL: dict[str, Kernel] = {name: kernel for name, kernel in REGISTRY.items() if not kernel.refused}
REFUSED: dict[str, Kernel] = {name: kernel for name, kernel in REGISTRY.items() if kernel.refused}

__all__ = ["POOL", "REFUSED", "Kernel", "copied"]
