"""Does the cost of a gradient grow linearly with the number of steps and of cells?

    python benchmarks/linear_cost.py

Prints, for growing sizes, the time per step and cell of the primal and of its gradient, and the exponent p of the
best fit time ~ size^p. 1 is linear. Cells whose data leaves a cache cost more than cells that stay in it, so p of
the primal beside p of the gradient says more than either alone.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import measure
import numbad as nd
from problems import PROBLEMS


@dataclass(frozen=True)
class Sweep:
    """One problem at several sizes; `keyword` is the argument of its setup that changes."""

    problem: str
    keyword: str
    sizes: Sequence[int]
    fixed: dict[str, int]

    def cells(self, size: int) -> int:
        """How many cell updates one call makes."""
        at = {**self.fixed, self.keyword: size}
        n, steps = at.get("n", 1), at.get("steps", 1)
        return steps * (n * n if self.problem == "heat2d" else n)


SWEEPS = (
    Sweep("ode", "steps", (10_000, 30_000, 100_000, 300_000, 1_000_000), {}),
    Sweep("heat2d", "steps", (25, 50, 100, 200, 400), {"n": 128}),
    Sweep("heat2d", "n", (32, 64, 128, 256, 512), {"steps": 50}),
    Sweep("burgers", "steps", (125, 250, 500, 1000, 2000), {"n": 1000}),
    Sweep("burgers", "n", (250, 500, 1000, 2000, 4000), {"steps": 250}),
    Sweep("newton_sqrt", "n", (10_000, 30_000, 100_000, 300_000), {}),
)


def run(sweep: Sweep) -> tuple[float, float]:
    """Prints one table; gives the exponents of the primal and of the gradient."""
    problem = PROBLEMS[sweep.problem]
    gradient = nd.grad(problem.primal, problem.argnum)
    held = "".join(f", {key} = {value}" for key, value in sweep.fixed.items())
    print(f"\n{sweep.problem}: {sweep.keyword} grows{held}")
    print(f"{sweep.keyword:>10} {'primal ns/cell':>16} {'gradient ns/cell':>18} {'ratio':>8}")
    cells, primal_ms, gradient_ms = [], [], []
    for size in sweep.sizes:
        args = problem.setup(**{**sweep.fixed, sweep.keyword: size})
        ms = measure.medians_ms(
            {"primal": lambda a=args: problem.primal(*a), "gradient": lambda a=args: gradient(*a)}, budget_s=1.0
        )
        cells.append(sweep.cells(size))
        primal_ms.append(ms["primal"])
        gradient_ms.append(ms["gradient"])
        per_cell = [1e6 * ms[key] / cells[-1] for key in ("primal", "gradient")]
        print(f"{size:>10} {per_cell[0]:>16.3f} {per_cell[1]:>18.3f} {ms['gradient'] / ms['primal']:>8.2f}", flush=True)
    exponents = measure.slope(cells, primal_ms), measure.slope(cells, gradient_ms)
    print(f"{'exponent':>10} {exponents[0]:>16.2f} {exponents[1]:>18.2f}")
    return exponents


def main() -> int:
    measure.start_numba()
    for sweep in SWEEPS:
        run(sweep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
