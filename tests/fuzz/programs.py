"""Random Numba functions that terminate, stay inside their arrays, and keep all numbers small.

Given   a seed.
Gives   a `Program` whose last function is `f(x, y, a, b, c, n)`: two floats, two arrays of `LENGTH`, a matrix of
        `SHAPE` in float32 or float64, an integer from 0 to 5. It may write all arrays and may raise a ValueError.

What occurs: loops with constant, given, triangular, stepped, downward and data-dependent bounds, nested, left early;
branches on integers and floats; arrays updated in place, swapped, allocated in loops, seen through views with steps;
array expressions and reductions; callees that return numbers, arrays and tuples, write arrays, call themselves, raise;
exceptions caught; arrays handed over that overlap.
"""

from __future__ import annotations

import random

from fuzz.code import Program, Statement
from fuzz.expressions import LENGTH, SHAPE, Helper, Scope
from fuzz.statements import Statements


def program(seed: int) -> Program:
    rng = random.Random(seed)
    helpers: list[Helper] = []
    functions = []
    for number in range(rng.choice([0, 1, 1, 2, 3])):
        kind = rng.choice(["scalar", "writer", "maker", "recursive", "raiser", "pair"])
        helper = Helper(f"h{number}", kind)
        functions.append(_Writer(rng, helpers).helper(helper))
        helpers.append(helper)
    functions.append(_Writer(rng, helpers).main())
    return Program(functions)


class _Writer(Statements):
    def __init__(self, rng: random.Random, helpers: list[Helper]):
        super().__init__(rng, budget=rng.randint(8, 26))
        self.helpers = helpers

    # --- functions ---

    def main(self) -> Statement:
        scope = Scope(["x", "y"], ["n"], {"a": LENGTH, "b": LENGTH}, ["a", "b"], ["c"])
        body = self.block(scope, 3, self.rng.randint(4, 9))
        result = self.total(scope)
        kind = self.rng.choice(["scalar", "scalar", "array", "pair"])
        if kind == "array":
            result = f"{self.rng.choice(list(scope.arrays))} * {result}"
        elif kind == "pair":
            result = f"{result}, {self.rng.choice(scope.plain)}"
        return Statement("def f(x, y, a, b, c, n):", [*body, Statement(f"return {result}")])

    def total(self, scope: Scope) -> str:
        """Something of everything that is there."""
        parts = [self.rng.choice(scope.floats), scope.floats[-1]]
        parts += [f"0.3 * np.sum({name})" for name in scope.arrays if self.rng.random() < 0.7]
        if scope.matrices:
            parts.append(f"c[{self.rng.randrange(SHAPE[0])}, {self.rng.randrange(SHAPE[1])}]")
        return "(" + " + ".join(parts) + ")"

    def helper(self, helper: Helper) -> Statement:
        self.budget = self.rng.randint(3, 8)
        name, kind = helper.name, helper.kind
        floats, arrays = ["u"], {"p": LENGTH - 1}
        if kind == "scalar":
            floats, arrays = ["u", "v"], {}
        scope = Scope(floats, ["k"], arrays, [], [])
        body: list[Statement] = []
        if kind == "recursive":
            body.append(Statement("if k <= 0:", [self.store(scope), Statement(f"return {self.expression(scope)}")]))
            scope.counters = []
        if kind == "maker":
            made = self.fresh("q")
            body.append(Statement(f"{made} = np.{self.rng.choice(['zeros', 'ones'])}(len(p))"))
            scope.arrays[made] = LENGTH - 1
            scope.plain.append(made)
        body += self.block(scope, 2, self.rng.randint(2, 4))
        if kind == "raiser":
            body.append(Statement(f"if {self.condition(scope)}:", [self.store(scope),
                                                                   Statement("raise ValueError('from a helper')")]))
        value = self.expression(scope)
        if kind == "recursive":
            deeper = self.rng.choice(["k - 1", "k - 2", "k // 2"])
            value = f"math.sin({value} + 0.7 * {name}(p, {self.expression(scope)}, {deeper}))"
        elif kind == "maker":
            value = scope.plain[-1]
        elif kind == "pair":
            value = f"{value}, {self.expression(scope)}"
        parameters = "u, v, k" if kind == "scalar" else "p, u, k"
        return Statement(f"def {name}({parameters}):", [*body, Statement(f"return {value}")])

    # --- statements ---

    def kinds(self, scope: Scope, depth: int) -> list[str]:
        kinds = ["number", "number", "carry", "integer"]
        if scope.arrays:
            kinds += ["store", "store", "update", "whole", "view", "reduce", "gather"]
        if len(scope.plain) > 1:
            kinds += ["swap"]
        if scope.arrays:
            kinds += ["allocate", "allocate"]
        if scope.matrices:
            kinds += ["matrix", "matrix"]
        if depth:
            kinds += ["loop", "loop", "loop", "branch", "branch", "loop_until"]
        if scope.counters and depth < 3:
            kinds += ["leave"]
        if self.helpers:
            kinds += ["call", "call", "call"]
        return kinds

    def store(self, scope: Scope) -> Statement:
        if not scope.arrays:
            return Statement(f"{scope.floats[0]} = {self.expression(scope)}")
        how = self.rng.choice(["=", "=", "+= 0.5 *", "-=", "*="])
        value = self.expression(scope)
        return Statement(f"{self.element(scope)} {how} {value if how != '*=' else f'math.cos({value})'}")

    def write_update(self, scope: Scope, depth: int) -> list[Statement]:
        """Neighbours, in place."""
        name = self.rng.choice(list(scope.arrays))
        size, i = scope.arrays[name], self.fresh("i")
        order = self.rng.choice([f"range(1, {size - 1})", f"range({size - 2}, 0, -1)", f"range(1, {size - 1}, 2)"])
        formula = self.rng.choice(["{p}[{i} - 1] + 0.2 * {p}[{i} + 1]", "{p}[{i}] * {p}[{i} - 1]",
                                   "{p}[{i} + 1] - {p}[{i} - 1]"]).format(p=name, i=i)
        return [Statement(f"for {i} in {order}:", [
            Statement(f"{name}[{i}] = 0.5 * {name}[{i}] + 0.4 * math.sin({formula})")])]

    def write_whole(self, scope: Scope, depth: int) -> list[Statement]:
        name = self.rng.choice(list(scope.arrays))
        others = [o for o, size in scope.arrays.items() if size == scope.arrays[name]]
        other, v = self.rng.choice(others), self.rng.choice(scope.floats)
        parts = ["{0}[2:4] = {1}[1:3] * {2}"] if scope.arrays[name] > 3 else []
        how = self.rng.choice(["{0}[:] = np.sin({1} * {2})", "{0}[:] = {1}", "{0} *= math.cos({2})", "{0}[:] = {2}",
                               "{0}[1:] = 0.5 * {1}[:-1] - {0}[1:]", "{0} += 0.2 * {1} * {2}", "{0}[:] = {1}[::-1]",
                               "{0}[:] = np.where({1} > {2}, {0}, 0.5 * {1})", "{0}[::2] = 0.0",
                               "{0}[:] = np.minimum({0}, np.cos({1}))", "{0}[:-1] += 0.3 * np.diff(1.0 * {1})",
                               "{0}[:] = np.tanh(np.cumsum({1}))", *parts])
        return [Statement(how.format(name, other, v))]

    def write_view(self, scope: Scope, depth: int) -> list[Statement]:
        name = self.rng.choice(list(scope.arrays))
        size, view = scope.arrays[name], self.fresh("w")
        part, left = self.rng.choice([("1:", size - 1), (":-1", size - 1), ("::2", (size + 1) // 2), ("::-1", size)])
        if left < 3:
            return self.write_store(scope, depth)
        scope.arrays[view] = left
        return [Statement(f"{view} = {name}[{part}]")]

    def write_reduce(self, scope: Scope, depth: int) -> list[Statement]:
        name, value = self.rng.choice(list(scope.arrays)), self.fresh("v")
        same = self.rng.choice([o for o, size in scope.arrays.items() if size == scope.arrays[name]])
        how = self.rng.choice(["0.2 * np.sum({0})", "np.max({0})", "np.mean({0} * {1})", "0.3 * np.dot({2}, {2})",
                               "{0}.min()", "math.sin(np.prod({0}))", "np.sort({0})[2]", "0.1 * np.sum({0}[1:-1] ** 2)",
                               "{0}[np.argmax({1})]", "np.linalg.norm({2}) + 0.1"])
        plain = self.rng.choice(scope.plain) if scope.plain else f"({name} + 0.0)"
        scope.floats.append(value)
        return [Statement(f"{value} = {how.format(name, same, plain)}")]

    def write_gather(self, scope: Scope, depth: int) -> list[Statement]:
        """Elements chosen by integers, or by how large others are."""
        name, value = self.rng.choice(list(scope.arrays)), self.fresh("v")
        index = self.rng.choice([f"int(abs(3.0 * {self.rng.choice(scope.floats)})) % {scope.arrays[name]}",
                                 f"({self.integer(scope)}) % {scope.arrays[name]}"])
        scope.floats.append(value)
        return [Statement(f"{value} = {name}[{index}] * 0.8")]

    def write_swap(self, scope: Scope, depth: int) -> list[Statement]:
        sizes = {scope.arrays[name] for name in scope.plain}
        size = self.rng.choice(sorted(sizes))
        same = [name for name in scope.plain if scope.arrays[name] == size]
        if len(same) < 2:
            return self.write_store(scope, depth)
        one, other = self.rng.sample(same, 2)
        return [Statement(f"{one}, {other} = {other}, {one}")]

    def write_allocate(self, scope: Scope, depth: int) -> list[Statement]:
        name, source = self.fresh("q"), self.rng.choice(list(scope.arrays))
        size, v = scope.arrays[source], self.rng.choice(scope.floats)
        how = self.rng.choice(["{0}.copy()", "np.zeros(len({0}))", "np.empty_like({0})", "0.5 * {0} * {1}",
                               "np.full({2}, {1})", "np.array([{1}] * {2})", "np.cos({0}) - {1}",
                               "np.concatenate(({0}[:2], {0}[2:]))"])
        if "array(" in how:
            how = "np.array([" + ", ".join(self.rng.choice(scope.floats) for _ in range(size)) + "])"
        statements = [Statement(f"{name} = {how.format(source, v, size)}")]
        if "empty" in how:
            statements.append(Statement(f"{name}[:] = {v}"))
        scope.arrays[name] = size
        scope.plain.append(name)
        return statements

    def write_matrix(self, scope: Scope, depth: int) -> list[Statement]:
        rows, columns = SHAPE
        i, j = f"({self.integer(scope)}) % {rows}", f"({self.integer(scope)}) % {columns}"
        value, name = self.expression(scope), self.fresh("v")
        how = self.rng.choice(["element", "element", "row", "read", "column"])
        if how == "element":
            return [Statement(f"c[{i}, {j}] = {value}")]
        if how == "row":
            return [Statement(f"c[{i}] = 0.5 * c[{self.rng.randrange(rows)}] + {self.rng.choice(scope.floats)}")]
        if how == "column":
            return [Statement(f"c[:, {j}] *= math.cos({self.rng.choice(scope.floats)})")]
        scope.floats.append(name)
        return [Statement(f"{name} = 0.7 * c[{i}, {j}] + np.sum(c[{self.rng.randrange(rows)}])")]

    def write_loop(self, scope: Scope, depth: int) -> list[Statement]:
        counter, k = self.fresh("i"), self.rng.choice(scope.ints)
        bounds = [f"range({self.rng.randint(1, 4)})", "range(n)" if "n" in scope.ints else f"range({k} % 4)",
                  f"range({k} % 4)", f"range({k} % 3, 4)", f"range(3, {k} % 3, -1)", f"range(0, 5, 1 + {k} % 2)"]
        if scope.arrays:
            bounds.append(f"range(len({self.rng.choice(list(scope.arrays))}))")
        if scope.counters:
            outer = self.rng.choice(scope.counters)
            bounds += [f"range({outer})", f"range({outer}, 4)", f"range({outer} + 1)"]
        inner = scope.inner()
        inner.ints.append(counter)
        inner.counters.append(counter)
        body = self.block(inner, depth - 1, self.rng.randint(1, 4))
        loop = Statement(f"for {counter} in {self.rng.choice(bounds)}:", body)
        if self.rng.random() < 0.1:
            loop.more.append(Statement("else:", self.block(scope.inner(), 0, 1)))
        return [loop]

    def write_call(self, scope: Scope, depth: int) -> list[Statement]:
        helper = self.rng.choice(self.helpers)
        count = f"({self.integer(scope)}) % 4"
        if helper.kind == "scalar":
            value = self.fresh("v")
            operands = f"{self.rng.choice(scope.floats)}, {self.expression(scope)}, {count}"
            scope.floats.append(value)
            return [Statement(f"{value} = {helper.name}({operands})")]
        if not scope.arrays:
            return self.write_number(scope, depth)
        array = self.slice(scope)
        call = f"{helper.name}({array}, {self.expression(scope)}, {count})"
        if helper.kind == "maker":
            made = self.fresh("q")
            scope.arrays[made] = LENGTH - 1
            scope.plain.append(made)
            return [Statement(f"{made} = {call}")]
        if helper.kind == "pair":
            one, other = self.fresh("v"), self.fresh("v")
            scope.floats += [one, other]
            return [Statement(f"{one}, {other} = {call}")]
        value = self.fresh("v")
        if helper.kind == "writer" and self.rng.random() < 0.4:
            return [Statement(call)]
        if helper.kind == "raiser" and self.rng.random() < 0.85:
            fallback = self.expression(scope)
            scope.floats.append(value)
            return [Statement(f"{value} = {self.rng.choice(scope.floats[:-1])}"),
                    Statement("try:", [Statement(f"{value} = {call}")], [
                        Statement("except Exception:", [self.store(scope), Statement(f"{value} = {fallback}")])])]
        scope.floats.append(value)
        return [Statement(f"{value} = {call}")]
