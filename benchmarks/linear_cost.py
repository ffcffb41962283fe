"""Does the cost of a gradient grow linearly with the number of steps and of cells, in time and in memory?

    python benchmarks/linear_cost.py [--small]

For growing sizes: the time of the primal and of its gradient for each cell that a step updates (or pair of bodies that
it visits), and the bytes of tape for each step. Then the exponents p of the best fit ~ size^p. 1 is linear. Cells whose
data leaves a cache cost more than cells that stay in it, so p of the primal beside p of the gradient says more than
either alone. Each sweep runs in a process of its own, since a tape may be longer than it need be where the process has
had a longer one. The last full run is stored as results/linear_cost.json and results/linear_cost.md.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import numbad as nd
import tables
from numbad.runtime import last_tape_bytes
from problems import PROBLEMS
from processes import result_of, tell

QUADRATIC = ("heat2d", "nbody")  # a step visits n * n cells or pairs

SHOWN = {  # heading: how a row's entry is written
    "problem": "{problem}",
    "size": "{size}",
    "primal ns/cell": "{primal_ns:.3f}",
    "gradient ns/cell": "{gradient_ns:.3f}",
    "ratio": "{ratio:.2f}",
    "tape bytes/step": "{tape_bytes:.0f}",
}


@dataclass(frozen=True)
class Sweep:
    """One problem at several sizes; `keyword` is the argument of its setup that changes."""

    problem: str
    keyword: str
    sizes: Sequence[int]
    fixed: dict[str, int]

    def steps(self, size: int) -> int:
        return {**self.fixed, self.keyword: size}.get("steps", 1)

    def cells(self, size: int) -> int:
        """How many cell updates one call makes."""
        n = {**self.fixed, self.keyword: size}.get("n", 1)
        return self.steps(size) * (n * n if self.problem in QUADRATIC else n)


SWEEPS = (
    Sweep("ode", "steps", (10_000, 30_000, 100_000, 300_000, 1_000_000), {}),
    Sweep("heat2d", "steps", (25, 50, 100, 200, 400), {"n": 128}),
    Sweep("heat2d", "n", (32, 64, 128, 256, 512), {"steps": 50}),
    Sweep("nbody", "steps", (25, 50, 100, 200, 400), {"n": 64}),
    Sweep("nbody", "n", (16, 32, 64, 128, 256), {"steps": 25}),
    Sweep("burgers", "steps", (125, 250, 500, 1000, 2000), {"n": 1000}),
    Sweep("burgers", "n", (250, 500, 1000, 2000, 4000), {"steps": 250}),
    Sweep("newton_sqrt", "n", (10_000, 30_000, 100_000, 300_000), {}),
)
SMALL_SWEEPS = (Sweep("nbody", "n", (4, 8, 16), {"steps": 5}),)


def run(sweep: Sweep, budget_s: float) -> list[dict[str, Any]]:
    """A row for each size."""
    problem = PROBLEMS[sweep.problem]
    gradient = nd.grad(problem.primal, problem.argnum)
    rows = []
    for size in sweep.sizes:
        args = problem.setup(**{**sweep.fixed, sweep.keyword: size})
        gradient(*args)
        tape_bytes = last_tape_bytes()
        ms = measure.medians_ms(
            {"primal": lambda a=args: problem.primal(*a), "gradient": lambda a=args: gradient(*a)}, budget_s
        )
        cells = sweep.cells(size)
        rows.append(
            {
                "problem": sweep.problem,
                "size": f"{sweep.keyword} = {size}",
                "cells": cells,
                "primal_ns": 1e6 * ms["primal"] / cells,
                "gradient_ns": 1e6 * ms["gradient"] / cells,
                "ratio": ms["gradient"] / ms["primal"],
                "tape_bytes": tape_bytes / sweep.steps(size),
            }
        )
    return rows


def exponents(sweep: Sweep, rows: list[dict[str, Any]]) -> dict[str, float]:
    """Of the times in the number of cells, of a step's tape in the size that grows."""
    cells = [row["cells"] for row in rows]
    tape = [row["tape_bytes"] for row in rows]
    return {
        "primal": measure.slope(cells, [row["primal_ns"] * row["cells"] for row in rows]),
        "gradient": measure.slope(cells, [row["gradient_ns"] * row["cells"] for row in rows]),
        "tape of a step": measure.slope(sweep.sizes, tape) if min(tape) > 0 else 0.0,
    }


def exponents_line(sweep: Sweep, found: dict[str, float]) -> str:
    held = "".join(f", {key} = {value}" for key, value in sweep.fixed.items())
    shown = ", ".join(f"{what} {exponent:.2f}" for what, exponent in found.items())
    return f"{sweep.problem}, {sweep.keyword} grows{held}: {shown}"


def page(machine: dict[str, str], rows: list[dict[str, Any]], lines: list[str]) -> list[str]:
    return [
        "# Does the cost of a gradient grow linearly?",
        "",
        "Written by `python benchmarks/linear_cost.py`, whose first lines say what is measured.",
        "",
        tables.machine_line(machine),
        "",
        *tables.table(list(SHOWN), [[form.format(**row) for form in SHOWN.values()] for row in rows]),
        "",
        "Exponents, of time in the number of cells and of a step's tape in the size that grows:",
        "",
        *(f"- {line}" for line in lines),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="the sizes of the tests")
    parser.add_argument("--sweep", type=int, help="only this one, by number, for the process that has started this one")
    options = parser.parse_args()
    sweeps = SMALL_SWEEPS if options.small else SWEEPS
    if options.sweep is not None:
        measure.start_numba()
        tell(run(sweeps[options.sweep], budget_s=0.05 if options.small else 1.0))
        return 0

    show = tables.Growing(list(SHOWN), {"problem": 12, "size": 15})
    rows, lines, found = [], [], {}
    for number, sweep in enumerate(sweeps):
        again = ["--sweep", str(number), *(["--small"] if options.small else [])]
        ours = result_of(Path(__file__), again, limit_s=120)
        for row in ours:
            show.add([form.format(**row) for form in SHOWN.values()])
        rows += ours
        found[f"{sweep.problem} {sweep.keyword}"] = exponents(sweep, ours)
        lines.append(exponents_line(sweep, exponents(sweep, ours)))
    print("Exponents:", *lines, sep="\n  ")
    if options.small:
        print("Not stored: only a full run is.")
    else:
        machine = measure.machine()
        tables.store(
            "linear_cost", {"machine": machine, "exponents": found, "sizes": rows}, page(machine, rows, lines)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
