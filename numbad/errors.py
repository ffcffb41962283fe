"""The errors users see.

`NoDerivative` means that the user can act, `Unsupported` names a known limit, `EngineError` is our bug. The engine
raises facts (`passes.diagnostics.Diagnostic`); the prose for them is written here.
"""

from __future__ import annotations

import linecache
import os
import re
import shlex
import sys
import tempfile
from types import FunctionType
from typing import TYPE_CHECKING

import numba

from numbad.passes.diagnostics import Location

if TYPE_CHECKING:
    from numbad.cuda.numba_cuda import LoweredKernel
    from numbad.frontend import Lowered
    from numbad.passes.case import Case
    from numbad.passes.diagnostics import Refusal
    from numbad.request import Request


class Error(Exception):
    """Base of all errors of numbad's own."""


class NoDerivative(Error):
    """Something that matters has no derivative; the message says what the user can do."""


class Unsupported(Error):
    """A known limit of numbad, listed in the README."""


class EngineError(Error):
    """A bug in numbad: says at what stage, and with which command it can be had again."""


class WrongDerivative(Error, AssertionError):
    """Derivatives disagree with each other or with finite differences; names the argument and the index."""


def explain(refusal: Refusal, request: Request, lowered: Lowered | LoweredKernel) -> Error:
    """The error for a refusal of the engine: what was asked, where, why, what to do."""
    kind, what, remedy = refusal.kind, refusal.what, refusal.remedy
    for start, construct, way_out in _CONSTRUCTS:
        if refusal.symbol.startswith(start):
            kind, what, remedy = "unsupported", construct, way_out
            break
    what = _LIBDEVICE.sub(r"`libdevice.\1`", what)
    asked = "tangent" if request.mode == "forward" else "gradient"
    needs = "needs" if kind == "no derivative" else "meets"
    parts = [f"the {asked} of {lowered.name} {needs} {what}.", "", *_where(refusal, lowered)]
    if refusal.instruction and os.environ.get("NUMBAD_PRINT_AFTER"):  # for those who read such code
        parts.append(f"  compiled to   {refusal.instruction}")
    if remedy:
        parts += ["", f"{remedy[0].upper()}{remedy[1:]}."]
    return (NoDerivative if kind == "no derivative" else Unsupported)("\n".join(parts))


def place(function: FunctionType) -> str:
    """The line of a user's function, as messages show it."""
    code = function.__code__
    return f"  {code.co_filename}:{code.co_firstlineno}, in {function.__qualname__}"


def located(refusal: Error, function: FunctionType) -> Error:
    """The refusal with the line of the function, unless it has a line."""
    message = str(refusal)
    return refusal if re.search(r"^  .+:\d+, in ", message, re.M) else type(refusal)(f"{message}\n\n{place(function)}")


def explain_bug(bug: Exception, stage: str, case: Case, lowered: Lowered | LoweredKernel) -> EngineError:
    """The error for a failure of the engine. What it was given is kept in a file of the temporary folder."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="numbad-", suffix=".ll", delete=False, encoding="utf-8") as file:
            file.write(case.write())
        again = ("Please report it with the file that this command reads, which shows it again:\n"
                 f"  {shlex.quote(sys.executable)} -m numbad.passes {shlex.quote(file.name)}")
    except OSError as error:
        again = f"Please report it. What the engine was given could not be kept: {error}"
    return EngineError(
        f"numbad failed {stage} on {lowered.name}: {type(bug).__name__}: {bug}\n\n"
        f"  {lowered.filename}:{lowered.line}, in {lowered.name}\n\n"
        f"This is a bug in numbad. {again}")


_LIBDEVICE = re.compile(r"`__nv_(\w+)`")
"""A function of CUDA's library. Of `math` too, whose functions have the same names there."""

_MATRICES = "write the algorithm as loops, or keep it away from what is differentiated"
_ARRAYS = "use an array (np.empty and an index), or nested tuples in place of nested lists"
_CONSTRUCTS = (
    ("numba_xgesv", "np.linalg.solve", _MATRICES),
    ("numba_xxgetr", "np.linalg.inv or det (an LU factorisation)", _MATRICES),
    ("numba_xxpotrf", "np.linalg.cholesky", _MATRICES),
    ("numba_ez_", "a matrix decomposition of np.linalg", _MATRICES),
    ("numba_xx", "a matrix function of np.linalg", _MATRICES),
    ("NRT_MemInfo_new_varsize", "a list or a set", _ARRAYS),
    ("NRT_MemInfo_varsize", "a list or a set", _ARRAYS),
    ("NRT_MemInfo_alloc_dtor", "an instance of a jitclass", "use arrays and tuples"),
    ("numba_list_", "a typed list", _ARRAYS),
    ("numba_dict_", "a typed dictionary", _ARRAYS),
    ("numba_unpickle", "an object of the Python interpreter", "keep it out of what is differentiated"),
)
"""What users wrote, by the start of the symbol that Numba made of it; and what they can do."""


def _where(refusal: Refusal, lowered: Lowered | LoweredKernel) -> list[str]:
    """The innermost line that is the user's own, with its code, and the calls that lead there as far as the IR tells;
    his function's line if it tells none."""
    library = os.path.dirname(os.path.abspath(numba.__file__))
    theirs = [place for place in refusal.locations if not os.path.abspath(place.file).startswith(library)]
    if not theirs:
        theirs = [Location(lowered.filename, lowered.line, lowered.name)]
    (file, line, function), *callers = [(place.file, place.line, place.function) for place in theirs]
    calls = [f"{caller} ({os.path.basename(file)}:{line})" for file, line, caller in callers]
    if theirs[-1].function != lowered.name:
        calls.append(lowered.name)
    called = f", called from {', from '.join(calls)}" if calls else ""
    code = linecache.getline(file, line).strip()
    return [f"  {file}:{line}, in {function}{called}", *([f"      {code}"] if code else [])]
