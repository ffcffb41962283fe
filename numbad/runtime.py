"""Symbols that generated code refers to, registered with LLVM when numbad is imported.

Code from an on-disk cache may run before a user calls numbad: the entry point `numbad:_init_extension` registers too.
"""

from __future__ import annotations

import ctypes

import llvmlite.binding as binding

from numbad.passes.derivative.arena import ARENA, SLOTS
from numbad.passes.derivative.tape import BYTES

_tape_bytes = ctypes.c_int64(0)
_arena = (ctypes.c_int64 * (SLOTS + 1))()


def register() -> None:
    """Tell LLVM where the run-time symbols are; may be called again."""
    binding.add_symbol(BYTES, ctypes.addressof(_tape_bytes))
    binding.add_symbol(ARENA, ctypes.addressof(_arena))


def last_tape_bytes() -> int:
    """Bytes of tape that the last derivative to finish, in any thread, had allocated; 0 if it needed none."""
    return _tape_bytes.value


register()
