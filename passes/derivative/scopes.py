"""Tells LLVM which accesses never meet: without it few sweeps are vectorised, and none that uses the tape.

    records    memory that the tape got from the run time in this call, and whose address nothing else has
    scratch    the rows on the tape that the reverse sweep writes
    Place      memory of the primal, by node of the memory analysis, and its shadow: a shadow lies apart from all memory
               of the primal and from other shadows, for the caller sees to that (`Task`), or it is the derivative's
               own. In forward mode the caller may give any memory that isn't written for a tangent, and the primal's
               own for several; there only what the function allocates itself, and its shadows, lie apart from the rest

Two records may lie in one chunk, hence they share one scope. Memory that is freed may come back as a record in the same
call; the call that frees it stands between, and LLVM moves no access over it.

Given   a finished derivative function, and its accesses.
Gives   `alias.scope` and `noalias` on them, and a declaration of the scopes at the head: when the function becomes part
        of a loop, what is said holds within one iteration, for the next one may bring other arrays.
Unsure  about an access: it may meet any other but those of the tape, whose accesses are all listed.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from numbad.passes.analysis.memory import Node
from numbad.passes.derivative.facts import Facts, is_callers
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Alloca, Call, Instruction, Load, Store
from numbad.passes.ir.types import METADATA, VOID, FunctionType
from numbad.passes.ir.values import Argument, MetadataOperand, Value
from numbad.passes.rules.memory import Allocate, effect_of

MANY = 64
"""Nodes of one function that are told apart; more would make lists longer than they are worth."""
RECORDS, SCRATCH = "tape records", "scratch"


@dataclass(frozen=True)
class Place:
    node: Node
    is_shadow: bool
    lane: int = 0  # of shadows for several tangents at once


@dataclass
class Accesses:
    """Where the accesses of a function go, as they are written."""

    facts: Facts
    by_node: bool  # else only accesses to the tape are told from all others
    tangents: bool = False  # forward mode
    places: dict[Instruction, Hashable] = field(default_factory=dict)

    def primal(self, access: Instruction, pointer: Value) -> None:
        self._at(access, pointer, False)

    def shadow(self, access: Instruction, pointer: Value, lane: int = 0) -> None:
        self._at(access, pointer, True, lane)

    def _at(self, access: Instruction, pointer: Value, is_shadow: bool, lane: int = 0) -> None:
        node = self.facts.memory.node(pointer)
        if not self.by_node or not node.roots or "unknown" in node.roots or node.escaped:
            return
        if not self.tangents or all(map(_is_known, node.roots)):
            self.places[access] = Place(node, is_shadow, lane)

    def close(self, function: Function) -> None:
        """Put on the accesses what is known."""
        assert function.module is not None
        found = [place for i in function.instructions if (place := self.places.get(i)) is not None]
        tape = [] if self.tangents else [RECORDS, SCRATCH]
        scopes = list(dict.fromkeys([*tape, *found]))[:MANY + 2]
        if len(scopes) == len(tape):
            return
        domain, *names = function.module.add_metadata(
            'distinct !{{{0}, !"numbad"}}', *(f"distinct !{{{{{{{k}}}, {{0}}}}}}" for k in range(1, len(scopes) + 1)))
        name = dict(zip(scopes, names, strict=True))
        lists: dict[tuple[str, ...], str] = {}

        def listed(members: tuple[str, ...]) -> str:
            if members not in lists:
                (lists[members],) = function.module.add_metadata(f"!{{{{{', '.join(members)}}}}}")  # type: ignore[union-attr]
            return lists[members]

        apart = {scope: tuple(name[other] for other in scopes if self._apart(scope, other)) for scope in scopes}
        for i in function.instructions:
            place = self.places.get(i)
            if not isinstance(i, (Load, Store)):
                continue
            if place in name:
                i.metadata |= {"alias.scope": listed((name[place],)), "noalias": listed(apart[place])}
            elif tape:
                i.metadata["noalias"] = listed((name[RECORDS], name[SCRATCH]))
        declare = function.module.declare("llvm.experimental.noalias.scope.decl", FunctionType(VOID, (METADATA,)))
        for scope in names:
            function.entry.insert(0, Call(declare.signature, declare, [MetadataOperand(METADATA, listed((scope,)))]))

    def _apart(self, one: Hashable, other: Hashable) -> bool:
        if not isinstance(one, Place) or not isinstance(other, Place):
            return one != other
        if self.tangents and is_callers(one.node) and is_callers(other.node):
            return False
        return (one.is_shadow, one.lane) != (other.is_shadow, other.lane) \
            or not self.facts.may_overlap(one.node, other.node)


def _is_known(root: object) -> bool:
    """Memory of the caller, or a new object; not what several calls may give, nor a global variable."""
    return isinstance(root, (Argument, Alloca)) or (isinstance(root, Call) and isinstance(effect_of(root), Allocate))
