"""Kernels that the stand-in launches, run on the emulator. A plugin of pytest: `-p cuda.driver.kernels`.

Given   a kernel's name and its parameters, as the driver gets them.
Gives   what the kernel writes, in the memory that the parameters point to.
Unsure  a launch fails, and the traceback is printed: no text of that name is known, or the emulator found a mistake.

Texts are those of numba-cuda's own kernels as it hands them to libNVVM, linked with what they call, and those of
derivatives as they are when `Gpu.launch` gets them. Races and accesses outside of arrays are not looked for here.
"""

from __future__ import annotations

import ctypes
import traceback
from dataclasses import dataclass
from typing import Any

from cuda.emulator import EmulatedKernel
from cuda.emulator.kernel import ctypes_of
from cuda.lowering import simplified

from numbad.cuda import gpu
from numbad.passes import llvm, nvptx
from numbad.passes.atomics import with_bodies

SWITCHES = 1 << 30
"""Between threads, in a block: more than the emulator allows in short tests."""

CUDA = ctypes.CDLL("libcuda.so.1")
THREE = ctypes.POINTER(ctypes.c_uint * 3)
TAKE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, THREE, THREE, ctypes.c_uint, ctypes.POINTER(ctypes.c_void_p),
                        ctypes.c_void_p, ctypes.c_int)
RUN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


@dataclass
class Launched:
    """One launch, for tests to look at."""

    name: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int
    stream: int
    cooperative: bool
    parameters: list[Any]
    done: bool = False


texts: dict[str, str] = {}
libraries: dict[str, Any] = {}
emulated: dict[str, EmulatedKernel] = {}
launches: list[Launched] = []


def kernel_of(name: str) -> EmulatedKernel:
    if name not in emulated:
        if name not in texts:
            library = libraries[name]
            called = [other.derivative_text for other in library.linking_libraries
                      if hasattr(other, "derivative_text")]
            machine = nvptx.machine("sm_90")
            text = with_bodies(nvptx.attributed(llvm.link(*library.llvm_strs, *called, machine=machine)))
            texts[name] = simplified(llvm.internalised(text, name), 2)
        emulated[name] = EmulatedKernel(texts[name], name)
    return emulated[name]


def taken(name, grid, block, shared, parameters, stream, cooperative) -> int:
    try:
        types = kernel_of(name.decode()).parameters
        values = [ctypes_of[ty].from_address(parameters[k]).value for k, ty in enumerate(types)]
    except Exception:
        traceback.print_exc()
        return -1
    launches.append(Launched(name.decode(), tuple(grid[0]), tuple(block[0]), shared, stream or 0, bool(cooperative),
                             values))
    return len(launches) - 1


def run(number) -> int:
    launch = launches[number]
    try:
        kernel_of(launch.name).launch(launch.grid, launch.block, launch.parameters, launch.shared,
                                      budget=SWITCHES)
    except Exception:
        traceback.print_exc()
        return 1
    launch.done = True
    return 0


held = TAKE(taken), RUN(run)


def install() -> None:
    from numba.cuda.codegen import CUDACodeLibrary

    def assembled(self, cc=None, original=CUDACodeLibrary.get_asm_strs):
        libraries[self._entry_name] = self
        return original(self, cc)

    def launched(self, derivative, *more, original=gpu.Gpu.launch):
        if texts.setdefault(derivative.symbol, derivative.text) != derivative.text:
            raise AssertionError(f"two derivatives are called {derivative.symbol}")
        return original(self, derivative, *more)

    CUDACodeLibrary.get_asm_strs, gpu.Gpu.launch = assembled, launched
    CUDA.standin_kernels(*held)


install()
