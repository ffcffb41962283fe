"""From what a front end emits to what the analyses expect.

Given   LLVM text and the name of the function to differentiate.
Gives   the function and what it calls: inlined, simplified, loops in canonical form, tiny loops unrolled, mathematical
        functions of the front end as calls with a rule, and nothing simplified away that a derivative depends on.
Unsure  raises `llvm.InvalidIR`.
"""
from __future__ import annotations

from numbad.passes import llvm
from numbad.passes.known_calls import PREFIX, known_calls
from numbad.passes.protect import protect, restore, restore_constant

EXTERNAL = ("NRT_incref", "NRT_decref", "nrt_atomic_")
"""Reference counting: known by its name, and defined by the run-time library wherever the result is linked."""


def prepared(text: str, entry: str, machine: llvm.Machine | None = None) -> str:
    text = protect(known_calls(text))
    text = llvm.prepare(text, entry, keep=(PREFIX,), external=EXTERNAL, machine=machine, between=restore_constant)
    return restore(text)
