"""Memory that threads share, and what they may do with it so that no two of them race.

Between two barriers an array serves one use (1): each thread reads and writes its own elements (`OWN`), all read all
(`READ`), or all add atomically (`ADD`). A barrier begins anew (2). In a loop, what was done since its last barrier
happens in one stretch with what is done before its first one (3); behind a branch, either side may have happened (4).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fuzz.expressions import Scope

OWN, READ, ADD = "own", "read", "add"
Uses = dict[str, frozenset[str]]


@dataclass(frozen=True)
class Place:
    """An array, or what a thread sees of it; `{}` stands for any integer.

    group       what may be swapped with each other shares the stretches of use
    own         elements that only this thread uses
    anywhere    an element for an integer
    sum         array and index of an atomic addition for an integer
    """

    name: str
    group: str
    own: tuple[str, ...] = ()
    anywhere: str = ""
    sum: str = ""

    @property
    def uses(self) -> list[str]:
        return [use for use, text in ((OWN, self.own), (READ, self.anywhere), (ADD, self.sum)) if text]


@dataclass
class KernelScope(Scope):
    """`arrays` are those of the thread alone; `given` are numbers that cannot be assigned to; `uniform` are integers
    that are the same for all threads of a block; `in_loop` tells whether the thread may leave a loop of its own."""

    places: list[Place] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    uniform: list[str] = field(default_factory=list)
    in_kernel: bool = False

    def inner(self) -> KernelScope:
        return replace(super().inner(), places=[*self.places], uniform=[*self.uniform])


class Stretch:
    """What has been done since the last barrier."""

    def __init__(self) -> None:
        self.uses: Uses = {}
        self.heads: list[Uses | None] = []  # of the loops around: what was done before the first barrier inside

    def may(self, group: str, use: str) -> bool:
        return self.uses.get(group, frozenset()) <= {use}

    def take(self, group: str, use: str) -> None:
        self.uses[group] = self.uses.get(group, frozenset()) | {use}

    def barrier(self) -> None:
        """(2)"""
        self.heads = [{**self.uses} if head is None else head for head in self.heads]
        self.uses = {}

    def either(self, other: Uses) -> None:
        """What another way here may have done (4)."""
        self.uses = joined(self.uses, other)

    def begin_loop(self) -> None:
        self.heads.append(None)

    def fits(self) -> bool:
        """Whether the loop can end here without a barrier (3)."""
        head = self.heads[-1]
        return head is None or all(len(uses) < 2 for uses in joined(head, self.uses).values())

    def end_loop(self) -> None:
        head = self.heads.pop()
        self.uses = joined(head or {}, self.uses)


def joined(one: Uses, other: Uses) -> Uses:
    """(4)"""
    nothing: frozenset[str] = frozenset()
    return {group: one.get(group, nothing) | other.get(group, nothing) for group in one | other}
