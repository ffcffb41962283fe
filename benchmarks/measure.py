"""How times are taken, and what machine they were taken on.

Times are CPU time of this process, so other work on the machine does not count; nothing measured here starts a
thread. Functions to be compared take turns in one process, so that a change of clock speed meets all of them alike,
and the median over the turns is given.
"""

import math
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import llvmlite.binding
import numpy as np
from numba import njit

SAMPLE_S = 0.005  # a sample repeats the call until it lasts about this long
MIN_ROUNDS = 5


def medians_ms(functions: Mapping[str, Callable[[], object]], budget_s: float = 3.0) -> dict[str, float]:
    """Median time of one call of each function, in milliseconds, after one warm-up call of each."""
    repeats = {}
    for name, function in functions.items():
        function()
        repeats[name] = max(1, round(SAMPLE_S / max(_sample(function, 1), 1e-7)))
    samples: dict[str, list[float]] = {name: [] for name in functions}
    end = time.perf_counter() + budget_s
    while time.perf_counter() < end or len(next(iter(samples.values()))) < MIN_ROUNDS:
        for name, function in functions.items():
            samples[name].append(_sample(function, repeats[name]))
    return {name: 1e3 * median(times) for name, times in samples.items()}


def _sample(function: Callable[[], object], repeat: int) -> float:
    start = time.process_time()
    for _ in range(repeat):
        function()
    return (time.process_time() - start) / repeat


def cpu_s(function: Callable[[], object]) -> float:
    """Time of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def stay_on_one_core() -> None:
    """Threads that a system starts in spite of all settings shall not wait for each other at full speed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def start_numba() -> None:
    """Compiles something, so that numba's own start (about a second) is not counted as anybody's compile time."""

    @njit
    def total(x):
        s = 0.0
        for i in range(x.shape[0]):
            s += np.sin(x[i])
        return s

    total(np.ones(3))


def geometric_mean(values: Iterable[float]) -> float:
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))


def slope(x: Iterable[float], y: Iterable[float]) -> float:
    """Exponent p of the power law y ~ x^p that fits best on logarithmic axes."""
    return float(np.polyfit(np.log(list(x)), np.log(list(y)), 1)[0])


def machine(peers: Iterable[str] = ()) -> dict[str, str]:
    """Processor, number of cores and versions, also of the packages `peers`, as shown beside every table."""
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "llvm": ".".join(map(str, llvmlite.binding.llvm_version_info)),
        **{package: _version(package) for package in ("numba", "llvmlite", "numpy", "numbad", *peers)},
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed, run from a checkout"
