"""Kernels and device functions as LLVM text, before any LLVM pass.

Given   a `@cuda.jit` dispatcher and the Numba types of its arguments.
Gives   `lower`: the LLVM texts of the kernel and of everything that it calls, with what is needed to read its parameter
        list. Works without GPU, driver and CUDA toolkit.
Unsure  raises `Unsupported`. Errors of typing are numba-cuda's own and pass through unchanged.

Device functions are compiled afresh for each call, with source lines, and forgotten afterwards: what the user's own
launches have compiled has no lines, and must not be changed. `debug=True` is ignored: a kernel that stores its errors
for the host would have to be differentiated with that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from warnings import catch_warnings, simplefilter

from numba import cuda, types
from numba.cuda import compiler, dispatcher
from numba.cuda.codegen import CUDACodeLibrary
from numba.cuda.core.compiler_lock import global_compiler_lock
from numba.cuda.core.errors import NumbaDebugInfoWarning
from numba.cuda.cudadrv import nvvm
from numba.cuda.cudadrv.error import CudaSupportError
from numba.cuda.dispatcher import CUDADispatcher

from numbad.errors import Unsupported
from numbad.frontend import Parameter, parameters

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
    fastmath: bool
    library: CUDACodeLibrary
    """numba-cuda's own: says what files are to be linked, and whether all blocks must run at once."""
    extensions: tuple[Any, ...]
    """The user's, for arguments of types that numba-cuda does not know."""


def lower(kernel: CUDADispatcher | Callable, argtypes: tuple[types.Type, ...], device: bool = False) -> LoweredKernel:
    """The LLVM texts of `kernel` for arguments of these types; with `device`, of a function that kernels call."""
    user = kernel if isinstance(kernel, CUDADispatcher) else _jitted(kernel, device)
    options = user.targetoptions
    if bool(options.get("device")) != device:
        raise Unsupported(f"{user.py_func.__qualname__} is a device function: differentiate it inside a kernel" if
                          options.get("device") else f"{user.py_func.__qualname__} is a kernel and no device function")
    function_for = getattr(user, "function_for", None)      # of a derivative of ours, which depends on the types
    function = function_for(tuple(argtypes)) if function_for else user.py_func
    code = user.py_func.__code__
    # The counter tells numba-cuda that a call of the function within itself is recursion.
    with global_compiler_lock, _offline() as capability, user._compiling_counter:
        result = compiler.compile_cuda(
            function, None if device else types.void, tuple(argtypes), lineinfo=True,
            fastmath=bool(options.get("fastmath")), nvvm_options={}, cc=capability,
            max_registers=options.get("max_registers"))
        for file in options.get("link") or ():
            result.library.add_linking_file(file)
        entry = result.fndesc.llvm_func_name
        if not device:
            written = result.library.get_function(entry)
            compiler.kernel_fixup(written, False)
            nvvm.set_launch_bounds(written, options.get("launch_bounds"))
        return LoweredKernel((*result.library.llvm_strs, *_derivatives(result.library)), entry, tuple(argtypes),
                             parameters(result, result.signature), result.signature.return_type,
                             user.py_func.__qualname__, code.co_filename, code.co_firstlineno,
                             bool(options.get("fastmath")), result.library, tuple(options.get("extensions") or ()))


def called_types(function: CUDADispatcher, argtypes: tuple[types.Type, ...]) -> tuple[types.Type, ...]:
    """The types for which a device function is compiled when it is called with these: its own, if it declares some."""
    if function._can_compile:
        return argtypes
    template, _, argtypes, _ = function.get_call_template(argtypes, {})
    found = template(function.typingctx).apply(argtypes, {})
    if found is None:
        raise TypeError(f"{function.py_func.__qualname__} has no signature for arguments of types {argtypes}")
    return tuple(found.args)


def _derivatives(library: CUDACodeLibrary) -> list[str]:
    """The texts of derivatives that a kernel calls (see `calls`), each once."""
    found = (getattr(other, "derivative_text", None) for other in _linked(library))
    return [text for text in dict.fromkeys(found) if text is not None]


def _linked(library: Any) -> Iterator[Any]:
    """The libraries that a library is linked with, all the way. Files of the toolkit, as for float16, have none."""
    for other in getattr(library, "_linking_libraries", ()):
        yield other
        yield from _linked(other)


def kernel_of(kernel: CUDADispatcher | Callable, what: str) -> CUDADispatcher:
    """The kernel of which `what` is asked: numba-cuda's own, or made of a Python function."""
    if isinstance(kernel, CUDADispatcher):
        return kernel
    if not callable(kernel) or not hasattr(kernel, "__code__"):
        raise TypeError(f"{what}: {kernel!r} is no @cuda.jit kernel; a function for the host has numbad.jvp and "
                        "numbad.vjp")
    return cuda.jit(kernel)


def _jitted(function: Callable, device: bool) -> CUDADispatcher:
    if not callable(function) or not hasattr(function, "__code__"):
        raise Unsupported(f"{function!r} is neither a @cuda.jit kernel nor a Python function")
    return cuda.jit(device=device)(function)


def capability() -> tuple[int, int]:
    """The compute capability of the current GPU; without one, the oldest that is supported."""
    try:
        major, minor = cuda.get_current_device().compute_capability
    except CudaSupportError:
        return OLDEST_GPU
    return major, minor


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
        with (catch_warnings(),
              _replaced(CUDADispatcher, "compile_device", compile_device),
              _replaced(dispatcher, "compile_cuda", with_lines),
              _replaced(dispatcher, "get_current_device", lambda: device),
              _replaced(nvvm, "NVVM", lambda: library)):
            simplefilter("ignore", NumbaDebugInfoWarning)       # that a lambda has no source: nobody asked for lines
            yield found
    finally:
        for user, overloads in hidden.items():
            for compiled in user.overloads.values():    # known by their addresses, which will be used again
                compiled.target_context.remove_user_function(compiled.entry_point)
            user.overloads = overloads


_COMPILE_DEVICE = CUDADispatcher.compile_device


@contextmanager
def _replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        setattr(holder, name, original)
