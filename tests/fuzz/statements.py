"""Random statements that are the same wherever a program runs: numbers, branches, loops that end in any case."""

from __future__ import annotations

import random

from fuzz.code import Statement
from fuzz.expressions import Expressions, Scope


class Statements(Expressions):
    """At most `budget` statements, of the `kinds` that a subclass allows at a point; each has a method `write_...`."""

    def __init__(self, rng: random.Random, budget: int):
        super().__init__(rng)
        self.budget = budget

    def kinds(self, scope: Scope, depth: int) -> list[str]:
        raise NotImplementedError

    def store(self, scope: Scope) -> Statement:
        raise NotImplementedError

    def block(self, scope: Scope, depth: int, size: int) -> list[Statement]:
        found: list[Statement] = []
        for _ in range(size):
            if self.budget <= 0:
                break
            self.budget -= 1
            found += self.statement(scope, depth)
        return found or [Statement(f"{scope.floats[0]} += 0.25")]

    def statement(self, scope: Scope, depth: int) -> list[Statement]:
        return getattr(self, f"write_{self.rng.choice(self.kinds(scope, depth))}")(scope, depth)

    def write_number(self, scope: Scope, depth: int) -> list[Statement]:
        value, name = self.expression(scope), self.fresh("v")
        scope.floats.append(name)
        return [Statement(f"{name} = {value}")]

    def write_carry(self, scope: Scope, depth: int) -> list[Statement]:
        name = self.rng.choice(scope.floats)
        how = self.rng.choice(["{0} += 0.3 * {1}", "{0} = 0.6 * {0} - {1}", "{0} *= math.cos({1})", "{0} = {1}",
                               "{0} -= 0.2 * {1}", "{0}, {2} = 0.7 * {2}, {1}"])
        return [Statement(how.format(name, self.expression(scope), self.rng.choice(scope.floats)))]

    def write_integer(self, scope: Scope, depth: int) -> list[Statement]:
        value, name = self.integer(scope), self.fresh("k")
        scope.ints.append(name)
        return [Statement(f"{name} = ({value}) % 7")]

    def write_store(self, scope: Scope, depth: int) -> list[Statement]:
        return [self.store(scope)]

    def write_loop_until(self, scope: Scope, depth: int) -> list[Statement]:
        """Goes on as long as a number says, and no longer than a count."""
        count, value = self.fresh("k"), self.rng.choice(scope.floats)
        inner = scope.inner()
        inner.ints.append(count)
        body = self.block(inner, depth - 1, self.rng.randint(1, 3))
        step = Statement(f"{count} += 1")
        change = Statement(f"{value} = 0.6 * {value} + 0.1 * math.sin({self.expression(inner)})")
        return [Statement(f"{count} = 0"),
                Statement(f"while {count} < 4 and abs({value}) > 0.05:", [step, *body, change])]

    def write_branch(self, scope: Scope, depth: int) -> list[Statement]:
        branch = Statement(f"if {self.condition(scope)}:", self.block(scope.inner(), depth - 1, self.rng.randint(1, 3)))
        if self.rng.random() < 0.6:
            branch.more.append(Statement("else:", self.block(scope.inner(), depth - 1, self.rng.randint(1, 2))))
        return [branch]

    def write_leave(self, scope: Scope, depth: int) -> list[Statement]:
        return [Statement(f"if {self.condition(scope)}:", [self.store(scope),
                                                           Statement(self.rng.choice(["break", "continue"]))])]
