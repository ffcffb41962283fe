"""Python source as a tree of statements, so that parts can be left out again (`shrinking`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Statement:
    """A line, or a head with an indented body, and perhaps more of these (`else:`, `except Exception:`)."""

    head: str
    body: list[Statement] = field(default_factory=list)
    more: list[Statement] = field(default_factory=list)

    def lines(self, depth: int) -> Iterator[str]:
        yield "    " * depth + self.head
        if self.head.endswith(":") and not self.body:
            yield "    " * (depth + 1) + "pass"
        for statement in self.body:
            yield from statement.lines(depth + 1)
        for statement in self.more:
            yield from statement.lines(depth)


@dataclass
class Program:
    """Functions, callees first; the last one is differentiated."""

    functions: list[Statement]

    @property
    def heading(self) -> str:
        return "import math\nimport numpy as np\nfrom numba import njit\n"

    def decorator(self, function: Statement) -> str:
        return "@njit"

    def __str__(self) -> str:
        parts = ("\n".join([self.decorator(f), *f.lines(0)]) for f in self.functions)
        return self.heading + "".join(f"\n\n{part}\n" for part in parts)
