"""Valgrind finds nothing in derivatives of a sample of the pool: no access outside of memory, no use of unset memory.

To look at a program of your own, write it like `MODULE` below, run it once, and run it again under Valgrind with the
same environment: the second run takes the machine code from Numba's cache, since compiling under Valgrind takes long.
Valgrind 3.19 knows no AVX-512, so code is made for an older processor. CPython itself reads beyond short strings; what
counts is what compiled code is part of: Valgrind has no name (`???`) for it.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pool import POOL, Entry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("valgrind") is None or platform.machine() != "x86_64", reason="needs Valgrind"),
]

ENVIRONMENT = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "", "PYTHONMALLOC": "malloc"}
VALGRIND = ["valgrind", "--smc-check=all-non-file", "--error-limit=no"]

MODULE = """
import os
import sys
import warnings

import numpy as np
from numba import njit

import numbad as nd
import oracles
from pool import POOL

warnings.simplefilter("ignore")


def run(program, forward, reverse):
    args = program.arguments()
    rng = np.random.default_rng(0)
    result, _ = forward(args, oracles.random_tangents(args, program.is_diff(), rng))
    reverse(args, oracles.random_like(result, rng))
    misses = sum(forward.stats.cache_misses.values()) + sum(reverse.stats.cache_misses.values())
    print(program.name, "compiled" if misses else "cached", flush=True)


@njit(cache=True)
def outside(x, k):
    return x[k]

"""
PROGRAM = """
program = POOL["{name}"]
jvp_{name} = nd.jvp(program.dispatcher, **program.outputs_option)
vjp_{name} = nd.vjp(program.dispatcher, **program.outputs_option)


@njit(cache=True)
def forward_{name}(primals, seeds):
    return jvp_{name}(primals, seeds)


@njit(cache=True)
def reverse_{name}(primals, seeds):
    return vjp_{name}(primals, seeds)


run(program, forward_{name}, reverse_{name})
"""
END = "os._exit(0)\n"  # the interpreter's own end is not of interest
FAULT = "outside(np.ones(4), 6)\n"


def sample() -> list[Entry]:
    return [e for e in POOL.values() if e.share(30) == 0 and e.raises is None and not e.may_refuse]


def run(path: Path, *tool: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, **ENVIRONMENT, "NUMBA_CACHE_DIR": str(path.parent / "cache"),
                   "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run([*tool, sys.executable, str(path)], env=environment, capture_output=True, text=True)


def findings(report: str) -> list[str]:
    """The errors that compiled code takes part in."""
    blocks = re.split(r"^==\d+== \n", report, flags=re.M)
    return [block for block in blocks if re.search(r"^==\d+== +(?:at|by) 0x[0-9A-F]+: \?\?\?", block, re.M)]


def checked(path: Path) -> tuple[list[str], str]:
    """What Valgrind finds, and what the program printed."""
    first = run(path)
    assert first.returncode == 0, first.stderr
    second = run(path, *VALGRIND)
    assert second.returncode == 0 and "ERROR SUMMARY" in second.stderr, second.stderr[-3000:]
    return findings(second.stderr), second.stdout


def test_derivatives(tmp_path: Path) -> None:
    programs = sample()
    path = tmp_path / "sample.py"
    path.write_text(MODULE + "".join(PROGRAM.format(name=program.name) for program in programs) + END)
    found, printed = checked(path)
    assert printed.split() == [word for program in programs for word in (program.name, "cached")]
    assert len(programs) >= 10
    assert not found, "\n".join(found)


def test_a_fault_is_found(tmp_path: Path) -> None:
    path = tmp_path / "fault.py"
    path.write_text(MODULE + FAULT + END)
    found, _ = checked(path)
    assert any("Invalid read of size 8" in error for error in found)
