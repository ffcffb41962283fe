"""The same program gives the same text in every process: nothing depends on hash order or addresses.

A derivative is named by a hash of its text: a difference would also be a needless compilation.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROGRAM = r'''
import hashlib, sys
from pool import POOL
from numba.core.typing.typeof import typeof
from numbad.derive import derive
from numbad.request import Request

for name in sys.argv[1:]:
    entry = POOL[name]
    types = tuple(typeof(argument) for argument in entry.arguments())
    for mode in ("forward", "reverse"):
        derivative = derive(entry.dispatcher, types, Request(mode, entry.is_diff()))
        digest = hashlib.sha256("\n".join([derivative.text, *derivative.plans]).encode()).hexdigest()
        print(name, mode, derivative.symbol, digest)
'''

NAMES = ("ragged_rows", "allocated_in_loop", "recursion_over_array", "p03_floats_moved_as_integers", "array_result")


def lines(seed: str) -> list[str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM, *NAMES], capture_output=True, text=True,
                          env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_hash_seeds_do_not_show() -> None:
    first, second = lines("1"), lines("20")
    assert len(first) == len(set(first)) == 2 * len(NAMES)
    assert first == second
