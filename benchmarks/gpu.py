"""What does a derivative of a CUDA kernel cost?

    python benchmarks/gpu.py [--small] [--without-tests]

Prints the versions, runs the tests of kernels on the GPU, and measures for five kernels the time of the kernel, of its
tangents (`numbad.cuda.jvp`) and of its gradient (`numbad.cuda.vjp`) by the device's events, medians; and the bandwidth
that kernel and gradient reach, against a copy on the device. The adjoints are compared with the tangents. Where Warp is
installed, a second table has the same kernels in Warp (`peers.warp_kernels`), whose adjoints are compared with ours. A
full run is stored as results/gpu.json and results/gpu.md.

(A file cuda.py here would hide NVIDIA's package of that name.)
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numba import cuda

import measure
import numbad as nd
import tables
from kernels import CASES, Case

ROUNDS, FEW = 20, 2
AGREE = 1e-8

SHOWN = {
    "kernel": "{kernel}",
    "primal ms": "{primal_ms:.3f}",
    "GB/s": "{bandwidth:.0f}",
    "tangents / primal": "{tangents:.2f}",
    "gradient ms": "{gradient_ms:.3f}",
    "gradient / primal": "{gradient:.2f}",
    "at most": "{limit:.1f}",
    "gradient GB/s": "{gradient_bandwidth:.0f}",
    "of a copy": "{of_copy:.0%}",
    "result": "{result}",
}
SHOWN_WARP = {
    "kernel": "{kernel}",
    "primal ms": "{primal_ms:.3f}",
    "gradient ms": "{gradient_ms:.3f}",
    "gradient / primal": "{gradient:.2f}",
    "Warp's primal ms": "{warp_primal_ms:.3f}",
    "Warp's gradient ms": "{warp_gradient_ms:.3f}",
    "Warp's gradient / primal": "{warp_gradient:.2f}",
    "Warp's result": "{warp_result}",
}


def milliseconds(action: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median time of one launch by events."""
    action()
    times = []
    for _ in range(rounds):
        begin, end = cuda.event(), cuda.event()
        begin.record()
        action()
        end.record()
        end.synchronize()
        times.append(cuda.event_elapsed_time(begin, end))
    return median(times)


def tangent(rng: np.random.Generator, value: Any) -> Any:
    return rng.normal(size=value.shape) if isinstance(value, np.ndarray) else float(rng.normal())


def put(value: Any) -> Any:
    return cuda.to_device(value) if isinstance(value, np.ndarray) else value


def measure_case(case: Case, small: bool, copy: float) -> dict[str, Any]:
    """`copy`: the bandwidth of a copy on the device."""
    size, rounds = (case.small, FEW) if small else (case.size, ROUNDS)
    rng = np.random.default_rng(0)
    given = case.arguments(rng, size)
    launch = case.launch(size)
    arguments = [put(a) for a in given]
    tangents = [tangent(rng, a) if k in case.active else None for k, a in enumerate(given)]
    seeds = [tangent(rng, a) if k in case.active and isinstance(a, np.ndarray) else 0.0 for k, a in enumerate(given)]

    def wrapped(shadows: list) -> list:
        return [nd.Dup(a, s) if k in case.active else nd.Const(a)
                for k, (a, s) in enumerate(zip(arguments, shadows, strict=True))]

    pushed = [put(t) for t in tangents]
    pulled = [cuda.to_device(np.atleast_1d(np.asarray(s, float))) if not isinstance(s, np.ndarray) else put(s)
              for s in seeds]
    jvp, vjp = nd.cuda.jvp(case.kernel)[launch], nd.cuda.vjp(case.kernel)[launch]
    jvp(*wrapped(pushed))
    vjp(*wrapped(pulled))
    known = sum(np.vdot(seeds[k], pushed[k].copy_to_host()) for k in case.active if isinstance(seeds[k], np.ndarray))
    adjoints = {k: pulled[k].copy_to_host() for k in case.active}
    found = sum(np.vdot(adjoints[k], tangents[k]) for k in case.active)
    right = abs(known - found) <= AGREE * max(abs(known), abs(found))
    primal = milliseconds(lambda: case.kernel[launch](*arguments), rounds)
    gradient = milliseconds(lambda: vjp(*wrapped(pulled)), rounds)
    bandwidth = case.gradient_bytes(given) / gradient / 1e6
    row = {"kernel": case.name, "primal_ms": primal, "limit": case.limit,
           "bandwidth": case.bytes(given) / primal / 1e6,
           "tangents": milliseconds(lambda: jvp(*wrapped(pushed)), rounds) / primal,
           "gradient_ms": gradient, "gradient": gradient / primal, "gradient_bandwidth": bandwidth,
           "of_copy": bandwidth / copy, "result": "right" if right else "WRONG"}
    if find_spec("warp"):
        inputs = [k for k in case.active if k != len(given) - 1]
        row |= measure_warp(case, given, seeds[-1], [adjoints[k] - seeds[k] for k in inputs])
    return row


def measure_warp(case: Case, given: tuple, seed: np.ndarray, adjoints: list, device: str = "cuda") -> dict[str, Any]:
    """The same kernel in Warp; `adjoints`: ours of what is not written, from this seed of what is."""
    from peers import warp_kernels

    program = warp_kernels.program(case.name, given, case.active, device)
    pairs = list(zip(program.adjoints([seed]), adjoints, strict=True))
    right = all(np.max(np.abs(theirs - ours)) <= AGREE * np.max(np.abs(ours)) for theirs, ours in pairs)
    primal, gradient = (warp_kernels.milliseconds(action, ROUNDS) for action in (program.primal, program.gradient))
    return {"warp_primal_ms": primal, "warp_gradient_ms": gradient, "warp_gradient": gradient / primal,
            "warp_result": "right" if right else "WRONG"}


def copy_bandwidth(count: int = 1 << 26) -> float:
    """Bytes read and written in a second by a copy on the device, in 10^9."""
    one, other = cuda.device_array(count), cuda.device_array(count)
    return 16 * count / milliseconds(lambda: one.copy_to_device(other)) / 1e6


def page(rows: list[dict[str, Any]], shown: dict[str, str]) -> list[str]:
    return tables.table(list(shown), [[form.format(**row) for form in shown.values()] for row in rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="small inputs: shows that it runs")
    parser.add_argument("--without-tests", action="store_true")
    options = parser.parse_args()
    if not cuda.is_available():
        print("there is no GPU here", file=sys.stderr)
        return 1
    machine = measure.machine(["numba-cuda", "warp-lang"]) | {"GPU": str(cuda.get_current_device().name)}
    print(tables.machine_line(machine))
    failed = 0
    if not options.without_tests:
        tests = Path(__file__).parents[1] / "tests" / "cuda"
        failed = subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "0", str(tests)]).returncode
    copy = copy_bandwidth()
    remarks = [f"A copy on the device moves {copy:.0f} GB/s. A gradient moves each array once, and reads and writes "
               "its shadow."]
    print(*remarks, sep="\n")
    show = tables.Growing(list(SHOWN), {"kernel": 12})
    rows = []
    for case in CASES:
        rows.append(measure_case(case, options.small, copy))
        show.add([form.format(**rows[-1]) for form in SHOWN.values()])
    compared = page(rows, SHOWN_WARP) if find_spec("warp") else ["Warp is not installed."]
    print(*compared, sep="\n")
    if not options.small:
        tables.store("gpu", {"machine": machine, "kernels": rows, "copy": copy},
                     ["# Derivatives of CUDA kernels", "", tables.machine_line(machine), "", *page(rows, SHOWN), "",
                      *remarks, "", *compared])
    return 0 if not failed and all(row["result"] == "right" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
