"""Launch shapes, and the arguments that fit them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import prod

import numpy as np

SHAPES = [((2,), (32,)), ((1,), (64,)), ((2,), (40,)), ((3,), (24,)), ((3,), (7,)), ((2,), (33,)), ((1,), (96,)),
          ((2, 1), (8, 4)), ((1, 2), (5, 3)), ((2, 2), (4, 4)), ((1, 1), (16, 4)), ((2,), (4, 2, 3)), ((2,), (64,))]
BINS, READ_ONLY, ROW = 5, 29, 3
"""Elements of what is added to atomically, of what is only read, of a row of the matrix."""


@dataclass(frozen=True)
class Shape:
    grid: tuple[int, ...]
    block: tuple[int, ...]

    @property
    def size(self) -> int:
        """Threads of a block."""
        return prod(self.block)

    @property
    def total(self) -> int:
        return self.size * prod(self.grid)

    @property
    def extent(self) -> tuple[int, int]:
        """Threads of the grid, as rows and columns."""
        return self.grid[1] * self.block[1], self.grid[0] * self.block[0]


def shape(rng: random.Random) -> Shape:
    return Shape(*rng.choice(SHAPES))


@dataclass(frozen=True)
class Argument:
    """`kind`: number, pair, array, index (integers from 0 to 4), count (one from 0 to 5)."""

    name: str
    kind: str
    dtype: str = "float64"
    shape: tuple[int, ...] = ()
    active: bool = False
    strided: bool = False

    def draw(self, rng: np.random.Generator):
        if self.kind == "count":
            return int(rng.integers(0, 6))
        if self.kind == "index":
            return rng.integers(0, 5, self.shape)
        number = float if self.dtype == "float64" else np.float32
        if self.kind == "number":
            return number(rng.uniform(-1.2, 1.2))
        if self.kind == "pair":
            return number(rng.uniform(-1.2, 1.2)), int(rng.integers(0, 3)), float(rng.uniform(-1.2, 1.2))
        if self.strided:
            return rng.normal(size=(*self.shape, 2)).astype(self.dtype)[..., 1]
        return rng.normal(size=self.shape).astype(self.dtype)


def arguments(rng: random.Random, shape: Shape) -> tuple[Argument, ...]:
    """x, y, p: numbers; a, b: an element for each thread, c: fewer, f: more; r: to be read; m: a row for each thread;
    e: to be added to; d: whole numbers for each thread; n: a whole number."""
    mixed = rng.random() < 0.3

    def dtype() -> str:
        return rng.choice(["float32", "float64"]) if mixed else "float64"

    def active() -> bool:
        return rng.random() < 0.85

    def strided() -> bool:
        return rng.random() < 0.15

    buffers, both, total = dtype(), active(), shape.total
    fewer: tuple[int, ...] = (total - rng.randint(1, 6),)
    if len(shape.block) == 2:
        rows, columns = shape.extent
        fewer = rows - rng.randint(0, 1), columns - rng.randint(0, 2)
    more = total + rng.randint(1, total)
    return (
        Argument("x", "number", dtype(), active=active()),
        Argument("y", "number", dtype(), active=active()),
        Argument("p", "pair", dtype(), active=active()),
        Argument("a", "array", buffers, (total,), both),
        Argument("b", "array", buffers, (total,), both or active()),
        Argument("c", "array", dtype(), fewer, active(), strided()),
        Argument("f", "array", dtype(), (more,), active(), strided()),
        Argument("r", "array", dtype(), (READ_ONLY,), active(), strided()),
        Argument("m", "array", dtype(), (total, ROW), active(), strided()),
        Argument("e", "array", dtype(), (BINS,), True),
        Argument("d", "index", shape=(total,)),
        Argument("n", "count"))
