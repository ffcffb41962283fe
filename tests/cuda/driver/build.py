"""The stand-in compiled, and processes that have it for their driver.

Given   a folder.   Gives   the environment of a process whose CUDA driver is the stand-in.
Unsure  `missing` says why there can be none here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from cuda.emulator import available

TESTS = Path(__file__).parent.parent.parent
SOURCE = Path(__file__).with_name("libcuda.c")


@cache
def missing() -> str:
    """What is needed and not here; empty if nothing is."""
    if not shutil.which("cc"):
        return "needs a C compiler, cc"
    if not available():
        return available().reason
    try:
        from cuda import pathfinder
        pathfinder.find_bitcode_lib("device")
        for library in ("nvJitLink", "nvvm"):
            pathfinder.load_nvidia_dynamic_lib(library)
    except ImportError:
        return "numba-cuda is not installed"
    except (pathfinder.BitcodeLibNotFoundError, pathfinder.DynamicLibNotFoundError):
        return "needs the CUDA toolkit's nvJitLink and libNVVM: pip install 'numbad[cuda]'"
    return ""


def environment(folder: Path) -> dict[str, str]:
    """Compiles the stand-in there."""
    command = ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-fvisibility=hidden",
               "-Wl,-soname,libcuda.so.1", "-o", str(folder / "libcuda.so.1"), str(SOURCE)]
    subprocess.run(command, check=True, timeout=120)
    paths = [str(TESTS.parent), str(TESTS), str(TESTS.parent / "benchmarks"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "LD_LIBRARY_PATH": f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}",
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "NUMBAD_DRIVER_LOG": str(folder / "unknown.log")}


def run(folder: Path, *arguments: str, timeout: int = 600) -> subprocess.CompletedProcess:
    """`python -m ...` there, with the kernels of `kernels` installed first where pytest is told to."""
    return subprocess.run([sys.executable, *arguments], cwd=TESTS.parent, env=environment(folder), capture_output=True,
                          text=True, timeout=timeout)
