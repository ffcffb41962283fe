"""What one thread does by itself: no barrier, no warp operation, and of memory that others see only what `Stretch`
allows it."""

from __future__ import annotations

import random

from cuda.fuzz.places import ADD, OWN, READ, KernelScope, Place, Stretch

from fuzz.code import Statement
from fuzz.expressions import Helper
from fuzz.statements import Statements

PRIVATE = 4
"""Elements of a local array."""


class Thread(Statements):
    """`size`: threads of a block; `total`: of the grid; both as text."""

    def __init__(self, rng: random.Random, budget: int, helpers: list[Helper], size: str = "1", total: str = "1"):
        super().__init__(rng, budget)
        self.helpers, self.size, self.total = helpers, size, total
        self.stretch = Stretch()
        self.may_return = False
        self.guard = "i < c.size", "c[i]"

    # --- what can be read and written ---

    def index(self, scope: KernelScope) -> str:
        forms = [self.integer(scope), self.integer(scope), f"int(abs(3.0 * {self.rng.choice(scope.floats)}))"]
        if scope.in_kernel:
            k = self.integer(scope)
            forms += ["t", "t + 1", f"t + {self.size} - 1", f"{self.size} - 1 - t", "t ^ 1", f"t + {k}", f"2 * t + {k}"]
        return self.rng.choice(forms)

    def place(self, scope: KernelScope, *uses: str) -> tuple[Place, str] | None:
        """One that may be used so, and how; this is then its use up to the next barrier."""
        found = [(place, use) for place in scope.places for use in place.uses
                 if use in uses and self.stretch.may(place.group, use)]
        if not found:
            return None
        place, use = self.rng.choice(found)
        self.stretch.take(place.group, use)
        return place, use

    def own(self, place: Place, scope: KernelScope) -> str:
        return self.rng.choice(place.own).format(self.integer(scope))

    def value(self, scope: KernelScope) -> str:
        if self.rng.random() < 0.45:
            if scope.arrays and self.rng.random() < 0.3:
                return self.element(scope)
            if found := self.place(scope, OWN, READ):
                place, use = found
                return self.own(place, scope) if use == OWN else place.anywhere.format(self.index(scope))
        return self.rng.choice([*scope.floats, *scope.floats[-3:], *scope.given, "0.5", "-1.25"])

    def condition(self, scope: KernelScope) -> str:
        if scope.in_kernel and self.rng.random() < 0.4:
            return self.rng.choice(["t % 2 == 0", "t < 5", f"t >= {self.size} // 2", "i % 3 != 1",
                                    f"t == {self.size} - 1", "t % 32 < 7", f"i < {self.total} - 4"])
        return super().condition(scope)

    def target(self, scope: KernelScope) -> str:
        if scope.arrays and self.rng.random() < 0.3:
            return self.element(scope)
        found = self.place(scope, OWN)
        return self.own(found[0], scope) if found else self.rng.choice(scope.floats)

    def store(self, scope: KernelScope) -> Statement:
        how = self.rng.choice(["=", "=", "+= 0.5 *", "-=", "*="])
        value = self.expression(scope)
        return Statement(f"{self.target(scope)} {how} {value if how != '*=' else f'math.cos({value})'}")

    # --- statements ---

    def kinds(self, scope: KernelScope, depth: int) -> list[str]:
        kinds = ["number", "number", "carry", "integer", "store", "store", "store"]
        if scope.arrays:
            kinds += ["update"]
        if any(place.sum for place in scope.places):
            kinds += ["sum"]
        if any(place.name == "b" for place in scope.places):
            kinds += ["swap"]
        if depth:
            kinds += ["loop", "loop", "loop", "branch", "branch", "loop_until"]
            kinds += ["stride"] * any(place.name == "f" for place in scope.places)
            kinds += ["guard"] * any(place.name == "c" for place in scope.places)
        if scope.counters and depth < 3:
            kinds += ["leave"]
        if self.may_return:
            kinds += ["return"]
        if self.helpers:
            kinds += ["call", "call"]
        if any(helper.kind == "scalar" for helper in self.helpers) and scope.in_kernel:
            kinds += ["gradient"]
        return kinds

    def write_update(self, scope: KernelScope, depth: int) -> list[Statement]:
        """Neighbours in a local array, in place."""
        name, i = self.rng.choice(list(scope.arrays)), self.fresh("i")
        order = self.rng.choice([f"range(1, {PRIVATE - 1})", f"range({PRIVATE - 2}, 0, -1)"])
        formula = self.rng.choice(["{p}[{i} - 1] + 0.2 * {p}[{i} + 1]", "{p}[{i}] * {p}[{i} - 1]",
                                   "{p}[{i} + 1] - {p}[{i} - 1]"]).format(p=name, i=i)
        return [Statement(f"for {i} in {order}:", [
            Statement(f"{name}[{i}] = 0.5 * {name}[{i}] + 0.4 * math.sin({formula})")])]

    def write_sum(self, scope: KernelScope, depth: int) -> list[Statement]:
        value = self.expression(scope)
        if (found := self.place(scope, ADD)) is None:
            return self.write_carry(scope, depth)
        where = found[0].sum.format(self.index(scope))
        return [Statement(f"cuda.atomic.{self.rng.choice(['add', 'add', 'sub'])}({where}, {value})")]

    def write_swap(self, scope: KernelScope, depth: int) -> list[Statement]:
        """Of what the thread alone uses until the next barrier: others may have swapped, or not."""
        if not self.stretch.may("a", OWN):
            return self.write_store(scope, depth)
        self.stretch.take("a", OWN)
        return [Statement("a, b = b, a")]

    def write_loop(self, scope: KernelScope, depth: int) -> list[Statement]:
        counter, k = self.fresh("i"), self.rng.choice(scope.ints)
        bounds = [f"range({self.rng.randint(1, 4)})", f"range({k} % 4)", f"range({k} % 3, 4)",
                  f"range(3, {k} % 3, -1)", f"range(0, 5, 1 + {k} % 2)"]
        if scope.uniform:
            bounds.append(f"range({self.rng.choice(scope.uniform)})")
        if scope.in_kernel:
            bounds += ["range(d[i])", "range(t % 4)"]
        if scope.counters:
            outer = self.rng.choice(scope.counters)
            bounds += [f"range({outer} % 5)", f"range({outer} % 5 + 1)"]
        inner = scope.inner()
        inner.ints.append(counter)
        inner.counters.append(counter)
        return [Statement(f"for {counter} in {self.rng.choice(bounds)}:",
                          self.block(inner, depth - 1, self.rng.randint(1, 4)))]

    def write_guard(self, scope: KernelScope, depth: int) -> list[Statement]:
        """An array with fewer elements than there are threads."""
        inner = scope.inner()
        place, = [place for place in scope.places if place.name == "c"]
        inner.places = [p for p in scope.places if p is not place]
        test, element = self.guard
        inner.places.append(Place("in c", "c", own=(element,)))
        return [Statement(f"if {test}:", self.block(inner, depth - 1, self.rng.randint(1, 3)))]

    def write_stride(self, scope: KernelScope, depth: int) -> list[Statement]:
        """An array with more elements than there are threads."""
        q, step = self.fresh("q"), self.rng.choice([self.total, self.total, "step"])
        inner = scope.inner()
        inner.places = [p for p in scope.places if p.name != "f"] + [Place("in f", "f", own=(f"f[{q}]",))]
        inner.counters.append(f"({q} % 4)")
        inner.ints.append(f"({q} % 4)")
        first, last = self.rng.choice([("i", "f.size"), ("i", f"min(f.size, {self.total} + d[i])")])
        return [Statement(f"for {q} in range({first}, {last}, {step}):",
                          self.block(inner, depth - 1, self.rng.randint(1, 3)))]

    def write_return(self, scope: KernelScope, depth: int) -> list[Statement]:
        return [Statement(f"if {self.condition(scope)}:", [self.store(scope), Statement("return")])]

    def write_call(self, scope: KernelScope, depth: int) -> list[Statement]:
        helper, value = self.rng.choice(self.helpers), self.fresh("v")
        u, k = self.expression(scope), f"({self.integer(scope)}) % 4"
        if helper.kind == "scalar":
            call = f"{helper.name}({self.rng.choice(scope.floats)}, {u}, {k})"
        elif helper.kind == "pair":
            other = self.fresh("v")
            call = f"{helper.name}({self.rng.choice(scope.floats)}, {u}, {k})"
            scope.floats += [value, other]
            return [Statement(f"{value}, {other} = {call}")]
        elif helper.kind == "recursive":
            call = f"{helper.name}({u}, {k})"
        elif helper.kind == "private" and scope.arrays:
            call = f"{helper.name}({self.rng.choice(list(scope.arrays))}, {u}, {k})"
        elif helper.kind == "reader" and any(place.name == "r" for place in scope.places):
            call = f"{helper.name}(r, {u}, {k})"
        elif helper.kind == "row" and any(place.name == "m" for place in scope.places) and self.stretch.may("m", OWN):
            self.stretch.take("m", OWN)
            call = f"{helper.name}(m, i, {u}, {k})"
        else:
            return self.write_number(scope, depth)
        scope.floats.append(value)
        return [Statement(f"{value} = {call}")]

    def write_gradient(self, scope: KernelScope, depth: int) -> list[Statement]:
        helper = self.rng.choice([helper for helper in self.helpers if helper.kind == "scalar"])
        operands = f"{self.expression(scope)}, {self.rng.choice(scope.floats)}, ({self.integer(scope)}) % 4"
        value, other = self.fresh("v"), self.fresh("v")
        scope.floats.append(value)
        kind = self.rng.choice(["grad", "second", "both", "value"])
        if kind == "grad":
            return [Statement(f"{value} = nd.grad({helper.name})({operands})")]
        if kind == "second":
            return [Statement(f"{value} = nd.grad({helper.name}, 1)({operands})")]
        scope.floats.append(other)
        what = f"nd.grad({helper.name}, (0, 1))" if kind == "both" else f"nd.value_and_grad({helper.name})"
        return [Statement(f"{value}, {other} = {what}({operands})")]
