"""How much memory does a call need at its peak?

The operating system keeps the largest amount of memory that a process has held, and Linux can be told to start over.
So one process can tell what one call adds to what it held before, in whatever language the memory was taken.
"""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_START_OVER = "5"


def peak_mib(call: Callable[[], T]) -> tuple[T, float | None]:
    """The result of `call`, and by how many MiB memory grew during it; None where the system does not tell."""
    if not _CLEAR.exists():
        return call(), None
    gc.collect()
    _return_free_memory()
    _CLEAR.write_text(_START_OVER)
    before = _held_kib("VmRSS")
    result = call()
    return result, max(0.0, (_held_kib("VmHWM") - before) / 1024)


def _return_free_memory() -> None:
    """Pages that were freed but are still held would be used again unnoticed."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)


def _held_kib(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1])
