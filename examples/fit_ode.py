"""How fast do hares breed and lynxes hunt?

The four rates of the Lotka-Volterra equations are fitted to noisy counts of both animals. The model is integrated by
Runge-Kutta steps in a Numba loop, numbad differentiates through all of them, and SciPy's BFGS does the fitting. The
rates are fitted as logarithms, which keeps them positive.

    python examples/fit_ode.py
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.optimize import minimize

import numbad as nd

TRUTH = np.array([1.0, 0.1, 1.5, 0.075])  # births, hunting, deaths, gain per catch
DT, SUBSTEPS, SAMPLES = 0.01, 20, 60
NOISE = 0.02  # relative


@njit
def change(hares, lynxes, rates):
    return (rates[0] - rates[1] * lynxes) * hares, (rates[3] * hares - rates[2]) * lynxes


@njit
def populations(log_rates, samples, substeps, dt):
    """Hares and lynxes at the times of the counts."""
    rates = np.exp(log_rates)
    out = np.empty((samples, 2))
    h, p = 10.0, 5.0
    for k in range(samples):
        for _ in range(substeps):
            h1, p1 = change(h, p, rates)
            h2, p2 = change(h + 0.5 * dt * h1, p + 0.5 * dt * p1, rates)
            h3, p3 = change(h + 0.5 * dt * h2, p + 0.5 * dt * p2, rates)
            h4, p4 = change(h + dt * h3, p + dt * p3, rates)
            h += dt / 6.0 * (h1 + 2.0 * h2 + 2.0 * h3 + h4)
            p += dt / 6.0 * (p1 + 2.0 * p2 + 2.0 * p3 + p4)
        out[k, 0] = h
        out[k, 1] = p
    return out


@njit
def misfit(log_rates, counts, substeps, dt):
    """Sum of squared differences of the logarithms, that is of the relative errors."""
    model = populations(log_rates, counts.shape[0], substeps, dt)
    return np.sum((np.log(model) - np.log(counts)) ** 2)


@dataclass(frozen=True)
class Result:
    rates: np.ndarray
    misfit: float
    iterations: int


def main() -> Result:
    noise = 1.0 + NOISE * np.random.default_rng(1).standard_normal((SAMPLES, 2))
    counts = populations(np.log(TRUTH), SAMPLES, SUBSTEPS, DT) * noise
    value_and_gradient = nd.value_and_grad(misfit)
    guess = np.log(TRUTH * np.array([1.3, 0.8, 0.8, 1.2]))
    done = minimize(value_and_gradient, guess, args=(counts, SUBSTEPS, DT), jac=True, method="BFGS")
    result = Result(np.exp(done.x), float(done.fun), int(done.nit))
    print(f"{SAMPLES} counts of two animals, {100 * NOISE:.0f} % noise; {result.iterations} iterations")
    print("rate          true    found")
    for name, true, found in zip(("births", "hunting", "deaths", "gain"), TRUTH, result.rates, strict=True):
        print(f"{name:<10} {true:>7.4f}  {found:>7.4f}")
    print(f"misfit {result.misfit:.4f}; noise alone makes about {2 * SAMPLES * NOISE**2:.4f}")
    return result


if __name__ == "__main__":
    main()
