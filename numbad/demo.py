"""The demonstration behind `python -m numbad`: one simulation, its gradient, and the evidence that it is right.

`simulate` is ordinary Numba code: nested loops, a time loop that swaps two buffers, a nonlinear source. `main` prints
its value and gradient, compares the gradient with forward mode and with finite differences, and tells what it cost. It
returns 0, or 1 if the three derivatives do not agree.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numba import njit

import numbad as nd
from numbad.runtime import last_tape_bytes

N, STEPS = 128, 200
FORWARD_AGREES = 1e-11
DIFFERENCES_AGREE = 1e-6


@njit
def simulate(start, steps):
    """Heat spreads over a plate and feeds itself; how much of it is in the right half after some steps?"""
    n, m = start.shape
    u = start.copy()
    w = start.copy()
    for _ in range(steps):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                spread = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - 4.0 * u[i, j]
                source = u[i, j] * (1.0 - u[i, j])
                w[i, j] = u[i, j] + 0.2 * spread + 0.02 * source
        u, w = w, u
    total = 0.0
    for i in range(n):
        for j in range(m // 2, m):
            total += u[i, j]
    return total


def starting_field() -> np.ndarray:
    """A warm spot left of the middle."""
    y, x = np.meshgrid(np.linspace(0, 1, N), np.linspace(0, 1, N), indexing="ij")
    return np.exp(-60.0 * ((x - 0.3) ** 2 + (y - 0.5) ** 2))


def main() -> int:
    """Prints the demonstration; 0 if all derivatives agree, else 1."""
    start = starting_field()
    print("numbad differentiates what Numba compiles.\n")
    print(f"The simulation (`simulate` in {__name__}): heat spreads over a plate of {N} x {N} cells for {STEPS} steps")
    print("and feeds itself. It is plain @njit code with two buffers swapped after every step; nothing in it was")
    print("written for differentiation. Asked: how much heat is in the right half at the end, and how does that")
    print(f"depend on the heat that each of the {start.size} cells starts with?\n")

    gradient_of = nd.grad(simulate)
    value, primal_compile = timed(lambda: simulate(start, STEPS))
    gradient, gradient_compile = timed(lambda: gradient_of(start, STEPS))
    show("value", f"{value:.12g}")
    show("gradient", f"{gradient.shape[0]} x {gradient.shape[1]} numbers, norm {np.linalg.norm(gradient):.12g}")
    for i, j in ((N // 2, N // 4), (N // 2, N // 2), (N // 2, 3 * N // 4)):
        show("", f"d value / d start[{i}, {j}] = {gradient[i, j]:.12g}")

    print("\nIs it right? The slope in one random direction, three ways:")
    direction = np.random.default_rng(0).random(start.shape)
    reverse = float(np.vdot(gradient, direction))
    forward = nd.jvp(simulate)((start, STEPS), (direction, None))[1]
    differences = slope_by_differences(start, direction)
    forward_error, difference_error = abs(forward / reverse - 1), abs(differences / reverse - 1)
    show("reverse mode", f"{reverse:.12g}   (gradient . direction)")
    show("forward mode", f"{forward:.12g}   relative difference {forward_error:.0e}")
    show("finite differences", f"{differences:.12g}   relative difference {difference_error:.0e}")
    agree = forward_error <= FORWARD_AGREES and difference_error <= DIFFERENCES_AGREE

    print("\nWhat did it cost?")
    primal_s, gradient_s = medians_s(lambda: simulate(start, STEPS), lambda: gradient_of(start, STEPS))
    show("compile", f"{primal_compile:.2f} s the simulation (by Numba), {gradient_compile:.2f} s its gradient, once")
    show("primal", f"{1e3 * primal_s:.3f} ms")
    show("gradient", f"{1e3 * gradient_s:.3f} ms, all {start.size} derivatives")
    show("ratio", f"{gradient_s / primal_s:.2f}")
    show("tape", f"{last_tape_bytes()} bytes kept from the forward for the backward sweep")
    print("\nAll three agree." if agree else "\nThe three do NOT agree: please report this.")
    return 0 if agree else 1


def slope_by_differences(start: np.ndarray, direction: np.ndarray, h: float = 1e-4) -> float:
    """Derivative along a direction by a five-point formula on the simulation itself."""
    near, far = (
        simulate(start + k * h * direction, STEPS) - simulate(start - k * h * direction, STEPS) for k in (1, 2)
    )
    return (8.0 * near - far) / (12.0 * h)


def timed(function: Callable):
    """Result of a call and the seconds it took."""
    begin = time.perf_counter()
    result = function()
    return result, time.perf_counter() - begin


def medians_s(*functions: Callable, rounds: int = 15) -> list[float]:
    """Median seconds per call; the functions take turns, so that they meet the same disturbances."""
    samples = [[timed(function)[1] for function in functions] for _ in range(rounds)]
    return [median(column) for column in zip(*samples, strict=True)]


def show(name: str, text: str) -> None:
    print(f"  {name + ':' if name else '':<20} {text}")


if __name__ == "__main__":
    raise SystemExit(main())
