"""Which volatility explains a price? Calibration of a Monte Carlo simulation on the GPU.

Prices of options on one share are known. Each thread follows the share along one random path and adds what the options
would pay. The volatility falls or rises from its start towards a mean; SciPy's least squares fit these three numbers,
with the derivatives of all prices from `nd.cuda.jvp`: three launches, whatever the number of prices.

    python examples/calibrate_monte_carlo.py
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import cuda
from scipy.optimize import least_squares

import numbad as nd

PATHS, STEPS = 1 << 16, 32
SPOT, RATE, YEARS = 100.0, 0.02, 1.0
STRIKES = np.array([80.0, 90.0, 100.0, 110.0, 120.0])
TRUTH = np.array([0.35, 0.18, 3.0])


@cuda.jit(device=True)
def normal(state):
    """A random number, by Box and Muller, and the state of the generator after it."""
    state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
    first = ((state >> np.uint64(12)) + 0.5) / 4503599627370496.0
    state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
    second = ((state >> np.uint64(12)) + 0.5) / 4503599627370496.0
    return math.sqrt(-2.0 * math.log(first)) * math.cos(2.0 * math.pi * second), state


@cuda.jit
def simulate(start, mean, speed, strikes, steps, paths, prices):
    """Adds to the price of an option with each strike, for a third and two thirds of the time, and for all of it."""
    path = cuda.grid(1)
    if path < paths:
        state = np.uint64(path) * np.uint64(2862933555777941757) + np.uint64(3037000493)
        logarithm, dt = math.log(SPOT), YEARS / steps
        for k in range(steps):
            volatility = mean + (start - mean) * math.exp(-speed * k * dt)
            draw, state = normal(state)
            logarithm += (RATE - 0.5 * volatility * volatility) * dt + volatility * math.sqrt(dt) * draw
            for part in range(3):
                if k + 1 == steps * (part + 1) // 3:
                    discount = math.exp(-RATE * dt * (k + 1)) / paths
                    for s in range(strikes.size):
                        payoff = max(math.exp(logarithm) - strikes[s], 0.0)
                        cuda.atomic.add(prices, part * strikes.size + s, discount * payoff)


class Market:
    """Prices of all options as functions of the three numbers."""

    def __init__(self, paths: int, steps: int):
        self.paths, self.steps = paths, steps
        self.strikes = cuda.to_device(STRIKES)
        self.tangents = nd.cuda.jvp(simulate).forall(paths, tpb=128)

    def zeros(self):
        return cuda.to_device(np.zeros(3 * STRIKES.size))

    def prices_and_jacobian(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        columns = []
        for direction in np.eye(3):
            prices, slopes = self.zeros(), self.zeros()
            self.tangents(*(nd.Dup(float(p), float(t)) for p, t in zip(parameters, direction, strict=True)),
                          nd.Const(self.strikes), nd.Const(self.steps), nd.Const(self.paths), nd.Dup(prices, slopes))
            columns.append(slopes.copy_to_host())
        return prices.copy_to_host(), np.array(columns).T


@dataclass(frozen=True)
class Result:
    found: np.ndarray
    first_misfit: float
    misfit: float


def main(paths: int = PATHS, steps: int = STEPS) -> Result | None:
    if not cuda.is_available():
        print("this example needs an NVIDIA GPU, and there is none here")
        return None
    market = Market(paths, steps)
    quoted, _ = market.prices_and_jacobian(TRUTH)
    first = np.array([0.3, 0.25, 1.0])
    done = least_squares(lambda x: market.prices_and_jacobian(x)[0] - quoted, first,
                         jac=lambda x: market.prices_and_jacobian(x)[1], bounds=([0.01, 0.01, 0.1], [1.0, 1.0, 10.0]),
                         x_scale="jac", xtol=1e-12, ftol=1e-12, gtol=1e-12)
    result = Result(done.x, float(np.sum((market.prices_and_jacobian(first)[0] - quoted) ** 2)), 2.0 * float(done.cost))
    print(f"{paths} paths of {steps} steps, {quoted.size} prices, {done.nfev} tries")
    print(f"sum of squared errors of the prices: {result.first_misfit:.3g} at first, {result.misfit:.3g} at the end")
    for name, value, true in zip(("start", "mean", "speed"), result.found, TRUTH, strict=True):
        print(f"{name:5} {value:.6f} (true: {true})")
    return result


if __name__ == "__main__":
    main()
