"""Stacks and records of the threads of a launch, and whether this machine can run fibers at all."""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
from typing import NamedTuple

import numpy as np
from cuda.emulator.runtime import RECORD

STACK, GUARD = 256 * 1024, mmap.PAGESIZE


class Availability(NamedTuple):
    holds: bool
    reason: str

    def __bool__(self) -> bool:
        return self.holds


def available() -> Availability:
    """Whether kernels can be emulated here, or why not."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return Availability(False, f"the emulator needs Linux on x86-64, not {sys.platform} on {platform.machine()}")
    if platform.libc_ver()[0] != "glibc":
        return Availability(False, "the emulator needs glibc's contexts")
    return Availability(True, "")


class Fibers:
    """Threads of one block: records, and stacks with a guard page below each, in one piece of memory."""

    def __init__(self, count: int):
        self.count = count
        self.memory = mmap.mmap(-1, max(count, 1) * (STACK + GUARD))
        view = np.frombuffer(self.memory, np.uint8)
        self.stacks = view.ctypes.data
        protect = ctypes.CDLL(None).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for i in range(count):
            protect(self.stacks + i * (STACK + GUARD), GUARD, 0)
        room = np.zeros((count + 1) * RECORD.itemsize, np.uint8)
        start = -room.ctypes.data % 64
        self.records = room[start:start + count * RECORD.itemsize].view(RECORD)

    @property
    def extent(self) -> tuple[int, int]:
        return self.stacks, self.stacks + self.count * (STACK + GUARD)
