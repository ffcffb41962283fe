"""What does a gradient cost, here and elsewhere?

    python benchmarks/gradients.py [--small] [--only PROBLEM ...] [--by SYSTEM ...]

For each problem: time of the function and of its gradient, by `numbad.grad`, by the adjoint that an expert writes by
hand, and by each peer that is installed (`pip install jax torch warp-lang enzyme-ad`); whether the gradient is right;
the memory that it needs; and what it takes to compile. Times are CPU time of one thread. Each system runs in a process
of its own, in turns with Numba's primal. A run over all problems and systems at full size takes some ten minutes and is
stored as results/gradients.json, results/gradients.md and the chart results/gradients.svg.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import chart
import measure
import tables
from peers import ONE_THREAD, PEERS
from problems import PROBLEMS
from processes import NoResult, result_of

ONE = Path(__file__).parent / "one_gradient.py"
LIMIT_S = 180.0

Row = dict[str, Any]

COLUMNS = {  # heading: how a row's entry is written
    "problem": "{problem}",
    "by": "{by}",
    "primal ms": "{primal_ms:.3f}",
    "gradient ms": "{gradient_ms:.3f}",
    "/ own primal": "{ratio:.2f}",
    "/ Numba's primal": "{numba_ratio:.2f}",
    "result": "{result}",
    "error": "{error:.0e}",
    "memory MiB": "{memory_mib:.1f}",
    "compile primal s": "{compile_primal_s:.2f}",
    "compile gradient s": "{compile_gradient_s:.2f}",
}

EXPLANATION = """\
One thread, CPU time, medians. `/ own primal`: time of the gradient / time of the system's own primal. `/ Numba's
primal`: the same gradient / Numba's primal in the same process; a system whose primal is slow looks good in the first
and not in the second. `by hand`: the adjoint that an expert writes in Numba. `result`: the gradient is compared with
the one by hand, that with finite differences; `error` is the difference, relative to the largest entry. `memory`: what
one gradient adds to what the process held, at its peak. `compile`: of the primal, then of the gradient; Warp compiles
the two together."""


def measured(problem: str, system: str, small: bool) -> list[Row]:
    """The rows of one process; a row without numbers says why there are none."""
    try:
        return result_of(ONE, [problem, system, *(["--small"] if small else [])], LIMIT_S, ONE_THREAD)
    except NoResult as reason:
        by = "numbad" if system == "numbad" else PEERS[system].title
        return [{"problem": problem, "by": by, "result": str(reason)}]


def cells(row: Row) -> list[str]:
    return [form.format(**row) if row.get(form[1:-1].split(":")[0]) is not None else "–" for form in COLUMNS.values()]


def comparison(rows: list[Row]) -> list[str]:
    """A line per problem, a column per system: time of the gradient / time of Numba's primal."""
    systems = list(dict.fromkeys(row["by"] for row in rows))
    by_place = {(row["problem"], row["by"]): row for row in rows}
    lines = tables.table(
        ["problem", *systems],
        [
            [name, *(ratio_cell(by_place.get((name, system))) for system in systems)]
            for name in dict.fromkeys(row["problem"] for row in rows)
        ]
        + [["geometric mean", *(mean_cell([row for row in rows if row["by"] == system]) for system in systems)]],
    )
    return lines


def ratio_cell(row: Row | None) -> str:
    if row is None or "numba_ratio" not in row:
        return "–" if row is None or row["result"].startswith("cannot") else row["result"]
    digits = f"{row['numba_ratio']:.3g}"
    return digits + ("" if row["result"] == "right" else " WRONG") + (" *" if "size" in row else "")


def mean_cell(rows: Iterable[Row]) -> str:
    right = [row["numba_ratio"] for row in rows if row["result"] == "right"]
    return f"{measure.geometric_mean(right):.3g} of {len(right)}" if right else "–"


def page(machine: dict[str, str], rows: list[Row]) -> list[str]:
    """What is stored beside the numbers, for people."""
    smaller = {f"{row['by']} on {row['problem']}: {row['size']}" for row in rows if "size" in row}
    tapes = [f"{row['problem']} {row['tape_mib']:.3g}" for row in rows if "tape_mib" in row]
    return [
        "# What does a gradient cost?",
        "",
        "Written by `python benchmarks/gradients.py`.",
        "",
        tables.machine_line(machine),
        "",
        "![time of a gradient in units of the primal](gradients.svg)",
        "",
        "## Time of the gradient / time of Numba's primal",
        "",
        *comparison(rows),
        "",
        "The mean is over the right ones. *: measured at a smaller size, against Numba's primal at that size"
        f" ({'; '.join(sorted(smaller))})." if smaller else "The mean is over the right ones.",
        "",
        "## Everything measured",
        "",
        *EXPLANATION.splitlines(),
        "",
        *tables.table(list(COLUMNS), [cells(row) for row in rows]),
        "",
        f"Of numbad's memory is tape, in MiB: {', '.join(tapes)}.",
        "",
        *(f"- **{name}**: {problem.summary}" for name, problem in PROBLEMS.items()),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="the sizes of the tests, mostly the overhead of a call")
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, metavar="PROBLEM", help="of " + ", ".join(PROBLEMS))
    parser.add_argument("--by", nargs="*", choices=PEERS, metavar="SYSTEM", help="peers, of " + ", ".join(PEERS))
    options = parser.parse_args()
    installed = [name for name, peer in PEERS.items() if peer.is_installed()]
    systems = ["numbad", *(installed if options.by is None else options.by)]
    missing = [peer.title for peer in PEERS.values() if not peer.is_installed()]
    if missing:
        print("Not installed: " + ", ".join(missing))

    show = tables.Growing(list(COLUMNS), {"problem": 12, "by": 18})
    rows = []
    for name in options.only or PROBLEMS:
        for system in systems:
            for row in measured(name, system, options.small):
                rows.append(row)
                show.add(cells(row))
    print("\nTime of the gradient / time of Numba's primal:\n", *comparison(rows), sep="\n")
    failed = [row["problem"] for row in rows if row["by"] in ("numbad", "by hand") and row["result"] != "right"]
    if failed:
        print("No right gradient for: " + ", ".join(dict.fromkeys(failed)))
    elif options.small or options.only or options.by is not None:
        print("Not stored: only a full run is.")
    else:
        machine = measure.machine(peer.package for peer in PEERS.values() if peer.is_installed())
        tables.store("gradients", {"machine": machine, "rows": rows}, page(machine, rows))
        chart.draw()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
