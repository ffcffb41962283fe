"""Code of ours, launched as numba-cuda launches its own kernels.

Given   what makes PTX for an architecture, a name in it, and the lowered kernel whose arguments and files it has.
Gives   `launcher`: linked, loaded and called by numba-cuda. `block_size`: as many threads as its kernel runs best with.
Unsure  raises `Unsupported` without a GPU. Errors of linking and of the driver are numba-cuda's own.
"""

from __future__ import annotations

from collections.abc import Callable

from numba.core import types
from numba.core.typing import signature
from numba.cuda.codegen import CUDACodeLibrary
from numba.cuda.cudadrv.devices import get_context
from numba.cuda.cudadrv.error import CudaDriverError, CudaSupportError
from numba.cuda.dispatcher import _Kernel, _LaunchConfiguration
from numba.cuda.errors import normalize_kernel_dimensions

from numbad.cuda.numba_cuda.code import architecture
from numbad.cuda.numba_cuda.lowering import LoweredKernel
from numbad.errors import Unsupported

DriverError = CudaDriverError
"""Of an allocation it says that there is no memory."""

MOST_THREADS = 1024
"""In a block."""


class Launcher:
    """`launcher[grid, block, stream, sharedmem](*arguments)`, the last two optional, as for a kernel of numba-cuda."""

    def __init__(self, kernel: _Kernel):
        self.kernel = kernel

    def __getitem__(self, configuration: tuple) -> _LaunchConfiguration:
        if not 2 <= len(configuration) <= 4:
            raise ValueError("a kernel is launched with [grid, block], [grid, block, stream] or "
                             "[grid, block, stream, sharedmem]")
        grid, block, stream, sharedmem = (*configuration, 0, 0)[:4]
        return _LaunchConfiguration(self, *normalize_kernel_dimensions(grid, block), stream, sharedmem)

    def call(self, arguments: tuple, launch: _LaunchConfiguration) -> None:
        expected = len(self.kernel.argument_types)
        if len(arguments) != expected:
            raise TypeError(f"this kernel takes {expected} arguments, and {len(arguments)} were given")
        try:
            self.kernel.launch(arguments, launch.griddim, launch.blockdim, launch.stream, launch.sharedmem)
        except CudaSupportError as error:
            raise Unsupported(f"there is no CUDA GPU to launch a kernel on: {error}") from error


def block_size(launcher: Launcher, shared: int) -> int:
    """Threads of a block as `forall` chooses them, for a kernel with so many bytes of dynamic shared memory."""
    function = launcher.kernel._codelibrary.get_cufunc()
    return get_context().get_max_potential_block_size(func=function, b2d_func=0, memsize=shared,
                                                      blocksizelimit=MOST_THREADS)[1]


class _Library(CUDACodeLibrary):
    """Code whose PTX is ours; numba-cuda links and loads it."""

    ptx_for: Callable[[str], str]

    def get_asm_strs(self, cc: tuple | None = None) -> list[str]:
        cc = self._ensure_cc(cc)
        if cc not in self._ptx_cache:
            self._ptx_cache[cc] = [self.ptx_for(architecture(*cc))]
        return self._ptx_cache[cc]


def launcher(ptx_for: Callable[[str], str], entry: str, argtypes: tuple[types.Type, ...], like: LoweredKernel,
             cooperative: bool | None = None) -> Launcher:
    """What launches `entry` of the PTX that `ptx_for` gives for an architecture. Files are linked and arguments
    converted as for the kernel `like`. With `cooperative` all blocks run at once; by default if they do for `like`."""
    theirs = like.library
    library = _Library(None, entry, entry_name=entry, max_registers=theirs._max_registers)
    library.ptx_for = ptx_for
    library._llvm_strs, library._finalized = [], True
    # Derivatives that the primal calls are in our text.
    library._linking_files |= {file for file in theirs._linking_files if not getattr(file, "is_derivative", False)}
    library._setup_functions += theirs._setup_functions
    library._teardown_functions += theirs._teardown_functions
    library.referenced_objects.update(theirs.referenced_objects)
    library.use_cooperative = theirs.use_cooperative if cooperative is None else cooperative
    library.needs_cudadevrt = library.use_cooperative       # defines the barrier of the whole grid
    kernel = _Kernel._rebuild(
        cooperative=library.use_cooperative, name=entry, signature=signature(types.void, *argtypes),
        codelibrary=library, debug=False, lineinfo=False, call_helper=None, extensions=list(like.extensions))
    return Launcher(kernel)
