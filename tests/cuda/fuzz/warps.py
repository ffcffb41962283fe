"""How the threads of a warp meet: shuffles and votes, of all lanes that there are or of some."""

from __future__ import annotations

import random

from cuda.fuzz.places import ADD, KernelScope
from cuda.fuzz.shapes import Shape
from cuda.fuzz.threads import Thread

from fuzz.code import Statement
from fuzz.expressions import Helper


class Warp(Thread):
    def __init__(self, rng: random.Random, budget: int, helpers: list[Helper], shape: Shape):
        super().__init__(rng, budget, helpers, str(shape.size), str(shape.total))
        self.shape = shape
        self.warp = shape.size % 32 == 0
        self.mask = "0xFFFFFFFF" if self.warp else "mask"

    def meet_shuffle(self, scope: KernelScope, depth: int) -> list[Statement]:
        v, u = self.fresh("v"), self.rng.choice(scope.floats)
        mode = self.rng.choice(["up", "down", "xor"])
        d = self.rng.choice(["1", "2", "5", "16", f"({self.rng.choice(scope.uniform)} + 1)"])
        if mode == "xor":
            d = self.rng.choice(["1", "3", "16", "31", f"({self.rng.choice(scope.uniform)} % 7)"])
        here = Statement(f"{v} = cuda.shfl_{mode}_sync({self.mask}, {self.expression(scope)}, {d})")
        there = {"up": f"lane >= {d}", "down": f"lane + {d} < lanes", "xor": f"lane ^ {d} < lanes"}[mode]
        after = [Statement(f"{v} = {v} if {there} else {self.rng.choice([u, '0.0'])}")]
        if mode == "xor":
            after = [Statement(f"{v} = {v} if (lane ^ {d}) < lanes else {u}")]
        if (self.warp or mode == "up") and self.rng.random() < 0.5:
            after = []
        scope.floats.append(v)
        return [here, *after]

    def meet_butterfly(self, scope: KernelScope, depth: int) -> list[Statement]:
        v, u, k = self.fresh("v"), self.fresh("v"), self.fresh("k")
        how = self.rng.choice(["{0} += {1}", "{0} *= math.cos({1})", "{0} = 0.5 * {0} + math.sin({1})",
                               "{0} = max({0}, {1})"])
        first = Statement(f"{v} = {self.expression(scope)}")
        scope.floats.append(v)
        return [first, Statement(f"{k} = 16"), Statement(f"while {k} > 0:", [
            Statement(f"{u} = cuda.shfl_xor_sync({self.mask}, {v}, {k})"),
            Statement(f"if (lane ^ {k}) < lanes:", [Statement(how.format(v, u))]), Statement(f"{k} //= 2")])]

    def meet_warp_sum(self, scope: KernelScope, depth: int) -> list[Statement]:
        v, u, k = self.fresh("v"), self.fresh("v"), self.fresh("i")
        first = Statement(f"{v} = {self.expression(scope)}")
        body = [Statement(f"{u} = cuda.shfl_down_sync({self.mask}, {v}, 16 >> {k})"),
                Statement(f"if lane + (16 >> {k}) < lanes:", [Statement(f"{v} += {u}")])]
        if self.warp and self.rng.random() < 0.6:
            body = [Statement(f"{v} += cuda.shfl_down_sync({self.mask}, {v}, 16 >> {k})")]
        found = [first, Statement(f"for {k} in range(5):", body)]
        if (sums := self.place(scope, ADD)) is not None:
            found.append(Statement("if lane == 0:", [
                Statement(f"cuda.atomic.add({sums[0].sum.format(self.index(scope))}, 0.1 * {v})")]))
        scope.floats.append(v)
        return found

    def meet_warp_scan(self, scope: KernelScope, depth: int) -> list[Statement]:
        v, u, k = self.fresh("v"), self.fresh("v"), self.fresh("k")
        how = self.rng.choice(["{0} += 0.5 * {1}", "{0} = math.sin({0} + {1})", "{0} *= math.cos({1})"])
        first = Statement(f"{v} = {self.expression(scope)}")
        scope.floats.append(v)
        return [first, Statement(f"{k} = 1"), Statement(f"while {k} < 32:", [
            Statement(f"{u} = cuda.shfl_up_sync({self.mask}, {v}, {k})"),
            Statement(f"if lane >= {k}:", [Statement(how.format(v, u))]), Statement(f"{k} *= 2")])]

    def meet_vote(self, scope: KernelScope, depth: int) -> list[Statement]:
        k = self.fresh("k")
        v = self.rng.choice(scope.floats)
        how = self.rng.choice(["cuda.popc(int32(cuda.ballot_sync({m}, {c})))", "int(cuda.any_sync({m}, {c}))",
                               "int(cuda.all_sync({m}, {c}))", "cuda.syncthreads_count(int32({c}))",
                               "cuda.syncthreads_or(int32({c}))", "cuda.syncthreads_and(int32({c}))"])
        if "syncthreads" in how:
            self.stretch.barrier()
        scope.ints.append(k)
        return [Statement(f"{k} = {how.format(m=self.mask, c=f'{v} > 0.1')} % 7")]

    def meet_half_warp(self, scope: KernelScope, depth: int) -> list[Statement]:
        """Lanes that part from the others, and meet among themselves."""
        v = self.rng.choice(scope.floats)
        d = self.rng.choice(["1", "2", "8", "15"])
        test, mask = self.rng.choice([("lane < 16", "0xFFFF"), ("lane >= 16", "0xFFFF0000")])
        return [Statement(f"if {test}:", [
            Statement(f"{v} = 0.5 * {v} + 0.4 * cuda.shfl_xor_sync({mask}, {self.expression(scope)}, {d})")])]

    def meet_one_warp(self, scope: KernelScope, depth: int) -> list[Statement]:
        v, u = self.rng.choice(scope.floats), self.fresh("v")
        return [Statement("if t < 32:", [
            Statement(f"{u} = cuda.shfl_{self.rng.choice(['up', 'xor', 'down'])}_sync(0xFFFFFFFF, "
                      f"{self.expression(scope)}, {self.rng.choice(['1', '4', '7'])})"),
            Statement(f"{v} = 0.5 * {v} + math.sin({u})")])]
