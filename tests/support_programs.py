"""The programs of the support table that are not in the pool: what is refused, and what the pool has no entry for.

Each is a plain function under `@program(args=...)`, an `Entry` as in the pool. In a program that is refused, the line
at fault ends in `# refused`; without such a line, the refusal is of the function as a whole, an argument or a result.
"""

from __future__ import annotations

import cmath
import ctypes
import ctypes.util
import enum
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cfunc, guvectorize, njit, objmode, prange, stencil, typed, types, vectorize
from numba.experimental import jitclass

import numbad as nd
from pool.entry import Arguments, Entry
from pool.linalg import spd
from pool.trees import has_floats

PROGRAMS: dict[str, Entry] = {}
RECORD = np.dtype([("position", "f8"), ("speed", "f8"), ("kind", "i8")])


def program(*, args: Arguments, **rest: Any) -> Callable[[Callable], Callable]:
    """Make an `Entry` of the function below. What holds floats is differentiated, unless `diff` says otherwise."""

    def collect(function: Callable) -> Callable:
        draft = Entry(function.__name__, "support", function, args, (), **{"diff": (), **rest})
        active = tuple(p for p, a in zip(draft.parameters, draft.arguments(), strict=True) if has_floats(a))
        PROGRAMS[draft.name] = Entry(draft.name, "support", function, args, rest.pop("diff", active), **rest)
        return function

    return collect


def scalar(rng: np.random.Generator) -> tuple:
    return (float(rng.uniform(0.5, 1.5)),)


def two_scalars(rng: np.random.Generator) -> tuple:
    return 1.2, 0.7


def vector(rng: np.random.Generator) -> tuple:
    return (rng.uniform(0.5, 2.0, size=5),)


def matrix(rng: np.random.Generator) -> tuple:
    return (spd(rng, 3),)


def system(rng: np.random.Generator) -> tuple:
    return spd(rng, 3), rng.normal(size=3)
