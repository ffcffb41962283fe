"""Facts about what the engine could not do. Prose for users is written by whoever calls the engine.

`Refusal` is raised for a program that has no derivative here; `Bug` for a broken invariant of the engine.
"""

from __future__ import annotations

from dataclasses import dataclass

from numbad.passes.ir.function import Module
from numbad.passes.ir.instructions import Call, Instruction
from numbad.passes.text import debug_location, fields


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
    symbol        the function that is called there, or ""
    locations     the line in the IR's source, then the lines that it was inlined into, as far as the IR tells
    """

    def __init__(self, kind: str, what: str, remedy: str = "", instruction: str = "", symbol: str = "",
                 locations: tuple[Location, ...] = ()):
        super().__init__(what)
        self.kind, self.what, self.remedy = kind, what, remedy
        self.instruction, self.symbol, self.locations = instruction, symbol, locations


class Bug(Exception):
    """A broken invariant of the engine itself."""


def refuse(kind: str, what: str, remedy: str = "", at: Instruction | None = None) -> Refusal:
    """The refusal for an instruction, with its text and the user's line."""
    from numbad.passes.ir.printer import print_instruction

    if at is None:
        return Refusal(kind, what, remedy)
    module = at.function.module if at.block is not None else None
    places: tuple[Location, ...] = ()
    if module is not None:
        places = locate(module, at.metadata.get("dbg")) or function_location(module, at.function.tail)
    symbol = at.callee_name or "" if isinstance(at, Call) else ""
    return Refusal(kind, what, remedy, print_instruction(at).strip(), symbol, places)


def _fields(module: Module, reference: str | None) -> dict[str, str]:
    return fields(module.metadata.get(reference or "", ""))


def locate(module: Module, reference: str | None) -> tuple[Location, ...]:
    """The lines of a `!dbg` reference, innermost first. Those of compound expressions say 0 or 1, and are left out."""
    found = []
    while reference:
        here = _fields(module, reference)
        if "line" not in here:
            break
        if int(here["line"]) > 1:
            found.append(_place(module, _fields(module, here.get("scope")), int(here["line"])))
        reference = here.get("inlinedAt")
    return tuple(found)


def function_location(module: Module, tail: str) -> tuple[Location, ...]:
    """The place of a function's definition, from the `!dbg` behind its parameter list."""
    scope = _fields(module, debug_location(tail))
    return (_place(module, scope, int(scope["line"])),) if scope.get("line") else ()


def _place(module: Module, scope: dict[str, str], line: int) -> Location:
    file = _fields(module, scope.get("file"))
    folder = file.get("directory", "")
    name = file.get("filename", "?")
    path = f"{folder}/{name}" if folder and not name.startswith(("/", "<")) else name  # "<stdin>" is no file
    return Location(path, line, scope.get("name", "?"))
