"""One problem, one system, in a process of its own: `gradients.py` calls this file for each cell of its table.

    python benchmarks/one_gradient.py PROBLEM SYSTEM [--small]

SYSTEM is `numbad`, which also measures the adjoint written by hand, or the name of a peer. Prints a line of JSON with a
row for each. Whatever system is measured, Numba's primal is timed in the same process, in turns with it.
"""

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import measure
import memory
import numbad as nd
import processes
from numbad.runtime import last_tape_bytes
from peers import PEERS
from peers.program import Program
from problems import PROBLEMS, Problem

AGREE = 1e-9  # relative to the largest entry: larger differences between two gradients are reported as wrong
DIFFERENCES_AGREE = 1e-5  # what finite differences in a random direction can tell at full size


@dataclass(frozen=True)
class Contestant:
    """A system that is measured. `error(gradient)` says how far a gradient is off, `allowed` how far it may be."""

    by: str
    build: Callable[..., Program]
    error: Callable[[np.ndarray], float]
    allowed: float = AGREE
    is_numba: bool = False
    """The primal is Numba's, which is timed anyway."""


def difference(gradient: np.ndarray, reference: np.ndarray) -> float:
    """The largest difference of two entries, relative to the largest entry; infinite if they cannot be compared."""
    if gradient.shape != reference.shape or not np.all(np.isfinite(gradient)):
        return float("inf")
    return float(np.max(np.abs(gradient - reference)) / np.max(np.abs(reference)))


def slope_error(problem: Problem, args: tuple, gradient: np.ndarray) -> float:
    """How far the slope in a random direction is from central differences, relative to it."""
    x = args[problem.argnum]
    direction = np.abs(x) * np.random.default_rng(7).standard_normal(x.size)

    def loss(step: float) -> float:
        return problem.primal(*args[: problem.argnum], x + step * direction, *args[problem.argnum + 1 :])

    h = 1e-6
    slope = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h)
    return abs(float(gradient @ direction) / slope - 1)


def compile_seconds(program: Program, build: Callable[..., Program], little: tuple) -> tuple[float, float]:
    """CPU seconds that the primal and then the gradient take to compile. Afterwards `program` is compiled."""
    if program.compile_primal and program.compile_gradient:
        return measure.cpu_s(program.compile_primal), measure.cpu_s(program.compile_gradient)
    trial = build(*little)
    first = measure.cpu_s(trial.primal), measure.cpu_s(trial.gradient)
    again = measure.cpu_s(trial.primal), measure.cpu_s(trial.gradient)
    return max(0.0, first[0] - again[0]), max(0.0, first[1] - again[1])


def rows(problem: Problem, contestants: list[Contestant], args: tuple, budget_s: float) -> list[dict[str, Any]]:
    """What is found out about each contestant, all of them and Numba's primal taking turns."""
    little = problem.make_inputs(small=True)
    found: list[dict[str, Any]] = []
    timed: dict[str, Callable[[], object]] = {"numba": lambda: problem.primal(*args)}
    for contestant in contestants:
        program = contestant.build(*args)
        compile_primal, compile_gradient = compile_seconds(program, contestant.build, little)
        gradient, peak = memory.peak_mib(program.gradient)
        error = contestant.error(gradient)
        value, expected = program.primal(), problem.primal(*args)
        agrees = error <= contestant.allowed and abs(value - expected) <= AGREE * abs(expected)
        timed[f"{contestant.by} gradient"] = program.gradient
        if not contestant.is_numba:
            timed[f"{contestant.by} primal"] = program.primal
        found.append(
            {
                "problem": problem.name,
                "by": contestant.by,
                "result": "right" if agrees else "WRONG",
                "error": error if math.isfinite(error) else None,
                "memory_mib": peak,
                "compile_primal_s": compile_primal,
                "compile_gradient_s": compile_gradient,
            }
        )
    ms = measure.medians_ms(timed, budget_s)
    for row in found:
        primal, gradient = ms.get(f"{row['by']} primal", ms["numba"]), ms[f"{row['by']} gradient"]
        row |= {"numba_ms": ms["numba"], "primal_ms": primal, "gradient_ms": gradient}
        row |= {"ratio": gradient / primal, "numba_ratio": gradient / ms["numba"]}
    return found


def ours(problem: Problem, small: bool, budget_s: float) -> list[dict[str, Any]]:
    """numbad, checked by the adjoint written by hand, which is checked by finite differences."""
    args = problem.make_inputs(small)
    derivative = nd.grad(problem.primal, problem.argnum)

    def by_numbad(*args: Any) -> Program:
        return Program(lambda: problem.primal(*args), lambda: derivative(*args))

    def by_hand(*args: Any) -> Program:
        return Program(lambda: problem.primal(*args), lambda: problem.adjoint(*args))

    contestants = [
        Contestant("numbad", by_numbad, lambda gradient: difference(gradient, problem.adjoint(*args)), is_numba=True),
        Contestant("by hand", by_hand, lambda gradient: slope_error(problem, args, gradient), DIFFERENCES_AGREE, True),
    ]
    found = rows(problem, contestants, args, budget_s)
    derivative(*args)
    found[0]["tape_mib"] = last_tape_bytes() / 2**20
    found[1]["compile_primal_s"] = found[0]["compile_primal_s"]  # it is the same one
    del found[1]["compile_gradient_s"]  # the adjoint was compiled when numbad's gradient was checked
    return found


def theirs(problem: Problem, name: str, small: bool, budget_s: float) -> list[dict[str, Any]]:
    peer = PEERS[name]
    module = peer.load()
    if problem.name not in module.PROGRAMS:
        return [{"problem": problem.name, "by": peer.title, "result": "cannot express it"}]
    smaller = module.SMALLER.get(problem.name, {})
    args = problem.make_inputs(small=True) if small else problem.setup(**smaller)
    contestant = Contestant(
        peer.title, module.PROGRAMS[problem.name], lambda gradient: difference(gradient, problem.adjoint(*args))
    )
    found = rows(problem, [contestant], args, budget_s)
    if smaller and not small:
        found[0]["size"] = ", ".join(f"{key} = {value}" for key, value in smaller.items())
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problem", choices=PROBLEMS)
    parser.add_argument("system", choices=["numbad", *PEERS])
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    problem, budget_s = PROBLEMS[options.problem], 0.1 if options.small else 2.5
    measure.stay_on_one_core()
    measure.start_numba()
    if options.system == "numbad":
        found = ours(problem, options.small, budget_s)
    else:
        found = theirs(problem, options.system, options.small, budget_s)
    processes.tell(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
