"""PTX of the engine's text, with what of the CUDA toolkit it needs.

Given   LLVM text and an architecture.   Gives   PTX.
Unsure  raises `Unsupported` where the text calls libdevice and the toolkit is missing.
"""

from __future__ import annotations

from functools import cache, lru_cache

from cuda import pathfinder

from numbad.errors import Unsupported
from numbad.passes import nvptx
from numbad.passes.libdevice import PREFIX as LIBDEVICE
from numbad.passes.llvm import declared


def architecture(major: int, minor: int, variant: str = "") -> str:
    """`sm_90a`, as LLVM and CUDA's tools call it."""
    return f"sm_{major}{minor}{variant}"


@lru_cache(maxsize=256)
def ptx(text: str, sm: str, fastmath: bool = False, linked: frozenset[str] = frozenset()) -> str:
    """PTX of the engine's text; `linked` are names that the kernel's linked files define (`linked_names`)."""
    needs_libdevice = any(name.startswith(LIBDEVICE) for name in declared(text))
    library = _libdevice() if needs_libdevice else None
    return nvptx.assembly(text, sm, library, fastmath=fastmath, linked=linked)


def linked_names(primal: str) -> frozenset[str]:
    """What a prepared kernel calls and does not define. numba-cuda links files that do."""
    return frozenset(name for name in declared(primal) if not name.startswith(("llvm.", LIBDEVICE)))


@cache
def _libdevice() -> bytes:
    try:
        path = pathfinder.find_bitcode_lib("device")
    except pathfinder.BitcodeLibNotFoundError as error:
        raise Unsupported("the CUDA toolkit is needed for its libdevice: pip install 'numbad[cuda]', or set "
                          f"CUDA_HOME to where it is ({error})") from error
    with open(path, "rb") as file:
        return file.read()
