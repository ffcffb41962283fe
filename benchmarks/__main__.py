"""Measures everything anew and stores it in results/.

    python benchmarks

Takes about a quarter of an hour, on a machine that does nothing else meanwhile. What needs numba-cuda is left out where
that is not installed.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PROGRAMS = ("gradients", "forward", "linear_cost", "compile_time", "linear_compile", "traffic")
NEEDS = {"traffic": "numba_cuda"}


def main() -> int:
    failed = []
    for program in PROGRAMS:
        print(f"\n== {program}.py", flush=True)
        if program in NEEDS and find_spec(NEEDS[program]) is None:
            print(f"left out: {NEEDS[program]} is not installed")
            continue
        if subprocess.run([sys.executable, str(Path(__file__).with_name(f"{program}.py"))]).returncode:
            failed.append(program)
    if failed:
        print("Failed: " + ", ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
