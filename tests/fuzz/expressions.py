"""Random expressions of Python, of what is in scope. Their values stay small whatever the operands are."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

LENGTH, SHAPE = 6, (4, 3)
"""Of the arrays and of the matrix that a program gets."""


@dataclass(frozen=True)
class Helper:
    name: str
    kind: str


@dataclass
class Scope:
    """What can be used at a point. Arrays by their length; `plain` ones are contiguous, and can be swapped."""

    floats: list[str]
    ints: list[str]
    arrays: dict[str, int]
    plain: list[str]
    matrices: list[str]
    counters: list[str] = field(default_factory=list)  # of the loops around
    in_try: bool = False

    def inner(self) -> Scope:
        return replace(self, floats=[*self.floats], ints=[*self.ints], arrays={**self.arrays}, plain=[*self.plain],
                       counters=[*self.counters])


class Expressions:
    def __init__(self, rng: random.Random):
        self.rng, self.names = rng, 0

    def fresh(self, stem: str) -> str:
        self.names += 1
        return f"{stem}{self.names}"

    def slice(self, scope: Scope) -> str:
        """An array of LENGTH - 1 elements."""
        name = self.rng.choice(list(scope.arrays))
        size = scope.arrays[name]
        if size == LENGTH:
            return f"{name}[{self.rng.choice(['1:', ':-1'])}]"
        if size == LENGTH - 1:
            return name
        return "(np.zeros(5) + " + self.rng.choice(scope.floats) + ")"

    def element(self, scope: Scope) -> str:
        name = self.rng.choice(list(scope.arrays))
        return f"{name}[({self.integer(scope)}) % {scope.arrays[name]}]"

    def integer(self, scope: Scope) -> str:
        k, m = self.rng.choice(scope.ints), self.rng.choice(scope.ints[-3:])
        return self.rng.choice([str(self.rng.randrange(6)), k, f"{k} + 1", f"2 * {k} - {m}", f"{k} * {m} + 1",
                                f"7 - {k}", f"{k} // 2 + {m}"])

    def condition(self, scope: Scope) -> str:
        u, v = self.rng.choice(scope.floats), self.rng.choice(scope.floats)
        k = self.rng.choice(scope.ints)
        return self.rng.choice([f"{u} > 0.1", f"{u} < {v}", f"({self.integer(scope)}) % 2 == 0", f"{k} > 1",
                                f"{u} * {v} > 0.05 and {k} < 3", f"{u} >= 0.3 or {v} < -0.2", f"not {k} == 2"])

    def value(self, scope: Scope) -> str:
        if scope.arrays and self.rng.random() < 0.4:
            return self.element(scope)
        return self.rng.choice([*scope.floats, *scope.floats[-3:], "0.5", "-1.25"])

    def expression(self, scope: Scope) -> str:
        u, v = self.value(scope), self.value(scope)
        k = self.rng.choice(scope.ints)
        return self.rng.choice([
            f"0.6 * {u} - 0.3 * {v}", f"0.4 * {u} + {v} / (2.0 + {k})", f"math.sin({u} * {v})", f"math.cos({u}) * {v}",
            f"math.exp(-{u} * {u})", f"{u} / (1.5 + {v} * {v})", f"math.sqrt(1.0 + {u} * {u}) - 1.0",
            f"math.log(1.5 + {u} * {u})", f"math.tanh({u} + {v})", f"0.5 * abs({u})", f"max({u}, 0.7 * {v})",
            f"min({u}, {v}, 0.4)", f"({u} if {self.condition(scope)} else 0.5 * {v})", f"math.sin({u} ** 2)",
            f"math.sin({u} ** ({k} % 4))", f"math.atan2({u}, 1.5 + {v} * {v})", f"0.3 * math.hypot({u}, 1.0)",
            f"0.5 * {u}", f"{u} % 1.7", f"{u} - 0.5 * ({v} // 0.7)",
            f"(1.2 + {u} * {u}) ** 0.3", f"math.erf({u})", f"float({k}) * 0.1 * {u}", f"round({u}, 1) + {v}",
            f"math.copysign({u}, {v})", f"math.expm1(0.3 * {u})", f"math.floor({u}) * 0.2 + {u}"])
