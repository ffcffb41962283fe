"""The errors users see.

`NoDerivative` means that the user can act, `Unsupported` names a known limit, `EngineError` is our bug. The engine
raises facts (`passes.diagnostics.Diagnostic`); the prose for them is written here.
"""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numbad.frontend import Lowered
    from numbad.passes.diagnostics import Refusal
    from numbad.request import Request


class Error(Exception):
    """Base of all errors of numbad's own."""


class NoDerivative(Error):
    """Something that matters has no derivative; the message says what the user can do."""


class Unsupported(Error):
    """A known limit of numbad, listed in the README."""


class EngineError(Error):
    """A bug in numbad: carries the stage and what was violated."""


def explain(refusal: Refusal, request: Request, lowered: Lowered) -> Error:
    """The error for a refusal of the engine: what was asked, where, why, what to do."""
    place = refusal.location
    file, line = (place.file, place.line) if place else (lowered.filename, lowered.line)
    inside = f", called from {lowered.name}" if place and place.function != lowered.name else ""
    where = f"  {file}:{line}, in {place.function if place else lowered.name}{inside}"
    code = linecache.getline(file, line).strip()
    asked = "the tangent" if request.mode == "forward" else "the gradient"
    needs = "needs" if refusal.kind == "no derivative" else "meets"
    parts = [f"{asked} of {lowered.name} {needs} {refusal.what}.", "", where]
    if code:
        parts.append(f"      {code}")
    if refusal.instruction:
        parts.append(f"  compiled to   {refusal.instruction}")
    if refusal.remedy:
        parts += ["", f"{refusal.remedy[0].upper()}{refusal.remedy[1:]}."]
    return (NoDerivative if refusal.kind == "no derivative" else Unsupported)("\n".join(parts))
