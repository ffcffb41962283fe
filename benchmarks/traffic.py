"""How much global memory do a kernel's derivatives move, against the kernel?

    python benchmarks/traffic.py

Counts, on the emulator of the tests and so without a GPU, what a thread of the five kernels reads, writes and adds to:
what an instruction does to a place counts once between two barriers. A kernel that is bound by memory is slower by the
ratio of the bytes, an addition counted twice, for it reads and writes; the last column is the least that any gradient
moves that computes the kernel's results, adds to adjoints, and clears those of what is overwritten.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from cuda.emulator import EmulatedKernel, flatten
from cuda.emulator.dialect import ATOMIC, READ, WRITE
from cuda.machines import Emulated
from numba import typeof

import measure
import numbad as nd
import tables
from kernels import CASES, Case
from numbad.cuda import numba_cuda
from numbad.cuda.derive import KernelDerivative
from numbad.cuda.launch import Derivative
from numbad.cuda.memory import Array
from numbad.passes import llvm, nvptx

HEADINGS = ["kernel", "code", "read", "written", "added to", "tape", "bytes", "of the primal's", "least"]
PARTS = ("read", "written", "added", "tape")


def optimised(text: str) -> str:
    return llvm.optimise(nvptx.attributed(text), machine=nvptx.machine("sm_90"))


def counted(text: str, entry: str, launch: tuple, flat: list, tape: int = 0) -> dict[str, float]:
    """Bytes per thread; behind the address `tape` all is the tape's."""
    kernel = EmulatedKernel(text, entry, races=True)
    grid, block = launch
    notes = kernel.launch(grid, block, flat, budget=1 << 30)
    for low, high in kernel.shared.values():
        notes = notes[(notes["address"] < low) | (notes["address"] >= high)]
    kinds, threads = notes["what"] & 255, int(np.prod(grid) * np.prod(block))
    on_tape = (notes["address"] >= tape) & (notes["address"] < tape + TAPE) & (tape > 0)
    chosen = {"read": (kinds == READ) & ~on_tape, "written": (kinds == WRITE) & ~on_tape,
              "added": (kinds == ATOMIC) & ~on_tape, "tape": on_tape}
    return {part: float(notes["size"][chosen[part]].sum()) / threads for part in PARTS}


TAPE = 1 << 24


class Counting(Emulated):
    """Runs derivatives as a GPU would, and counts."""

    found: dict[str, float]

    def room(self, count: int) -> Array:
        return self.array(np.zeros(TAPE // 8, np.int64))

    def launch(self, derivative: KernelDerivative, configuration: tuple, arguments: Any, extra: Any) -> None:
        if derivative.tape is not None and extra[-2][1] == 0:  # it measures the tape
            super().launch(derivative, configuration, arguments, extra)
            return
        flat = flatten(*arguments) + [value for _, value in extra]
        tape = extra[-3][1] if derivative.tape is not None else 0
        self.found = counted(optimised(derivative.text), derivative.symbol, configuration[:2], flat, tape)


def of_primal(case: Case, arguments: tuple, launch: tuple) -> dict[str, float]:
    lowered = numba_cuda.lower(case.kernel, tuple(map(typeof, arguments)))
    text = optimised(nvptx.prepared(lowered.texts, lowered.entry, "sm_90"))
    return counted(text, lowered.entry, launch, flatten(*arguments))


def of_derivative(case: Case, arguments: tuple, launch: tuple, mode: str) -> dict[str, float]:
    machine = Counting()
    wrapped = [nd.Const(a) if k not in case.active else nd.Dup(a, shadow(a, mode)) for k, a in enumerate(arguments)]
    Derivative(case.kernel, mode, machine)[launch](*wrapped)
    return machine.found


def shadow(argument: Any, mode: str) -> Any:
    if isinstance(argument, np.ndarray):
        return np.ones_like(argument)
    return 1.0 if mode == "forward" else np.zeros(1)


def bytes_of(found: dict[str, float]) -> float:
    return found["read"] + found["written"] + 2 * found["added"] + found["tape"]


def main() -> int:
    show, rows = tables.Growing(HEADINGS, {"kernel": 12, "code": 9}), []
    for case in CASES:
        launch = case.launch(case.small)
        arguments = case.arguments(np.random.default_rng(0), case.small)
        codes = {"primal": of_primal(case, arguments, launch)}
        for mode, name in (("forward", "tangents"), ("reverse", "gradient")):
            codes[name] = of_derivative(case, case.arguments(np.random.default_rng(0), case.small), launch, mode)
        primal = codes["primal"]
        least = (3 * primal["read"] + 3 * primal["written"] + 2 * primal["added"]) / bytes_of(primal)
        for name, found in codes.items():
            cells = [f"{found[part]:.1f}" for part in PARTS]
            rows.append([case.name, name, *cells, f"{bytes_of(found):.1f}", f"{bytes_of(found) / bytes_of(primal):.2f}",
                         f"{least:.2f}" if name == "gradient" else ""])
            show.add(rows[-1])
    machine = measure.machine(["numba-cuda"])
    tables.store("traffic", {"machine": machine, "headings": HEADINGS, "rows": rows},
                 ["# Global memory that derivatives of CUDA kernels move", "",
                  "`python benchmarks/traffic.py`: bytes per thread; an addition counts twice in their sum.", "",
                  tables.machine_line(machine), "", *tables.table(HEADINGS, rows)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
