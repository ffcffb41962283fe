"""The long run: many seeds, each program in a process that may die, results in a log that a later run goes on from.

A generator of programs gets this as a script: `main(module, ...)` in the `__main__` of `module`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

BATCH = 10
"""Seeds that one process does: starting one takes as long as a program."""


@dataclass(frozen=True)
class Tools:
    """`program(seed)`; `check(program, inputs)`, a verdict; `fine`: the kinds of verdicts that are none to look at."""

    program: Callable[[int], Any]
    check: Callable[[Any, int], Any]
    fine: tuple[str, ...]


def main(module: str, tools: Callable[[], Tools]) -> int:
    """`tools` is called where programs are needed: it may import Numba."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description="Differentiate random programs.")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--inputs", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--log", type=Path, help="JSON lines; seeds that are in it are not done again")
    parser.add_argument("--show", type=int, metavar="SEED", help="print the program of a seed")
    parser.add_argument("--shrink", type=int, metavar="SEED", help="cut the program of a seed down and print it")
    parser.add_argument("--work", nargs="+", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["NUMBA_NRT_STATS"] = "1"  # before numba is imported
    if options.show is not None:
        print(tools().program(options.show))
    elif options.shrink is not None:
        shrink(tools(), options.shrink, options.inputs)
    elif options.work:
        work(tools(), options.work, options.inputs)
    else:
        return run(module, tools().fine, options)
    return 0


def run(module: str, fine: tuple[str, ...], options: argparse.Namespace) -> int:
    done = read(options.log)
    seeds = [s for s in range(options.start, options.start + options.count) if s not in done]
    batches = [seeds[k:k + BATCH] for k in range(0, len(seeds), BATCH)]
    lock = Lock()

    def batch(chosen: list[int]) -> None:
        while chosen:
            command = [sys.executable, "-m", module, "--inputs", str(options.inputs), "--work", *map(str, chosen)]
            finished = subprocess.run(command, capture_output=True, text=True)
            rows = [json.loads(line) for line in finished.stdout.splitlines() if line.startswith("{")]
            chosen = [s for s in chosen if s not in {row["seed"] for row in rows}]
            if chosen:  # the process died in the first of these
                rows.append({"seed": chosen.pop(0), "kind": "crash", "message": finished.stderr[-2000:], "compared": 0})
            with lock:
                for row in rows:
                    done[row["seed"]] = row
                    if options.log:
                        with options.log.open("a") as log:
                            log.write(json.dumps(row) + "\n")
                    if row["kind"] not in fine:
                        print(f"seed {row['seed']}: {row['kind']}: {row['message'][:300]}", flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(batch, batches))
    kinds = Counter(row["kind"] for row in done.values())
    compared = sum(row["compared"] for row in done.values())
    print(f"{len(done)} programs, compared with finite differences at {compared} inputs")
    print(*(f"{kind}: {count}" for kind, count in kinds.most_common()), sep="\n")
    return 0 if set(kinds) <= set(fine) else 1


def read(log: Path | None) -> dict[int, dict]:
    if log is None or not log.exists():
        return {}
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    return {row["seed"]: row for row in rows}


def work(tools: Tools, seeds: list[int], inputs: int) -> None:
    for seed in seeds:
        program = tools.program(seed)
        verdict = tools.check(program, inputs)
        row = {"seed": seed, "kind": verdict.kind, "message": verdict.message[:1000], "compared": verdict.compared}
        if verdict.kind not in tools.fine:
            row["program"] = str(program)  # of a seed, another generator makes another one
        print(json.dumps(row), flush=True)


def shrink(tools: Tools, seed: int, inputs: int) -> None:
    from fuzz.shrinking import shrunk
    whole = tools.program(seed)
    kind = tools.check(whole, inputs).kind
    small = shrunk(whole, lambda candidate: tools.check(candidate, inputs).kind == kind)
    print(small, tools.check(small, inputs), sep="\n")
