"""Random CUDA kernels that terminate, do not race, stay inside their arrays, and keep all numbers small.

Given   a seed.
Gives   a `KernelProgram`: a kernel `f` and the device functions that it calls, its launch shape and its arguments
        (see `shapes`).

What occurs: grids and blocks of one to three dimensions, partly idle blocks and warps; arrays read and written in
place, with neighbours, in grid-stride loops, swapped; local, constant and shared memory, static and dynamic, with
barriers in loops and branches that are the same for a block; trees, scans, stencils, atomic additions, shuffles, votes;
loops and branches of a single thread on anything; device functions of numbers and arrays, recursive, differentiated.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from cuda.fuzz.functions import helper
from cuda.fuzz.meetings import Block
from cuda.fuzz.places import KernelScope, Place
from cuda.fuzz.shapes import BINS, READ_ONLY, ROW, Argument, Shape, arguments, shape
from cuda.fuzz.threads import PRIVATE

from fuzz.code import Program, Statement
from fuzz.expressions import Helper

HEADING = """import math
import numpy as np
from numba import cuda, float32, float64, int32
import numbad as nd

WEIGHTS = np.array([0.05, -0.25, 0.4, 0.25, 1.5])
"""


@dataclass
class KernelProgram(Program):
    """`single`: whether any number in it is a float32; `shared`: bytes of dynamic shared memory."""

    shape: Shape
    arguments: Sequence[Argument]
    shared: int = 0
    single: bool = False
    decorators: dict[str, str] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        launched = "".join(f"# {a.name}: {a.kind} {a.dtype} {a.shape or ''}{' active' * a.active}"
                           f"{' strided' * a.strided}\n" for a in self.arguments)
        return f"# f[{self.shape.grid}, {self.shape.block}, 0, {self.shared}]\n{launched}{HEADING}"

    def decorator(self, function: Statement) -> str:
        name = function.head.removeprefix("def ").partition("(")[0]
        return self.decorators.get(name, "@cuda.jit")

    def draw(self, seed: int) -> tuple:
        rng = np.random.default_rng(seed)
        return tuple(argument.draw(rng) for argument in self.arguments)

    @property
    def active(self) -> tuple[int, ...]:
        return tuple(k for k, argument in enumerate(self.arguments) if argument.active)


def program(seed: int) -> KernelProgram:
    rng = random.Random(seed)
    helpers: list[Helper] = []
    functions, decorators = [], {}
    for number in range(rng.choice([0, 0, 1, 1, 2, 3])):
        made, function = helper(rng, f"h{number}", helpers)
        helpers.append(made)
        functions.append(function)
        decorators[made.name] = rng.choice(["@cuda.jit(device=True)"] * 2 + ['@cuda.jit(device=True, inline="never")'])
    launched = shape(rng)
    given = arguments(rng, launched)
    writer = _Kernel(rng, helpers, launched)
    functions.append(writer.kernel())
    single = writer.single or any(argument.dtype == "float32" for argument in given)
    return KernelProgram(functions, launched, given, writer.dynamic, single, decorators)


class _Kernel(Block):
    def __init__(self, rng: random.Random, helpers: list[Helper], shape: Shape):
        super().__init__(rng, rng.randint(6, 20), helpers, shape)
        self.dynamic, self.single = 0, False
        if len(shape.block) == 2:
            self.guard = "iy < c.shape[0] and ix < c.shape[1]", "c[iy, ix]"

    def kernel(self) -> Statement:
        scope = KernelScope(["x", "y"], ["n", "j", "l", "d[i]"], {}, [], [], given=["p[0]", "p[2]"], uniform=["n"],
                            in_kernel=True)
        scope.places = self.arrays()
        body = [*self.position(), *self.memory(scope)]
        body += self.together(scope, 2, self.rng.randint(2, 6))
        self.may_return = True
        self.budget = max(self.budget, 3)
        body += self.block(scope, 2, self.rng.randint(1, 4))
        self.may_return = False
        body += self.results(scope)
        return Statement("def f(x, y, p, a, b, c, f, r, m, e, d, n):", body)

    def position(self) -> list[Statement]:
        block, size = self.shape.block, self.shape.size
        t = "cuda.threadIdx.x"
        if len(block) == 2:
            t = self.rng.choice([f"cuda.threadIdx.y * {block[0]} + cuda.threadIdx.x",
                                 "cuda.threadIdx.y * cuda.blockDim.x + cuda.threadIdx.x"])
        elif len(block) == 3:
            t = f"(cuda.threadIdx.z * {block[1]} + cuda.threadIdx.y) * cuda.blockDim.x + cuda.threadIdx.x"
        number = "cuda.blockIdx.x"
        if len(self.shape.grid) == 2:
            number = f"(cuda.blockIdx.y * cuda.gridDim.x + {number})"
        ways = [f"{number} * {size} + t"]
        if len(block) == 1:
            ways += ["cuda.grid(1)", "cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x"]
        lines = [f"t = {t}", f"i = {self.rng.choice(ways)}", "j, l = i % 5, t % 7", "x0, aa, bb = x, a, b"]
        if len(block) == 2:
            lines.append("ix, iy = cuda.grid(2)")
        step = "cuda.gridsize(1)" if len(block) == 1 else f"{self.shape.total}"
        lines.append(f"step = {step}")
        lines.append(f"lane = {self.rng.choice(['t % 32', 'cuda.laneid'])}")
        lines.append("lanes = 32" if self.warp else f"lanes = min(32, {size} - t // 32 * 32)")
        if not self.warp:
            lines.append(f"mask = 0xFFFFFFFF if lanes == 32 else {(1 << size % 32) - 1}")
        return [Statement(line) for line in lines]

    def arrays(self) -> list[Place]:
        size = self.shape.size
        found = [Place("r", "r", anywhere=f"r[({{}}) % {READ_ONLY}]"), Place("c", "c"), Place("f", "f"),
                 Place("m", "m", own=("m[i, 0]", "m[i, 1]", f"m[i, ({{}}) % {ROW}]")),
                 Place("e", "e", sum=f"e, ({{}}) % {BINS}")]
        found += [Place(name, "a", own=(f"{name}[i]",), anywhere=f"{name}[i - t + ({{}}) % {size}]")
                  for name in ("a", "b")]
        return found

    def memory(self, scope: KernelScope) -> list[Statement]:
        """Local, constant, shared: what there is, with its first contents."""
        found = []
        for _ in range(self.rng.choice([0, 0, 1, 1, 2])):
            name, i = self.fresh("w"), self.fresh("i")
            found.append(Statement(f"{name} = cuda.local.array({PRIVATE}, {self.dtype()})"))
            first = Statement(f"{name}[{i}] = {self.expression(scope)}")
            found.append(Statement(f"for {i} in range({PRIVATE}):", [first]))
            scope.arrays[name] = PRIVATE
        if self.rng.random() < 0.3:
            found.append(Statement("weights = cuda.const.array_like(WEIGHTS)"))
            scope.places.append(Place("weights", "weights", anywhere="weights[({}) % 5]"))
        made: list[Place] = []
        kind = self.rng.choice(["none", "one", "one", "two", "two", "tile", "dynamic", "halves"])
        size, dtype = self.shape.size, self.dtype()
        if kind == "tile" and len(self.shape.block) == 2:
            columns, rows = self.shape.block
            found.append(Statement(f"s0 = cuda.shared.array(({rows}, {columns}), {dtype})"))
            at = f"({{0}}) // {columns} % {rows}, ({{0}}) % {columns}"
            made.append(Place("s0", "s", ("s0[cuda.threadIdx.y, cuda.threadIdx.x]",), f"s0[{at}]", f"s0, ({at})"))
        elif kind == "halves":
            found += [Statement(f"both = cuda.shared.array(0, {dtype})"), Statement(f"s0 = both[:{size}]"),
                      Statement(f"s1 = both[{size}:]")]
            made += [self.row("s0"), self.row("s1")]
            self.dynamic = 2 * size * (8 if dtype == "float64" else 4)
        elif kind == "dynamic":
            found.append(Statement(f"s0 = cuda.shared.array(0, {dtype})"))
            made.append(self.row("s0"))
            self.dynamic = size * (8 if dtype == "float64" else 4)
        elif kind != "none":
            for name in ["s0", "s1"] if kind == "two" else ["s0"]:
                found.append(Statement(f"{name} = cuda.shared.array({size}, {dtype})"))
                made.append(self.row(name))
        for place in made:
            found.append(Statement(f"{place.own[0]} = {self.expression(scope)}"))
            self.stretch.take("s", "own")
        scope.places += made
        return found

    def row(self, name: str) -> Place:
        at = f"({{}}) % {self.shape.size}"
        return Place(name, "s", (f"{name}[t]",), f"{name}[{at}]", f"{name}, {at}")

    def dtype(self) -> str:
        chosen = self.rng.choice(["float64"] * 5 + ["float32"])
        self.single |= chosen == "float32"
        return chosen

    def results(self, scope: KernelScope) -> list[Statement]:
        """Something of everything that is there."""
        parts = [self.rng.choice(scope.floats), *scope.floats[-2:], "0.3 * x", "0.2 * y"]
        parts += [f"0.3 * {name}[1]" for name in scope.arrays]
        parts += [f"0.4 * {p.own[0]}" for p in scope.places if p.group == "s" and self.stretch.may("s", "own")]
        target = "b[i]" if self.stretch.may("a", "own") else "m[i, 1]"
        return [Statement(f"{target} += {' + '.join(parts)}")]
