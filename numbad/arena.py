"""`release_memory`: gives back what tapes left for later tapes (`numbad.passes.derivative.arena`)."""

from __future__ import annotations

from functools import cache

from llvmlite import ir
from numba import njit
from numba.core import types
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

from numbad.link import TextLibrary
from numbad.passes.derivative.arena import DRAIN, TEXT


def release_memory() -> int:
    """Give back the memory that gradients keep for the next ones; how many bytes it was.

    The tapes of finished calls, at most 256 MiB in all, stay with the process, since memory that is new to it costs
    more than the arithmetic of many a gradient. Safe at any time and on any thread: calls that run are not affected,
    and what they use is kept again when they finish. The first call compiles, for a fraction of a second.
    """
    return _drain()()


@cache
def _drain() -> Dispatcher:
    @njit
    def drain():
        return _drained()
    return drain


@intrinsic
def _drained(typingctx):
    def codegen(context, builder, signature, arguments):
        library = TextLibrary(context.codegen(), "numbad.arena", TEXT + DRAIN)
        context.active_code_library.add_linking_library(library)
        function = ir.Function(builder.module, ir.FunctionType(ir.IntType(64), []), "numbad.arena.drain")
        return builder.call(function, [])
    return types.int64(), codegen
