"""Facts about what the engine could not do. Prose for users is written by whoever calls the engine.

`Refusal` is raised for a program that has no derivative here; `Bug` for a broken invariant of the engine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from numbad.passes.ir.function import Module
from numbad.passes.ir.instructions import Instruction


@dataclass(frozen=True)
class Location:
    """A line of the user's program and the function it is in."""

    file: str
    line: int
    function: str


class Refusal(Exception):
    """The program cannot be differentiated: what, where, why, what to do.

    kind          "no derivative" (the user can act) or "unsupported" (a known limit)
    what, remedy  half sentences
    instruction   the instruction concerned, as text, or ""
    location      the user's line when the IR tells
    """

    def __init__(self, kind: str, what: str, remedy: str = "", instruction: str = "",
                 location: Location | None = None):
        super().__init__(what)
        self.kind, self.what, self.remedy = kind, what, remedy
        self.instruction, self.location = instruction, location


class Bug(Exception):
    """A broken invariant of the engine itself."""


def refuse(kind: str, what: str, remedy: str = "", at: Instruction | None = None) -> Refusal:
    """The refusal for an instruction, with its text and the user's line."""
    from numbad.passes.ir.printer import print_instruction

    if at is None:
        return Refusal(kind, what, remedy)
    module = at.function.module if at.block is not None else None
    place = locate(module, at.metadata.get("dbg")) if module is not None else None
    if place is None and module is not None:
        place = function_location(module, at.function.tail)
    return Refusal(kind, what, remedy, print_instruction(at).strip(), place)


_FIELD = re.compile(r'(\w+): (?:"([^"]*)"|(![0-9]+|[^,()]+))')


def _fields(module: Module, reference: str | None) -> dict[str, str]:
    text = module.metadata.get(reference or "", "")
    return {key: quoted or plain for key, quoted, plain in _FIELD.findall(text)}


def locate(module: Module, reference: str | None) -> Location | None:
    """The innermost user line of a `!dbg` reference that names a line (lines 0 and 1 of compound expressions don't)."""
    while reference:
        here = _fields(module, reference)
        if "line" not in here:
            return None
        scope = _fields(module, here.get("scope"))
        if int(here["line"]) > 1:
            return _place(module, scope, int(here["line"]))
        reference = here.get("inlinedAt")
    return None


def function_location(module: Module, tail: str) -> Location | None:
    """The place of a function's definition, from the `!dbg` behind its parameter list."""
    found = re.search(r"!dbg (![0-9]+)", tail)
    scope = _fields(module, found.group(1)) if found else {}
    return _place(module, scope, int(scope["line"])) if scope.get("line") else None


def _place(module: Module, scope: dict[str, str], line: int) -> Location:
    file = _fields(module, scope.get("file"))
    folder = file.get("directory", "")
    name = file.get("filename", "?")
    path = f"{folder}/{name}" if folder and not name.startswith("/") else name
    return Location(path, line, scope.get("name", "?"))
