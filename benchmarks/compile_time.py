"""How long does a gradient take to compile, beside Numba's own compilation of the function?

    python benchmarks/compile_time.py [--only PROBLEM ...] [--rounds N]

Warm: the process has compiled other things before; every round compiles functions that nobody has seen, the primal
first and then its gradient, and the median over the rounds is given. Where the time goes is what `NUMBAD_TIME=1` prints
(wall time); what is left is Numba's, which optimises the derivative together with its caller and makes machine code.
Cold: each is the first that a fresh process compiles, which includes Numba's own start. CPU time of one thread. A run
over all problems is stored as results/compile_time.json and results/compile_time.md.
"""

import argparse
import contextlib
import importlib.util
import io
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import measure
import numbad as nd
import tables
from problems import PROBLEMS, Problem
from processes import result_of, tell

STAGES = ("lower", "prepare", "parse", "analyse", "write", "finish", "link")  # as the engine reports them
ADDED_S = 0.4  # what a gradient may take whatever its primal takes

SHOWN = {  # heading: how a row's entry is written
    "problem": "{problem}",
    "primal s": "{primal_s:.2f}",
    "gradient s": "{gradient_s:.2f}",
    f"(gradient - {ADDED_S} s) / primal": "{beyond:.2f}",
    **{f"{stage} ms": f"{{stages_ms[{stage}]:.0f}}" for stage in STAGES},
    "machine code ms": "{stages_ms[machine code]:.0f}",
    "cold primal s": "{cold_primal_s:.2f}",
    "cold gradient s": "{cold_gradient_s:.2f}",
}


def unseen(name: str) -> Problem:
    """The problem from its file again: functions that are new to Numba, and all that they call too."""
    path = Path(__file__).parent / "problems" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"unseen_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PROBLEM


def first_call_s(call: Callable[[], object]) -> float:
    """CPU time that the first of two calls took more."""
    return max(0.0, measure.cpu_s(call) - measure.cpu_s(call))


def stages_of(call: Callable[[], object]) -> dict[str, float]:
    """Milliseconds of a call that compiles, stage by stage."""
    told = io.StringIO()
    before = os.environ.get("NUMBAD_TIME", "0")
    os.environ["NUMBAD_TIME"] = "1"
    start = time.perf_counter()
    try:
        with contextlib.redirect_stderr(told):
            call()
    finally:
        os.environ["NUMBAD_TIME"] = before
    whole = 1e3 * (time.perf_counter() - start)
    found = {stage: float(ms) for stage, ms in re.findall(r"^numbad: (\w+) +([\d.]+) ms$", told.getvalue(), re.M)}
    if tuple(found) != STAGES:
        raise ValueError(f"expected the stages {STAGES}, found {tuple(found)}")
    return {**found, "machine code": whole - sum(found.values())}


def round_of(name: str) -> dict[str, Any]:
    """One compilation of the primal and of its gradient."""
    problem = unseen(name)
    args = problem.make_inputs(small=True)
    gradient = nd.grad(problem.primal, problem.argnum)
    primal_s = first_call_s(lambda: problem.primal(*args))
    stages_ms: dict[str, float] = {}
    gradient_s = measure.cpu_s(lambda: stages_ms.update(stages_of(lambda: gradient(*args))))
    return {"primal_s": primal_s, "gradient_s": gradient_s, "stages_ms": stages_ms}


def measure_problem(name: str, rounds: int) -> dict[str, Any]:
    taken = [round_of(name) for _ in range(rounds)]
    primal_s, gradient_s = (median(one[key] for one in taken) for key in ("primal_s", "gradient_s"))
    return {
        "problem": name,
        "primal_s": primal_s,
        "gradient_s": gradient_s,
        "beyond": (gradient_s - ADDED_S) / primal_s,
        "stages_ms": {stage: median(one["stages_ms"][stage] for one in taken) for stage in taken[0]["stages_ms"]},
        "cold_primal_s": result_of(Path(__file__), ["--cold", "primal", "--only", name], limit_s=120),
        "cold_gradient_s": result_of(Path(__file__), ["--cold", "gradient", "--only", name], limit_s=120),
    }


def cold(name: str, what: str) -> float:
    """In a fresh process: seconds of the first compilation."""
    problem = PROBLEMS[name]
    args = problem.make_inputs(small=True)
    if what == "primal":
        return first_call_s(lambda: problem.primal(*args))
    return first_call_s(lambda: nd.grad(problem.primal, problem.argnum)(*args))


def summary(rows: list[dict[str, Any]]) -> str:
    def middle(of: Callable[[dict[str, Any]], float]) -> str:
        return f"{median(map(of, rows)):.2f}"

    return (
        f"Medians over the problems: gradient / primal {middle(lambda row: row['gradient_s'] / row['primal_s'])}, "
        f"(gradient - {ADDED_S} s) / primal {middle(lambda row: row['beyond'])}, "
        f"cold gradient / cold primal {middle(lambda row: row['cold_gradient_s'] / row['cold_primal_s'])}, "
        f"cold gradient {middle(lambda row: row['cold_gradient_s'])} s."
    )


def page(machine: dict[str, str], rows: list[dict[str, Any]]) -> list[str]:
    return [
        "# How long does a gradient take to compile?",
        "",
        "Written by `python benchmarks/compile_time.py`, whose first lines say what is measured.",
        "",
        tables.machine_line(machine),
        "",
        *tables.table(list(SHOWN), [[form.format(**row) for form in SHOWN.values()] for row in rows]),
        "",
        summary(rows),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, metavar="PROBLEM", help="of " + ", ".join(PROBLEMS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cold", choices=["primal", "gradient"], help="only this, as the first thing of this process")
    options = parser.parse_args()
    if options.cold:
        tell(cold(options.only[0], options.cold))
        return 0

    measure.start_numba()
    nd.grad(unseen("ode").primal)(*PROBLEMS["ode"].make_inputs(small=True))  # numbad's own start
    show = tables.Growing(list(SHOWN), {"problem": 12})
    rows = []
    for name in options.only or PROBLEMS:
        rows.append(measure_problem(name, options.rounds))
        show.add([form.format(**rows[-1]) for form in SHOWN.values()])
    print(summary(rows))
    if options.only:
        print("Not stored: only a full run is.")
    else:
        machine = measure.machine()
        tables.store("compile_time", {"machine": machine, "problems": rows}, page(machine, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
