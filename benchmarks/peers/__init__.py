"""Other systems that differentiate, and how each of them writes the benchmark problems.

A system has a module here with

    PROGRAMS   name of a problem -> function that makes its `Program` from the arguments of the problem's primal
    SMALLER    name of a problem -> keywords of its setup, where the size that is measured would take minutes

A problem that is missing in PROGRAMS cannot be expressed. Nothing here is imported unless the system is measured.
`warp_kernels` has kernels for the GPU, for `gpu.py`.
"""

import importlib
import importlib.util
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Peer:
    """One column of the comparison."""

    title: str
    module: str
    """Of this package."""
    imported: str
    """The Python module that it is used by."""
    package: str
    """What is installed."""

    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.imported) is not None

    def load(self) -> ModuleType:
        return importlib.import_module(f"peers.{self.module}")


PEERS = {
    "enzyme": Peer("Enzyme", "enzyme_programs", "enzyme_ad", "enzyme-ad"),
    "jax": Peer("JAX", "jax_programs", "jax", "jax"),
    "torch": Peer("torch", "torch_programs", "torch", "torch"),
    "warp": Peer("Warp, rewritten", "warp_rewritten", "warp", "warp-lang"),
    "warp_as_written": Peer("Warp, as written", "warp_as_written", "warp", "warp-lang"),
}

ONE_THREAD = {  # environment of every process that measures, set before anything is imported
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "CUDA_VISIBLE_DEVICES": "",
}
