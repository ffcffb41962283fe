"""Where do charges on a ring come to rest?

Equal charges on a circle push each other apart. A loop of gradient descent finds their rest positions, and the whole
loop is one Numba function: `nd.grad(energy)` is called inside it, once per step, without coming back to Python.

    python examples/descent_in_njit.py
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

import numbad as nd

CHARGES = 8


@njit
def energy(angles):
    """Sum of 1 / distance over all pairs on the unit circle."""
    total = 0.0
    for i in range(angles.shape[0]):
        for j in range(i):
            total += 0.5 / abs(math.sin(0.5 * (angles[i] - angles[j])))
    return total


@njit
def come_to_rest(angles, rate, tolerance, most_steps):
    """Moves the angles downhill until the forces are below the tolerance; gives the number of steps taken."""
    for step in range(most_steps):
        gradient = nd.grad(energy)(angles)
        if np.max(np.abs(gradient)) < tolerance:
            return step
        angles -= rate * gradient
    return most_steps


@dataclass(frozen=True)
class Result:
    angles: np.ndarray
    energy: float
    steps: int

    @property
    def gaps(self) -> np.ndarray:
        """Angles between neighbours, all round the circle."""
        return np.diff(self.angles, append=self.angles[0] + 2 * np.pi)


def evenly_spaced(charges: int) -> np.ndarray:
    return 2 * np.pi * np.arange(charges) / charges


def main() -> Result:
    angles = evenly_spaced(CHARGES) + 0.2 * np.random.default_rng(0).standard_normal(CHARGES)
    before = energy(angles)
    steps = come_to_rest(angles, 0.02, 1e-9, 20_000)
    result = Result(angles, energy(angles), steps)
    print(f"{CHARGES} charges, energy {before:.6f}; at rest after {steps} steps, energy {result.energy:.6f}")
    print(f"energy of even spacing: {energy(evenly_spaced(CHARGES)):.6f}")
    print("angles between neighbours, in degrees:", np.round(np.degrees(result.gaps), 4))
    return result


if __name__ == "__main__":
    main()
