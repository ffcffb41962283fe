"""Which heat source made this temperature field?

A plate is heated by an unknown source while heat diffuses away over its cold border. Only the temperatures at the
end are known, with some noise. SciPy's L-BFGS-B finds the source in every cell; numbad gives it the gradient of the
misfit.

    python examples/heat_source.py
"""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numba import njit
from scipy.optimize import minimize

import numbad as nd

N, STEPS = 20, 80
NOISE = 1e-3


@njit
def heated(source, steps):
    """Temperatures after some steps, starting from 0 everywhere."""
    n = source.shape[0]
    u = np.zeros((n, n))
    w = np.zeros((n, n))
    for _ in range(steps):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                spread = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - 4.0 * u[i, j]
                w[i, j] = u[i, j] + 0.2 * spread + 0.05 * source[i, j]
        u, w = w, u
    return u


@njit
def misfit(source, measured, steps):
    u = heated(source, steps)
    total = 0.0
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            total += (u[i, j] - measured[i, j]) ** 2
    return total


@dataclass(frozen=True)
class Result:
    truth: np.ndarray
    found: np.ndarray
    misfit: float
    iterations: int

    @property
    def error(self) -> float:
        """Distance to the truth, relative to its norm."""
        return float(np.linalg.norm(self.found - self.truth) / np.linalg.norm(self.truth))


def true_source() -> np.ndarray:
    source = np.zeros((N, N))
    source[4:8, 4:8] = 1.0
    source[12:15, 10:17] = 0.5
    return source


def main() -> Result:
    truth = true_source()
    measured = heated(truth, STEPS) + NOISE * np.random.default_rng(0).standard_normal(truth.shape)
    value_and_gradient = nd.value_and_grad(misfit)

    def objective(x):
        value, gradient = value_and_gradient(x.reshape(N, N), measured, STEPS)
        return value, gradient.ravel()

    only_heating = [(0.0, None)] * (N * N)
    done = minimize(objective, np.zeros(N * N), jac=True, method="L-BFGS-B", bounds=only_heating)
    result = Result(truth, done.x.reshape(N, N), float(done.fun), int(done.nit))
    print(f"{N * N} unknowns, {result.iterations} iterations, misfit {result.misfit:.3g}")
    print(f"heat given off: true {truth.sum():.3f}, found {result.found.sum():.3f}")
    print(f"error of the source field: {100 * result.error:.1f} %")
    return result


def draw(result: Result, path: str) -> None:
    """The true and the found source side by side."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2)
    for axis, title, field in zip(axes, ("true", "found"), (result.truth, result.found), strict=True):
        axis.imshow(field, vmin=0.0, vmax=1.0)
        axis.set_title(title)
    figure.savefig(path)
    print(f"drawn: {path}")


if __name__ == "__main__":
    outcome = main()
    if find_spec("matplotlib"):
        draw(outcome, "heat_source.png")
