"""How deep is the pool? A film of the waves on it tells: they are slow where it is shallow.

A wave spreads over a pool on the GPU, one launch a time step. Only a film of its surface is known, with some noise.
SciPy's L-BFGS-B finds the depth in every cell. The gradient of the misfit comes from the launches in reverse order,
each by `nd.cuda.vjp` of its kernel; of the states in between, only every tenth is kept, and the others are computed
again.

    python examples/pool_depth.py
"""

import math
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numba import cuda
from scipy.optimize import minimize

import numbad as nd

N, STEPS = 64, 120
EVERY = 10
NOISE = 1e-3
BLOCK = 16, 16


@cuda.jit
def step(before, now, depth, after):
    """The surface one moment later. Its border stays at 0."""
    i, j = cuda.grid(2)
    n, m = now.shape
    if 0 < i < n - 1 and 0 < j < m - 1:
        bend = now[i - 1, j] + now[i + 1, j] + now[i, j - 1] + now[i, j + 1] - 4.0 * now[i, j]
        after[i, j] = 2.0 * now[i, j] - before[i, j] + 0.2 * depth[i, j] * bend


@cuda.jit
def compare(now, picture, misfit):
    """Adds what one picture of the film contributes."""
    i, j = cuda.grid(2)
    n, m = now.shape
    if i < n and j < m:
        cuda.atomic.add(misfit, 0, (now[i, j] - picture[i, j]) ** 2)


def drops(n: int) -> np.ndarray:
    """The surface at first: two drops have fallen."""
    x = np.arange(n)
    surface = np.zeros((n, n))
    for row, column in ((0.3, 0.35), (0.7, 0.6)):
        square = (x[:, None] - row * n) ** 2 + (x[None, :] - column * n) ** 2
        surface += np.exp(-square / (0.1 * n) ** 2)
    surface[0], surface[-1], surface[:, 0], surface[:, -1] = 0.0, 0.0, 0.0, 0.0
    return surface


def true_depth(n: int) -> np.ndarray:
    """A shallow end, and a stone in it."""
    depth = np.ones((n, n))
    depth[:, n // 2:] = 0.7
    depth[n // 4:n // 2, n // 4:n // 2] = 0.4
    return depth


class Waves:
    """The waves after the drops, and what a film says of the depth below them."""

    def __init__(self, n: int, steps: int):
        self.shape, self.steps = (n, n), steps
        self.launch = (math.ceil(n / BLOCK[0]), math.ceil(n / BLOCK[1])), BLOCK
        self.surface = drops(n)

    def zeros(self):
        return cuda.to_device(np.zeros(self.shape))

    def start(self):
        """The first two states: the drops are at rest."""
        return [cuda.to_device(self.surface), cuda.to_device(self.surface)]

    def continued(self, states, depth, count):
        """`count` more states behind these."""
        states = list(states)
        for _ in range(count):
            after = self.zeros()
            step[self.launch](states[-2], states[-1], depth, after)
            states.append(after)
        return states

    def film(self, depth: np.ndarray) -> np.ndarray:
        states = self.continued(self.start(), cuda.to_device(depth), self.steps)
        return np.array([state.copy_to_host() for state in states[2:]])

    def misfit_and_gradient(self, depth: np.ndarray, film: np.ndarray) -> tuple[float, np.ndarray]:
        """How far the waves are off the film, and the derivatives of that by all depths."""
        depth = cuda.to_device(depth)
        misfit, pictures = cuda.to_device(np.zeros(1)), [cuda.to_device(picture) for picture in film]
        kept, states = [], self.start()
        for first in range(0, self.steps, EVERY):
            kept.append(states[-2:])
            states = self.continued(states[-2:], depth, min(EVERY, self.steps - first))
            for picture, state in zip(pictures[first:], states[2:], strict=False):
                compare[self.launch](state, picture, misfit)
        return float(misfit.copy_to_host()[0]), self.gradient(kept, depth, pictures)

    def gradient(self, kept, depth, pictures):
        """All launches in reverse order, from the states that were kept."""
        of_depth, one, unused = self.zeros(), cuda.to_device(np.ones(1)), cuda.to_device(np.zeros(1))
        of_now, of_after = self.zeros(), self.zeros()  # of the last two states of the part
        for first in reversed(range(0, self.steps, EVERY)):
            count = min(EVERY, self.steps - first)
            states = self.continued(kept.pop(), depth, count)
            for k in reversed(range(count)):
                before, now, after = states[k:k + 3]
                nd.cuda.vjp(compare)[self.launch](
                    nd.Dup(after, of_after), nd.Const(pictures[first + k]), nd.Dup(unused, one))
                of_before = self.zeros()
                nd.cuda.vjp(step)[self.launch](
                    nd.Dup(before, of_before), nd.Dup(now, of_now), nd.Dup(depth, of_depth), nd.Dup(after, of_after))
                of_now, of_after = of_before, of_now
        return of_depth.copy_to_host()


@dataclass(frozen=True)
class Result:
    truth: np.ndarray
    found: np.ndarray
    misfits: list[float]

    @property
    def error(self) -> float:
        """How far the depths are off in the inner cells, relative to the true ones."""
        inner = np.s_[1:-1, 1:-1]
        return float(np.linalg.norm((self.found - self.truth)[inner]) / np.linalg.norm(self.truth[inner]))


def main(n: int = N, steps: int = STEPS, iterations: int = 200) -> Result | None:
    if not cuda.is_available():
        print("this example needs an NVIDIA GPU, and there is none here")
        return None
    waves, truth = Waves(n, steps), true_depth(n)
    film = waves.film(truth)
    film += NOISE * np.random.default_rng(0).standard_normal(film.shape)
    misfits = []

    def objective(x):
        misfit, gradient = waves.misfit_and_gradient(x.reshape(n, n), film)
        misfits.append(misfit)
        return misfit, gradient.ravel()

    done = minimize(objective, np.ones(n * n), jac=True, method="L-BFGS-B", bounds=[(0.05, 1.5)] * (n * n),
                    options={"maxiter": iterations})
    result = Result(truth, done.x.reshape(n, n), misfits)
    print(f"{n * n} unknown depths, {2 * steps} launches for a misfit, {len(misfits)} misfits with gradients")
    print(f"misfit: {misfits[0]:.3g} at first, {min(misfits):.3g} at the end")
    print(f"error of the depths: {100 * result.error:.1f} %")
    return result


def draw(result: Result, path: str) -> None:
    """The true and the found depths side by side."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2)
    for axis, title, field in zip(axes, ("true", "found"), (result.truth, result.found), strict=True):
        axis.imshow(field, vmin=0.0, vmax=1.2)
        axis.set_title(title)
    figure.savefig(path)
    print(f"drawn: {path}")


if __name__ == "__main__":
    outcome = main()
    if outcome is not None and find_spec("matplotlib"):
        draw(outcome, "pool_depth.png")
