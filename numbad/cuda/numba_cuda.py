"""All that numbad knows of numba-cuda's insides. No other module touches a private name of it.

Given   a `@cuda.jit` dispatcher and the Numba types of its arguments.
Gives   `lower`: the LLVM texts of the kernel and of everything that it calls, before any LLVM pass, with what is needed
        to read its parameter list. Works without GPU, driver and CUDA toolkit.
Unsure  raises `Unsupported`; ImportError if numba-cuda is missing or of a version that was not tried. Errors of typing
        are numba-cuda's own and pass through unchanged.

Device functions are compiled afresh for each call, with source lines, and forgotten afterwards: what the user's own
launches have compiled has no lines, and must not be changed. `debug=True` is ignored: a kernel that stores its errors
for the host would have to be differentiated with that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from numbad.compat import NUMBA_CUDA
from numbad.errors import Unsupported
from numbad.frontend import Parameter, parameters

try:
    NUMBA_CUDA.check(version("numba-cuda"))
except PackageNotFoundError:
    raise ImportError("derivatives of CUDA kernels need numba-cuda: pip install 'numbad[cuda]'") from None

from numba import cuda, types
from numba.cuda import compiler, dispatcher
from numba.cuda.codegen import CUDACodeLibrary
from numba.cuda.core.compiler_lock import global_compiler_lock
from numba.cuda.cudadrv import nvvm
from numba.cuda.dispatcher import CUDADispatcher

OLDEST_GPU = (7, 5)
"""What is compiled for where there is no GPU: code for it runs on all GPUs that CUDA 13 knows."""


@dataclass(frozen=True)
class LoweredKernel:
    texts: tuple[str, ...]
    """LLVM text of the entry and of what it calls."""
    entry: str
    """Symbol of the entry."""
    argtypes: tuple[types.Type, ...]
    parameters: tuple[Parameter, ...]
    """Of the entry; a device function has a pointer to its result in front of them."""
    result: types.Type
    """What a device function returns; `types.none` for kernels."""
    name: str
    """Qualified name of the Python function."""
    filename: str
    line: int
    """First line of the Python function."""
    library: CUDACodeLibrary
    """Numba's own: says what files are to be linked, and whether all blocks must run at once."""


def lower(kernel: CUDADispatcher | Callable, argtypes: tuple[types.Type, ...], device: bool = False) -> LoweredKernel:
    """The LLVM texts of `kernel` for arguments of these types; with `device`, of a function that kernels call."""
    user = kernel if isinstance(kernel, CUDADispatcher) else _jitted(kernel, device)
    options = user.targetoptions
    if bool(options.get("device")) != device:
        raise Unsupported(f"{user.py_func.__qualname__} is a device function: differentiate it inside a kernel" if
                          options.get("device") else f"{user.py_func.__qualname__} is a kernel and no device function")
    code = user.py_func.__code__
    with global_compiler_lock, _offline() as capability:
        result = compiler.compile_cuda(
            user.py_func, None if device else types.void, tuple(argtypes), lineinfo=True,
            fastmath=bool(options.get("fastmath")), nvvm_options={}, cc=capability)
        entry = result.fndesc.llvm_func_name
        if not device:
            function = result.library.get_function(entry)
            compiler.kernel_fixup(function, False)
            nvvm.set_launch_bounds(function, options.get("launch_bounds"))
        return LoweredKernel(tuple(result.library.llvm_strs), entry, tuple(argtypes),
                             parameters(result, result.signature), result.signature.return_type,
                             user.py_func.__qualname__, code.co_filename, code.co_firstlineno, result.library)


def _jitted(function: Callable, device: bool) -> CUDADispatcher:
    if not callable(function) or not hasattr(function, "__code__"):
        raise Unsupported(f"{function!r} is neither a @cuda.jit kernel nor a Python function")
    jitted = cuda.jit(device=device)(function)
    if not isinstance(jitted, CUDADispatcher):
        raise Unsupported("NUMBA_ENABLE_CUDASIM is set: there is no compiled code to differentiate")
    return jitted


def capability() -> tuple[int, int]:
    """The compute capability of the current GPU; without one, the oldest that is supported."""
    return tuple(cuda.get_current_device().compute_capability) if cuda.is_available() else OLDEST_GPU


@contextmanager
def _offline() -> Iterator[tuple[int, int]]:
    """Compile without asking a driver or libNVVM, whose data layout and version are all that lowering wants; keep
    device functions that are compiled meanwhile apart from the user's."""
    found = capability()
    hidden: dict[CUDADispatcher, OrderedDict] = {}

    def compile_device(self: Any, args: tuple, return_type: types.Type | None = None) -> Any:
        if self not in hidden:
            hidden[self], self.overloads = self.overloads, OrderedDict()
        return _COMPILE_DEVICE(self, args, return_type)

    def with_lines(*args: Any, **options: Any) -> Any:
        return compiler.compile_cuda(*args, **{**options, "debug": False, "lineinfo": True})

    device = SimpleNamespace(compute_capability=found)
    library = SimpleNamespace(data_layout=nvvm._datalayout, get_ir_version=lambda: (2, 0, 3, 2))
    try:
        with (patch.object(CUDADispatcher, "compile_device", compile_device),
              patch.object(dispatcher, "compile_cuda", with_lines),
              patch.object(dispatcher, "get_current_device", lambda: device),
              patch.object(nvvm, "NVVM", lambda: library)):
            yield found
    finally:
        for user, overloads in hidden.items():
            for compiled in user.overloads.values():    # known by their addresses, which will be used again
                compiled.target_context.remove_user_function(compiled.entry_point)
            user.overloads = overloads


_COMPILE_DEVICE = CUDADispatcher.compile_device
