"""The long run: many seeds, each program in a process that may die, results in a log that a later run goes on from."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

BATCH = 10
"""Seeds that one process does: starting one takes as long as a program."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Differentiate random programs.")
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
        from fuzz.programs import program
        print(program(options.show))
    elif options.shrink is not None:
        shrink(options.shrink, options.inputs)
    elif options.work:
        work(options.work, options.inputs)
    else:
        return run(options)
    return 0


def run(options: argparse.Namespace) -> int:
    done = read(options.log)
    seeds = [s for s in range(options.start, options.start + options.count) if s not in done]
    batches = [seeds[k:k + BATCH] for k in range(0, len(seeds), BATCH)]
    lock = Lock()

    def batch(chosen: list[int]) -> None:
        while chosen:
            command = [sys.executable, "-m", "fuzz", "--inputs", str(options.inputs), "--work", *map(str, chosen)]
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
                    if row["kind"] not in ("right", "refused", "numba"):
                        print(f"seed {row['seed']}: {row['kind']}: {row['message'][:300]}", flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(batch, batches))
    kinds = Counter(row["kind"] for row in done.values())
    compared = sum(row["compared"] for row in done.values())
    print(f"{len(done)} programs, compared with finite differences at {compared} inputs")
    print(*(f"{kind}: {count}" for kind, count in kinds.most_common()), sep="\n")
    return 0 if set(kinds) <= {"right", "refused", "numba"} else 1


def read(log: Path | None) -> dict[int, dict]:
    if log is None or not log.exists():
        return {}
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    return {row["seed"]: row for row in rows}


def work(seeds: list[int], inputs: int) -> None:
    from fuzz.checking import check
    from fuzz.programs import program
    for seed in seeds:
        verdict = check(program(seed), inputs)
        print(json.dumps({"seed": seed, "kind": verdict.kind, "message": verdict.message[:1000],
                          "compared": verdict.compared}), flush=True)


def shrink(seed: int, inputs: int) -> None:
    from fuzz.checking import check
    from fuzz.programs import program
    from fuzz.shrinking import shrunk
    whole = program(seed)
    kind = check(whole, inputs).kind
    small = shrunk(whole, lambda candidate: check(candidate, inputs).kind == kind)
    print(small, check(small, inputs), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
