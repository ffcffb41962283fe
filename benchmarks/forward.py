"""What does a derivative in forward mode cost?

    python benchmarks/forward.py [--small] [--only PROBLEM ...]

For each problem: time of the function, of its derivative along one direction by `numbad.jvp`, and of its derivatives
along eight directions, one after the other and all at once. CPU time of one thread, medians, all in turns in one
process. The slopes are compared with those that the adjoint written by hand gives. Eight at once have no public
function yet; they are called as `wide.py` describes. A run over all problems at full size is stored as
results/forward.json and results/forward.md.
"""

import argparse
import sys
from typing import Any

import numpy as np

import measure
import numbad as nd
import tables
import wide
from problems import PROBLEMS, Problem

COLUMNS = 8  # at once
AGREE = 1e-9  # of slopes, relative to the largest

SHOWN = {  # heading: how a row's entry is written
    "problem": "{problem}",
    "primal ms": "{primal_ms:.3f}",
    "one ms": "{one_ms:.3f}",
    "one / primal": "{one_ratio:.2f}",
    "eight ms": "{eight_ms:.3f}",
    "eight / primal": "{eight_ratio:.2f}",
    "eight times one / primal": "{eight_times_one:.2f}",
    "result": "{result}",
}


def directions(problem: Problem, args: tuple) -> list[tuple]:
    """As tangents of all arguments, None for what is constant."""
    rng = np.random.default_rng(0)
    x = args[problem.argnum]
    chosen = [rng.standard_normal(x.shape) * np.abs(x) for _ in range(COLUMNS)]
    return [tuple(d if k == problem.argnum else None for k in range(len(args))) for d in chosen]


def verdict(one: float, eight: np.ndarray, singly: np.ndarray, by_hand: np.ndarray) -> str:
    """Right if the first direction alone, all eight at once, and eight single ones are what the adjoint says."""
    errors = np.concatenate([[one - by_hand[0]], eight - by_hand, singly - by_hand])
    return "right" if np.all(np.abs(errors) <= AGREE * np.max(np.abs(by_hand))) else "WRONG"


def measure_problem(problem: Problem, small: bool) -> dict[str, Any]:
    args = problem.make_inputs(small)
    tangents = directions(problem, args)
    jvp = nd.jvp(problem.primal)
    eight = wide.jvps(problem.primal, args, tangents)
    gradient = problem.adjoint(*args)
    by_hand = np.array([gradient @ tangent[problem.argnum] for tangent in tangents])
    singly = np.array([jvp(args, tangent)[1] for tangent in tangents])
    result = verdict(jvp(args, tangents[0])[1], eight()[1], singly, by_hand)
    ms = measure.medians_ms(
        {"primal": lambda: problem.primal(*args), "one": lambda: jvp(args, tangents[0]), "eight": eight},
        budget_s=0.1 if small else 2.5,
    )
    return {
        "problem": problem.name,
        "primal_ms": ms["primal"],
        "one_ms": ms["one"],
        "one_ratio": ms["one"] / ms["primal"],
        "eight_ms": ms["eight"],
        "eight_ratio": ms["eight"] / ms["primal"],
        "eight_times_one": COLUMNS * ms["one"] / ms["primal"],
        "result": result,
    }


def means_line(rows: list[dict[str, Any]]) -> str:
    one = measure.geometric_mean(row["one_ratio"] for row in rows)
    eight = measure.geometric_mean(row["eight_ratio"] for row in rows)
    return f"Geometric mean of the ratios to the primal: one direction {one:.2f}, eight at once {eight:.2f}."


def page(machine: dict[str, str], lines: list[str], means: str) -> list[str]:
    return [
        "# What does a derivative in forward mode cost?",
        "",
        "Written by `python benchmarks/forward.py`. One thread, CPU time, medians in one process. `one`: the",
        "derivative along one direction, by `numbad.jvp`. `eight`: along eight directions at once. `result`: the",
        "slopes are compared with those of the adjoint written by hand.",
        "",
        tables.machine_line(machine),
        "",
        *lines,
        "",
        means,
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="the sizes of the tests, mostly the overhead of a call")
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, metavar="PROBLEM", help="of " + ", ".join(PROBLEMS))
    options = parser.parse_args()

    show = tables.Growing(list(SHOWN), {"problem": 12})
    rows = []
    for name in options.only or PROBLEMS:
        rows.append(measure_problem(PROBLEMS[name], options.small))
        show.add([form.format(**rows[-1]) for form in SHOWN.values()])
    print(means_line(rows))
    wrong = [row["problem"] for row in rows if row["result"] != "right"]
    if wrong:
        print("Wrong: " + ", ".join(wrong))
    elif options.small or options.only:
        print("Not stored: only a full run is.")
    else:
        machine = measure.machine()
        lines = tables.table(list(SHOWN), [[form.format(**row) for form in SHOWN.values()] for row in rows])
        tables.store("forward", {"machine": machine, "problems": rows}, page(machine, lines, means_line(rows)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
