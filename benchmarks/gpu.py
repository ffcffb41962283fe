"""What does a derivative of a CUDA kernel cost?

    python benchmarks/gpu.py [--small] [--without-tests]

Prints the versions, runs the tests of kernels on the GPU, and measures for five kernels the time of the kernel, of its
tangents (`numbad.cuda.jvp`) and of its gradient (`numbad.cuda.vjp`) by the device's events, medians; the bandwidth that
kernels bound by memory reach, against a copy on the device; and, where Warp is installed, the gradient of the stencil
by Warp. The adjoints are compared with the tangents. A full run is stored as results/gpu.json and results/gpu.md.

(A file cuda.py here would hide NVIDIA's package of that name.)
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numba import cuda

import measure
import numbad as nd
import tables
from kernels import CASES, Case

ROUNDS = 20
AGREE = 1e-8

SHOWN = {
    "kernel": "{kernel}",
    "primal ms": "{primal_ms:.3f}",
    "GB/s": "{bandwidth:.0f}",
    "tangents / primal": "{tangents:.2f}",
    "gradient / primal": "{gradient:.2f}",
    "at most": "{limit:.1f}",
    "result": "{result}",
}


def milliseconds(action: Callable[[], object]) -> float:
    """Median time of one launch by events."""
    action()
    times = []
    for _ in range(ROUNDS):
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


def measure_case(case: Case, small: bool) -> dict[str, Any]:
    size = case.small if small else case.size
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
    found = sum(np.vdot(pulled[k].copy_to_host(), tangents[k]) for k in case.active)
    right = abs(known - found) <= AGREE * max(abs(known), abs(found))
    primal = milliseconds(lambda: case.kernel[launch](*arguments))
    return {"kernel": case.name, "primal_ms": primal, "limit": case.limit,
            "bandwidth": case.bytes(given) / primal / 1e6,
            "tangents": milliseconds(lambda: jvp(*wrapped(pushed))) / primal,
            "gradient": milliseconds(lambda: vjp(*wrapped(pulled))) / primal, "result": "right" if right else "WRONG"}


def copy_bandwidth(count: int = 1 << 26) -> float:
    """Bytes read and written in a second by a copy on the device, in 10^9."""
    one, other = cuda.device_array(count), cuda.device_array(count)
    return 16 * count / milliseconds(lambda: one.copy_to_device(other)) / 1e6


def warp_stencil(size: int) -> float | None:
    """Gradient by Warp in primals, of the stencil without shared memory, which Warp does not differentiate; None if it
    is not installed."""
    try:
        import warp as wp
    except ImportError:
        return None

    @wp.kernel
    def stencil(x: wp.array(dtype=wp.float64), out: wp.array(dtype=wp.float64)):  # type: ignore[valid-type]
        i = wp.tid()
        left, right = wp.float64(0.0), wp.float64(0.0)
        if i > 0:
            left = x[i - 1]
        if i + 1 < x.shape[0]:
            right = x[i + 1]
        out[i] = wp.float64(0.25) * left + wp.float64(0.5) * x[i] * x[i] + wp.float64(0.25) * right

    x = wp.ones(size, dtype=wp.float64, device="cuda", requires_grad=True)
    out = wp.zeros(size, dtype=wp.float64, device="cuda", requires_grad=True)
    tape = wp.Tape()
    with tape:
        wp.launch(stencil, dim=size, inputs=[x, out], device="cuda")
    out.grad.fill_(1.0)
    stream = wp.get_stream("cuda")

    def time(action: Callable[[], object]) -> float:
        action()
        times = []
        for _ in range(ROUNDS):
            begin, end = wp.Event(enable_timing=True), wp.Event(enable_timing=True)
            stream.record_event(begin)
            action()
            stream.record_event(end)
            times.append(wp.get_event_elapsed_time(begin, end))
        return median(times)

    primal = time(lambda: wp.launch(stencil, dim=size, inputs=[x, out], device="cuda"))
    both = time(lambda: (wp.launch(stencil, dim=size, inputs=[x, out], device="cuda"), tape.backward()))
    return both / primal


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
    if not options.without_tests:
        tests = Path(__file__).parents[1] / "tests" / "cuda"
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "0", str(tests)], check=True)
    show = tables.Growing(list(SHOWN), {"kernel": 12})
    rows = []
    for case in CASES:
        rows.append(measure_case(case, options.small))
        show.add([form.format(**rows[-1]) for form in SHOWN.values()])
    copy, by_warp = copy_bandwidth(), warp_stencil(CASES[0].size)
    remarks = [f"A copy on the device moves {copy:.0f} GB/s."]
    remarks += [f"Warp's gradient of the stencil, without shared memory: {by_warp:.2f} primals."] if by_warp else []
    print(*remarks, sep="\n")
    if not options.small:
        lines = tables.table(list(SHOWN), [[form.format(**row) for form in SHOWN.values()] for row in rows])
        tables.store("gpu", {"machine": machine, "kernels": rows, "copy": copy, "warp": by_warp},
                     ["# Derivatives of CUDA kernels", "", tables.machine_line(machine), "", *lines, "", *remarks])
    return 0 if all(row["result"] == "right" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
