"""Three answers that know nothing of each other, compared.

    forward mode          J v along a random direction v of the arguments
    reverse mode          J' w for random weights w of the results:  <J' w, v> = <w, J v>  to rounding
    finite differences    of the function itself along v, with an estimate of their own error

Given   a function at its arguments, as a function of one vector (`Point`).
Gives   nothing if all agree; `WrongDerivative` otherwise, which names the argument and the index, found by bisection,
        and which of the three is the odd one out.
Unsure  where finite differences do not converge, only the other two are compared; `run` is False if there are no other
        two.

The projections are those of Griewank and Walther, "Evaluating Derivatives" (2008), section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from numbad.differences import Differences
from numbad.errors import WrongDerivative

DIRECTIONS = 2
FORWARD, REVERSE, DIFFERENCES = "forward mode", "reverse mode", "finite differences"


@dataclass(frozen=True)
class Precision:
    """`steps` of finite differences, relative to the arguments; how far they may be off the derivative, relative to the
    largest entry; what rounding may do to <J' w, v> - <w, J v>, relative to the sum of the absolute terms."""

    steps: tuple[float, ...]
    differences: float
    adjoint: float


PRECISIONS = {8: Precision((2e-3, 1e-4, 3e-6), 1e-6, 1e-8), 4: Precision((5e-2, 5e-3), 1e-2, 1e-3)}
"""By the bytes of the smallest float among the arguments."""


class Point(Protocol):
    """A function at its arguments, as a function of one vector: all active numbers, one after the other."""

    @property
    def what(self) -> str:
        """What was asked, in messages."""

    @property
    def size(self) -> int:
        """How many numbers."""

    @property
    def precision(self) -> Precision: ...

    @property
    def results(self) -> np.ndarray:
        """The numbers of the results."""

    def direction(self, rng: np.random.Generator) -> np.ndarray:
        """Random, as large as what it is added to."""

    def forward(self, direction: np.ndarray) -> np.ndarray:
        """J v."""

    def reverse(self, weights: np.ndarray) -> np.ndarray:
        """J' w."""

    def differences(self, direction: np.ndarray) -> Differences:
        """J v, from the function itself."""

    def title(self, place: int) -> tuple[str, float]:
        """What a number of the vector is called, and how large its leaf is."""


def compare(point: Point, modes: Sequence[str], atol: float, rtol: float | None, seed: int) -> np.random.Generator:
    """In some directions, drawn by the generator that is returned."""
    if not modes or not set(modes) <= {"fwd", "rev"}:
        raise ValueError(f"{point.what}: modes must be 'fwd', 'rev' or both, not {modes}")
    rng = np.random.default_rng(seed)
    for _ in range(DIRECTIONS):
        if not Comparison(point, tuple(modes), rng, atol, rtol).run():
            raise ValueError(f"{point.what}: nothing can be compared at these arguments: the results are not finite, "
                             "or finite differences do not converge (a kink or a jump nearby, or noise); choose other "
                             "arguments, or both modes")
    return rng


class Comparison:
    """One direction v, one w; narrowed down to one number where something disagrees."""

    def __init__(self, point: Point, modes: tuple[str, ...], rng: np.random.Generator, atol: float,
                 rtol: float | None):
        self.point, self.modes, self.atol = point, modes, atol
        self.rtol = point.precision.differences if rtol is None else rtol
        self.direction = point.direction(rng)
        self.weights = rng.normal(size=len(point.results))

    @cached_property
    def gradient(self) -> np.ndarray:
        return self.point.reverse(self.weights)

    def run(self) -> bool:
        """Whether anything could be compared; raises WrongDerivative if something disagrees."""
        if not np.all(np.isfinite(self.point.results)):
            return False
        whole = np.arange(self.point.size)
        converged = self.point.differences(self.direction).converged
        pairs = []
        if converged:
            pairs.append((FORWARD if "fwd" in self.modes else REVERSE, DIFFERENCES))
        if set(self.modes) == {"fwd", "rev"}:
            pairs.append((REVERSE, FORWARD))
        for pair in pairs:
            if self.error(pair, whole) > 1.0:
                raise WrongDerivative(self.message(pair, self.narrowed(pair, whole)))
        return bool(pairs)

    def narrowed(self, pair: tuple[str, str], chosen: np.ndarray) -> int:
        """The place of one number about which the two disagree."""
        while len(chosen) > 1:
            chosen = max(np.array_split(chosen, 2), key=lambda half: self.error(pair, half))
        return int(chosen[0])

    def error(self, pair: tuple[str, str], chosen: np.ndarray) -> float:
        """How far the two are apart in the derivative by the chosen numbers, in units of what is allowed."""
        v = np.zeros(self.point.size)
        v[chosen] = self.direction[chosen]
        if pair == (REVERSE, FORWARD):
            terms, others = self.gradient * v, self.weights * self.point.forward(v)
            allowed = self.point.precision.adjoint * (np.abs(terms).sum() + np.abs(others).sum())
            return _in_units(abs(terms.sum() - others.sum()), allowed + self.atol)
        known = self.point.differences(v)
        if not known.converged:
            return 0.0
        if pair[0] == FORWARD:
            allowed = 10 * known.uncertainty + self.rtol * np.max(np.abs(known.value), initial=0.0) + self.atol
            return max(map(_in_units, np.abs(self.point.forward(v) - known.value), allowed), default=0.0)
        sizes = np.abs(self.weights)
        allowed = 10 * sizes @ known.uncertainty + self.rtol * (sizes @ np.abs(known.value)) + self.atol
        return _in_units(abs(self.gradient @ v - self.weights @ known.value), allowed)

    def message(self, pair: tuple[str, str], place: int) -> str:
        title, scale = self.point.title(place)
        unit = np.zeros(self.point.size)
        unit[place] = 1.0
        answers = {DIFFERENCES: float(self.weights @ self.point.differences(scale * unit).value) / scale}
        if FORWARD in pair or "fwd" in self.modes:
            answers[FORWARD] = float(self.weights @ self.point.forward(unit))
        if REVERSE in pair or "rev" in self.modes:
            answers[REVERSE] = float(self.gradient[place])
        odd = _odd_one_out(answers)
        verdict = {None: ".", DIFFERENCES: "; both modes agree, so a rule that they share is wrong."}.get(
            odd, f"; {odd} is the odd one out.")
        lines = [f"{self.point.what}: {pair[0]} and {pair[1]} disagree{verdict}", "",
                 f"  The derivative by {title}, of the results times random weights, is"]
        lines += [f"      {answer:<24.12g} by {who}" for who, answer in answers.items()]
        return "\n".join(lines)


def _in_units(error: float, allowed: float) -> float:
    if error <= allowed:
        return 0.0 if error == 0.0 else error / allowed
    return float(error / allowed) if allowed > 0.0 and np.isfinite(error) else np.inf


def _odd_one_out(answers: dict[str, float]) -> str | None:
    """Of three, the one that is farthest from its nearest neighbour."""
    if len(answers) < 3:
        return None

    def loneliness(name: str) -> float:
        nearest = min(abs(answers[name] - other) for n, other in answers.items() if n != name)
        return np.inf if np.isnan(nearest) else nearest
    return max(answers, key=loneliness)
