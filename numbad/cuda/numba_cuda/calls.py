"""Calls of derivatives from kernels of numba-cuda: LLVM text of ours as a foreign function.

Given   LLVM text with a device function in it, and its signature.
Gives   what compiled code can call. A library that calls it has a `Library` among those that it links: numba-cuda's own
        launch gets PTX of that, which is made when it is asked for, `lower` the LLVM text.
Unsure  PTX needs libdevice where the function uses it; without, `Unsupported` is raised at the launch.

libNVVM reads LLVM 7's text only for most GPUs, so that a kernel cannot have the text itself, and the call stays a call.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from numba.core import types
from numba.core.typing import signature
from numba.cuda.codegen import ExternalCodeLibrary
from numba.cuda.compiler import ExternFunction
from numba.cuda.core import funcdesc
from numba.cuda.core.callconv import CUDACallConv
from numba.cuda.cudadrv.linkable_code import PTXSource
from numba.cuda.descriptor import cuda_target
from numba.cuda.typing import templates

from numbad.cuda.numba_cuda.code import architecture, linked_names, ptx
from numbad.cuda.numba_cuda.lowering import LoweredKernel, capability


@dataclass(frozen=True)
class Foreign:
    """`symbol` in `text` takes arguments of these types, in numba-cuda's convention, and gives a tuple of numbers."""

    text: str
    symbol: str
    argtypes: tuple[types.Type, ...]
    result: types.Type


class Ptx(PTXSource):
    """A text as PTX for the current GPU."""

    is_derivative = True

    def __init__(self, callee: Foreign, fastmath: bool):
        super().__init__(b"", name=f"{callee.symbol}.ptx")
        self.text, self.symbol, self.fastmath = callee.text, callee.symbol, fastmath

    @property
    def data(self) -> bytes:
        sm = architecture(*capability())
        return ptx(self.text, sm, self.fastmath, linked_names(self.text)).encode()


class Library(ExternalCodeLibrary):
    """A text to be linked."""

    linking_libraries: tuple = ()       # all others of numba-cuda's have some

    def __init__(self, callee: Foreign, primal: LoweredKernel):
        super().__init__(cuda_target.target_context.codegen(), callee.symbol)
        theirs = primal.library
        self.derivative_text = callee.text
        self._linking_files |= {file for file in theirs._linking_files if not isinstance(file, Ptx)}
        self._linking_files.add(_ptx(callee, primal.fastmath))
        self._setup_functions += theirs._setup_functions
        self._teardown_functions += theirs._teardown_functions
        self.use_cooperative = theirs.use_cooperative
        self.referenced_objects = theirs.referenced_objects


_known: weakref.WeakValueDictionary[tuple[str, bool], Ptx] = weakref.WeakValueDictionary()


def _ptx(callee: Foreign, fastmath: bool) -> Ptx:
    """Always the same object for the same text: what is linked twice is defined twice."""
    found = _known.get((callee.symbol, fastmath))
    if found is None:
        found = _known[callee.symbol, fastmath] = Ptx(callee, fastmath)
    return found


def declare(callee: Foreign, primal: LoweredKernel) -> Any:
    """What calls the function, as a constant of compiled code."""
    typing, target = cuda_target.typing_context, cuda_target.target_context
    function = ExternFunction(callee.symbol, signature(callee.result, *callee.argtypes))
    typing.insert_user_function(function, templates.make_concrete_template(callee.symbol, function, [function.sig]))
    description = funcdesc.ExternalFunctionDescriptor(callee.symbol, callee.result, callee.argtypes,
                                                      CUDACallConv(target))
    target.insert_user_function(function, description, libs=(Library(callee, primal),))
    return function


def memory_type(ty: types.Type) -> str:
    """The LLVM type of a result where it is handed over."""
    return str(cuda_target.target_context.data_model_manager[ty].get_return_type())
