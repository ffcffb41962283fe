"""Finite differences that know how far they can be trusted.

Given   a function of a distance, which gives a vector: f(0) is the result, f(t) that at arguments moved by t v.
Gives   the derivative at 0, by central differences of 6th order at two steps; how far these disagree, plus what
        rounding may do and the jump of the slope at 0, is the uncertainty. Smaller steps are tried until the two agree.
Unsure  `converged` is False: there is a jump or a kink nearby, the function is noisy, or it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

CENTRAL = ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))
"""Distance in steps, weight; odd in the distance (Fornberg, "Generation of Finite Difference Formulas", 1988)."""
OUTSIDE = (ArithmeticError, ValueError, IndexError, RuntimeError, AssertionError)
"""What functions raise at arguments that they are not made for."""


@dataclass(frozen=True)
class Differences:
    value: np.ndarray
    uncertainty: np.ndarray

    @property
    def converged(self) -> bool:
        """The largest entry is known to three digits, and no other is known worse."""
        return bool(np.all(self.uncertainty <= 1e-3 * np.max(np.abs(self.value), initial=0.0) + 1e-12))


def differences(f: Callable[[float], np.ndarray], steps: Sequence[float], eps: float) -> Differences:
    """`eps`: the rounding of the numbers that f computes with, relative to their size."""
    here = f(0.0)
    nothing = np.full_like(here, np.nan)
    best = Differences(nothing, nothing)
    for step in steps:
        try:
            (coarse, _, bend), (fine, rounding, half) = (_central(f, here, h, eps) for h in (step, 0.5 * step))
        except OUTSIDE:
            continue
        # The slopes on both sides differ by h f'' where f is smooth, by a constant where it has a kink.
        found = Differences(fine, np.abs(fine - coarse) + rounding + np.abs(2.0 * half - bend))
        if not np.max(found.uncertainty, initial=0.0) >= np.max(best.uncertainty, initial=0.0):  # nan: none so far
            best = found
        if best.converged:
            break
    return best


def _central(f: Callable[[float], np.ndarray], here: np.ndarray, h: float, eps: float) -> tuple[np.ndarray, ...]:
    """The derivative, what rounding may have done to it, and the difference of the slopes on both sides."""
    value = size = bend = np.zeros(())
    for distance, weight in CENTRAL:
        ahead, behind = f(distance * h), f(-distance * h)
        with np.errstate(invalid="ignore", over="ignore"):  # infinite numbers differ by nan: not converged
            value = value + weight * (ahead - behind) / h
        size = size + abs(weight) * (np.abs(ahead) + np.abs(behind)) / h
        if distance == 1:
            bend = (ahead - 2.0 * here + behind) / h
    return value, size * eps, bend
