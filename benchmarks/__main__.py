"""Measures everything anew and stores it in results/.

    python benchmarks

Takes about a quarter of an hour, on a machine that does nothing else meanwhile.
"""

import subprocess
import sys
from pathlib import Path

PROGRAMS = ("gradients", "forward", "linear_cost", "compile_time", "linear_compile")


def main() -> int:
    failed = []
    for program in PROGRAMS:
        print(f"\n== {program}.py", flush=True)
        if subprocess.run([sys.executable, str(Path(__file__).with_name(f"{program}.py"))]).returncode:
            failed.append(program)
    if failed:
        print("Failed: " + ", ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
