"""What the code of a derivative depends on besides the function: a digest that stays the same as long as that does.

Given   this process: its packages, Python, the settings of Numba.
Gives   a digest. For numbad it holds what the source files say, since a checkout changes without its version.
Unsure  whether a setting of Numba matters: it counts unless it is known not to.
"""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from pathlib import Path

import llvmlite
import numba
import numpy
from numba.core import config

import numbad
import numbad.passes

_IMMATERIAL = ("CACHE_", "COLOR_", "CUDA_", "DEBUG_", "DUMP_", "NUMBA_", "THREADING_")
"""How the names of settings begin that change messages, places and threads, but no code for CPUs."""


def stamp() -> str:
    versions = [f"{package.__name__} {package.__version__}" for package in (numba, llvmlite, numpy)]
    parts = [*versions, platform.python_version(), *_settings(), _sources()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _settings() -> list[str]:
    return [f"{name}={value!r}" for name, value in sorted(vars(config).items())
            if name.isupper() and not name.startswith(_IMMATERIAL)
            and isinstance(value, (bool, int, float, str, type(None)))]


@cache
def _sources() -> str:
    digest = hashlib.sha256()
    for package in (numbad, numbad.passes):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
