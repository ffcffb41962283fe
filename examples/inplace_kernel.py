"""The derivative of a kernel that returns nothing and writes into an array.

The kernel smooths a signal into an array the caller gives it. Two ways to differentiate it: `nd.vjp` with the names
of the outputs, which copies and allocates as a function would, and `nd.autodiff`, which works on the caller's own
arrays: every differentiated array comes with a second one of its shape, its shadow, that holds derivatives.

    python examples/inplace_kernel.py
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

import numbad as nd

CELLS = 50


@njit
def smooth(signal, weight, out):
    """out = signal, each inner value moved towards the mean of its neighbours, the less the larger the jump."""
    n = signal.shape[0]
    out[0] = signal[0]
    out[n - 1] = signal[n - 1]
    for i in range(1, n - 1):
        jump = 0.5 * (signal[i - 1] + signal[i + 1]) - signal[i]
        out[i] = signal[i] + weight * jump / (1.0 + jump * jump)


@dataclass(frozen=True)
class Result:
    out: np.ndarray
    signal_adjoint: np.ndarray
    weight_adjoint: float
    in_place_signal_adjoint: np.ndarray
    in_place_weight_adjoint: float


def main() -> Result:
    rng = np.random.default_rng(0)
    signal, out_adjoint = rng.standard_normal(CELLS), rng.standard_normal(CELLS)
    weight = 0.8

    # Functional: the caller's arrays stay as they are, results are new.
    (out,), adjoints = nd.vjp(smooth, outputs=("out",))((signal, weight, np.zeros(CELLS)), (out_adjoint,))
    signal_adjoint, weight_adjoint = adjoints[0], adjoints[1]

    # In place: the shadow of `out` holds the seed and is used up; the shadow of `signal` is added to.
    written, seed, signal_shadow = np.zeros(CELLS), out_adjoint.copy(), np.zeros(CELLS)
    _, (in_place_weight_adjoint,) = nd.autodiff(smooth, "reverse")(
        nd.Dup(signal, signal_shadow), nd.Active(weight), nd.Dup(written, seed)
    )
    result = Result(out, signal_adjoint, weight_adjoint, signal_shadow, in_place_weight_adjoint)
    print(f"{CELLS} cells smoothed: roughness {np.ptp(np.diff(signal)):.3f} -> {np.ptp(np.diff(out)):.3f}")
    print(f"adjoint of the weight: {weight_adjoint:.12f} by vjp, {result.in_place_weight_adjoint:.12f} in place")
    print("adjoint of the signal, first entries:", np.round(signal_adjoint[:4], 6))
    print("the seed was used up:", not seed.any())
    return result


if __name__ == "__main__":
    main()
