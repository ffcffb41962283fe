"""Tells LLVM that tape records lie apart from everything else: without it no sweep that uses the tape is vectorised.

A record is memory that the tape got from the run time in this call, and whose address nothing else has. So an access
to a record never meets an access to a user's array, a shadow, a slot or kept memory. Two records may lie in one chunk,
hence they share one scope.

Given   a finished derivative function, and its accesses to records.
Gives   `alias.scope` on these, `noalias` on all others.
Unsure  an access that is not listed gets nothing that could be wrong: other accesses are listed, too, or are plain
        loads and stores of memory that is not the tape's.
"""

from __future__ import annotations

from collections.abc import Iterable

from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Instruction, Load, Store


def separate_records(function: Function, records: Iterable[Instruction]) -> None:
    accesses = set(records)
    if not accesses:
        return
    assert function.module is not None
    *_, scopes = function.module.add_metadata(
        'distinct !{{{0}, !"numbad"}}', 'distinct !{{{1}, {0}, !"tape records"}}', "!{{{1}}}")
    for instruction in function.instructions:
        if isinstance(instruction, (Load, Store)):
            instruction.metadata["alias.scope" if instruction in accesses else "noalias"] = scopes
