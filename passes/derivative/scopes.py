"""Tells LLVM that tape records lie apart from everything else: without it no sweep that uses the tape is vectorised.

A record is memory that the tape got from the run time in this call, and whose address nothing else has. So an access
to a record never meets an access to a user's array, a shadow, a slot or kept memory. Two records may lie in one chunk,
hence they share one scope; so do scratch rows.

Given   a finished derivative function, and its accesses to records and to scratch.
Gives   `alias.scope` on these, `noalias` on all others.
Unsure  an access that is not listed gets nothing that could be wrong: other accesses are listed, too, or are plain
        loads and stores of memory that is not the tape's.
"""

from __future__ import annotations

from collections.abc import Iterable

from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Instruction, Load, Store


def separate_records(function: Function, records: Iterable[Instruction], scratch: Iterable[Instruction] = ()) -> None:
    """`scratch` are accesses to rows that are written in the reverse sweep: they never meet the other records."""
    groups = [set(records), set(scratch)]
    if not any(groups):
        return
    assert function.module is not None
    *_, of_records, of_scratch, of_both = function.module.add_metadata(
        'distinct !{{{0}, !"numbad"}}', 'distinct !{{{1}, {0}, !"tape records"}}', 'distinct !{{{2}, {0}, !"scratch"}}',
        "!{{{1}}}", "!{{{2}}}", "!{{{1}, {2}}}")
    for instruction in function.instructions:
        if isinstance(instruction, (Load, Store)):
            if instruction in groups[0]:
                instruction.metadata |= {"alias.scope": of_records, "noalias": of_scratch}
            elif instruction in groups[1]:
                instruction.metadata |= {"alias.scope": of_scratch, "noalias": of_records}
            else:
                instruction.metadata["noalias"] = of_both
