"""What does a gradient cost?

    python benchmarks/gradients.py [--small] [--only NAME ...]

For each problem: time of the function, of `numbad.grad` of it and of the adjoint that an expert writes by hand, in
CPU time of one thread; the compile times; and how far the two gradients differ, relative to the largest entry. A run
over all problems at full size is stored as results/gradients.json and results/gradients.md.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import measure
import numbad as nd
from problems import PROBLEMS, Problem

RESULTS = Path(__file__).parent / "results"
AGREE = 1e-9  # larger differences between the two gradients are reported as wrong

COLUMNS = {  # heading: how a row's number is written
    "problem": "{name}",
    "primal ms": "{primal_ms:.3f}",
    "gradient ms": "{gradient_ms:.3f}",
    "ratio": "{ratio:.2f}",
    "by hand ms": "{hand_ms:.3f}",
    "by hand ratio": "{hand_ratio:.2f}",
    "compile primal s": "{compile_primal_s:.2f}",
    "compile gradient s": "{compile_gradient_s:.2f}",
    "difference": "{difference:.0e}",
}


def measure_problem(problem: Problem, small: bool) -> dict[str, Any]:
    """One row of the table."""
    args = problem.make_inputs(small)
    gradient = nd.grad(problem.primal, problem.argnum)
    primal_first = measure.first_call_s(lambda: problem.primal(*args))
    gradient_first = measure.first_call_s(lambda: gradient(*args))
    hand = problem.adjoint(*args)
    difference = float(np.max(np.abs(gradient(*args) - hand)) / np.max(np.abs(hand)))
    ms = measure.medians_ms(
        {
            "primal": lambda: problem.primal(*args),
            "gradient": lambda: gradient(*args),
            "hand": lambda: problem.adjoint(*args),
        },
        budget_s=0.5 if small else 3.0,
    )
    return {
        "name": problem.name,
        "summary": problem.summary,
        "primal_ms": ms["primal"],
        "gradient_ms": ms["gradient"],
        "ratio": ms["gradient"] / ms["primal"],
        "hand_ms": ms["hand"],
        "hand_ratio": ms["hand"] / ms["primal"],
        "compile_primal_s": max(0.0, primal_first - 1e-3 * ms["primal"]),
        "compile_gradient_s": max(0.0, gradient_first - 1e-3 * ms["gradient"]),
        "difference": difference,
    }


def table_line(cells: list[str]) -> str:
    widths = [max(12, len(heading)) for heading in COLUMNS]
    return "| " + " | ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def row_line(row: dict[str, Any]) -> str:
    return table_line([form.format(**row) for form in COLUMNS.values()])


def head_lines() -> list[str]:
    return [table_line(list(COLUMNS)), "|" + "|".join("-" * (max(12, len(heading)) + 2) for heading in COLUMNS) + "|"]


def means_line(rows: list[dict[str, Any]]) -> str:
    ours = measure.geometric_mean(row["ratio"] for row in rows)
    hand = measure.geometric_mean(row["hand_ratio"] for row in rows)
    return f"Geometric mean of the ratios: gradient {ours:.2f}, by hand {hand:.2f}."


def store(rows: list[dict[str, Any]]) -> None:
    machine = measure.machine()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "gradients.json").write_text(json.dumps({"machine": machine, "problems": rows}, indent=1) + "\n")
    page = [
        "# What does a gradient cost?",
        "",
        "Written by `python benchmarks/gradients.py`. One thread, CPU time, medians in one process. `ratio`: time of",
        "the gradient / time of the primal. `by hand`: the adjoint that an expert writes. `difference`: between the",
        "two gradients, relative to the largest entry.",
        "",
        "Machine: " + ", ".join(f"{key} {value}" for key, value in machine.items()) + ".",
        "",
        *head_lines(),
        *map(row_line, rows),
        "",
        means_line(rows),
        "",
        *(f"- **{row['name']}**: {row['summary']}" for row in rows),
    ]
    (RESULTS / "gradients.md").write_text("\n".join(page) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="the sizes of the tests, mostly the overhead of a call")
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, metavar="NAME", help="of " + ", ".join(PROBLEMS))
    options = parser.parse_args()
    chosen = options.only or list(PROBLEMS)

    measure.start_numba()
    print(*head_lines(), sep="\n", flush=True)
    rows, failed = [], []
    for name in chosen:
        try:
            row = measure_problem(PROBLEMS[name], options.small)
        except nd.Error as error:  # a refusal is a result: it is shown, the others go on, and the exit status tells
            failed.append(name)
            print(f"| {name.rjust(12)} | {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
            continue
        rows.append(row)
        wrong = not row["difference"] <= AGREE
        if wrong:
            failed.append(name)
        print(row_line(row) + (" WRONG" if wrong else ""), flush=True)
    if rows:
        print(means_line(rows))
    if failed:
        print("No right gradient for: " + ", ".join(failed))
    elif options.small or options.only:
        print("Not stored: only a full run is.")
    else:
        store(rows)
        print("Stored in results/gradients.json and results/gradients.md.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
