"""Does the engine's time grow linearly with the size of the function?

    python benchmarks/linear_compile.py [--small]

Functions of two shapes are generated as LLVM text: a loop with one long body, and a loop with many branches. Each is
differentiated in reverse mode. `instructions` are those that LLVM's simplification leaves in `prepare`, before the
engine reads them. Prints the CPU time of the engine, which ends where Numba goes on to optimise the derivative and make
machine code, beside the time that LLVM takes to optimise the function itself; and the exponent p of the best fit
time ~ instructions^p. 1 is linear. Hundreds of loops one after another are left out: in them the time of LLVM alone
grows with the third power. The last full run is stored as results/linear_compile.json and results/linear_compile.md.
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import measure
import tables
from numbad import frontend
from numbad.passes import llvm
from numbad.passes.case import Case
from numbad.passes.derivative.facts import Task
from numbad.passes.ir.function import Module
from numbad.passes.ir.types import DOUBLE
from numbad.passes.pipeline import Derivative

SIZES = (2_000, 6_000, 20_000)  # instructions, about
SMALL_SIZES = (200, 600)
STAGES = ("prepare", "parse", "analyse", "write", "finish")
SHOWN = ["shape", "instructions", "engine s", *(f"{stage} s" for stage in STAGES), "LLVM -O3 of the function s"]

HEAD = """\
declare double @llvm.sin.f64(double)
define i32 @f(ptr %result, ptr %error, ptr %x, i64 %n) {
entry:
"""
TAIL = """\
  store double {last}, ptr %result
  ret i32 0
}}
"""


def long_body(instructions: int) -> str:
    """A loop whose body changes an array in place, again and again."""
    count = instructions * 10 // 36  # each repetition leaves about 3.6 instructions, see above
    lines = [
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]",
        f"  %a0 = phi double [ 1.0, %entry ], [ %a{count}, %loop ]",
    ]
    for k in range(count):
        lines += [
            f"  %p{k} = getelementptr double, ptr %x, i64 {k % 50}",
            f"  %l{k} = load double, ptr %p{k}",
            f"  %m{k} = fmul double %l{k}, %a{k}",
            f"  %s{k} = call double @llvm.sin.f64(double %m{k})",
            f"  %q{k} = getelementptr double, ptr %x, i64 {7 * k % 50}",
            f"  store double %s{k}, ptr %q{k}",
            f"  %a{k + 1} = fadd double %s{k}, %a{k}",
        ]
    lines += [
        "  %i.next = add i64 %i, 1",
        "  %more = icmp slt i64 %i.next, %n",
        "  br i1 %more, label %loop, label %done",
        "done:",
    ]
    return HEAD + "\n".join(lines) + "\n" + TAIL.format(last=f"%a{count}")


def many_branches(instructions: int) -> str:
    """A loop whose body takes one of two ways, again and again, and changes an array in one of them."""
    count = instructions // 9
    lines = [
        "  br label %loop",
        "loop:",
        f"  %i = phi i64 [ 0, %entry ], [ %i.next, %join{count - 1} ]",
        f"  %a0 = phi double [ 1.0, %entry ], [ %a{count}, %join{count - 1} ]",
        "  br label %test0",
    ]
    for k in range(count):
        lines += [
            f"test{k}:",
            f"  %p{k} = getelementptr double, ptr %x, i64 {k % 50}",
            f"  %l{k} = load double, ptr %p{k}",
            f"  %c{k} = fcmp ogt double %l{k}, %a{k}",
            f"  br i1 %c{k}, label %change{k}, label %join{k}",
            f"change{k}:",
            f"  %m{k} = fmul double %l{k}, %a{k}",
            f"  %s{k} = call double @llvm.sin.f64(double %m{k})",
            f"  store double %s{k}, ptr %p{k}",
            f"  br label %join{k}",
            f"join{k}:",
            f"  %v{k} = phi double [ %l{k}, %test{k} ], [ %s{k}, %change{k} ]",
            f"  %a{k + 1} = fadd double %v{k}, %a{k}",
            f"  br label %test{k + 1}" if k + 1 < count else "  %i.next = add i64 %i, 1",
        ]
    lines += ["  %more = icmp slt i64 %i.next, %n", "  br i1 %more, label %loop, label %done", "done:"]
    return HEAD + "\n".join(lines) + "\n" + TAIL.format(last=f"%a{count}")


SHAPES: dict[str, Callable[[int], str]] = {"one long loop body": long_body, "many branches": many_branches}


def derivative(text: str, between: Callable[[str, Module | None], None] = lambda stage, module: None) -> Derivative:
    task = Task("f", "reverse", active=frozenset([2]), contents=((2, DOUBLE),))
    return Case(text, task, frontend.machine()).run(between)


def measure_text(text: str) -> dict[str, Any]:
    """Instructions that the engine read, and seconds of each of its stages."""
    stages: dict[str, float] = {}
    read = 0
    last = time.process_time()

    def between(stage: str, module: Module | None = None) -> None:
        nonlocal last, read
        now = time.process_time()
        stages[stage] = now - last
        if stage == "parse" and module is not None:
            read = sum(1 for function in module.functions.values() for _ in function.instructions)
        last = time.process_time()

    derivative(text, between)
    stages["finish"] += time.process_time() - last
    optimise_s = measure.cpu_s(lambda: llvm.optimise(text))
    return {"instructions": read, "engine_s": sum(stages.values()), "stages_s": stages, "optimise_s": optimise_s}


def cells(row: dict[str, Any]) -> list[str]:
    times = [row["engine_s"], *(row["stages_s"][stage] for stage in STAGES), row["optimise_s"]]
    return [row["shape"], f"{row['instructions']:,}", *(f"{seconds:.2f}" for seconds in times)]


def exponents(rows: list[dict[str, Any]]) -> dict[str, float]:
    """By shape."""
    found = {}
    for shape in SHAPES:
        ours = [row for row in rows if row["shape"] == shape]
        found[shape] = measure.slope([row["instructions"] for row in ours], [row["engine_s"] for row in ours])
    return found


def page(machine: dict[str, str], rows: list[dict[str, Any]], summary: str) -> list[str]:
    return [
        "# Does the engine's time grow linearly with the size of the function?",
        "",
        "Written by `python benchmarks/linear_compile.py`, whose first lines say what is measured.",
        "",
        tables.machine_line(machine),
        "",
        *tables.table(SHOWN, list(map(cells, rows))),
        "",
        summary,
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="the sizes of the tests")
    options = parser.parse_args()
    measure_text(long_body(200))  # the engine's own start
    show = tables.Growing(SHOWN, {"shape": 18})
    rows = []
    for shape, write in SHAPES.items():
        for size in SMALL_SIZES if options.small else SIZES:
            rows.append({"shape": shape, **measure_text(write(size))})
            show.add(cells(rows[-1]))
    found = exponents(rows)
    summary = "Exponents: " + ", ".join(f"{shape} {exponent:.2f}" for shape, exponent in found.items()) + "."
    print(summary)
    if options.small:
        print("Not stored: only a full run is.")
    else:
        machine = measure.machine()
        numbers = {"machine": machine, "exponents": found, "sizes": rows}
        tables.store("linear_compile", numbers, page(machine, rows, summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
