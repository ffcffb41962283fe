"""Sees every stage of a differentiation, for those who develop the engine.

    NUMBAD_PRINT_AFTER=stage,...    prints the code after these stages
    NUMBAD_VERIFY=1                 verifies the code behind every stage
    NUMBAD_TIME=1                   says how long each stage took

Everything is printed to stderr. `stage` tells where a failure happened.
"""

from __future__ import annotations

import os
import sys
import time

from numbad.passes.ir.function import Module
from numbad.passes.ir.printer import print_module
from numbad.passes.ir.verifier import verify


class Watch:
    def __init__(self) -> None:
        self.stage = "at the start"
        self._last = time.perf_counter()
        self._print = set(filter(None, os.environ.get("NUMBAD_PRINT_AFTER", "").split(",")))
        self._verify = is_on("NUMBAD_VERIFY")
        self._time = is_on("NUMBAD_TIME")

    def __call__(self, stage: str, module: Module | None = None) -> None:
        now = time.perf_counter()
        self.stage = f"after {stage}"
        if self._time:
            print(f"numbad: {stage:10s} {(now - self._last) * 1e3:8.1f} ms", file=sys.stderr)
        if module is not None and self._verify:
            verify(module)
        if module is not None and stage in self._print:
            print(print_module(module), file=sys.stderr)
        self._last = time.perf_counter()


def is_on(switch: str) -> bool:
    return os.environ.get(switch, "0") not in ("", "0")
