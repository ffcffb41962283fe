"""What is found about one program, and how it is told from what a check raises."""

from __future__ import annotations

import itertools
import linecache
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numba.core import errors

import numbad as nd
from fuzz.code import Program

FINE = ("right", "refused", "numba")
_count = itertools.count()


@dataclass(frozen=True)
class Verdict:
    """`kind`: right, refused, numba (which cannot compile the program), or what is wrong; `compared`: at how many
    inputs finite differences converged."""

    kind: str
    message: str = ""
    compared: int = 0

    @property
    def is_fine(self) -> bool:
        return self.kind in FINE


class Wrong(Exception):
    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


def function(program: Program) -> Callable:
    """The last function of a program, compiled by Numba when it is called."""
    text, filename = str(program), f"<fuzz {next(_count)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    scope: dict[str, Any] = {"__name__": __name__}
    exec(compile(text, filename, "exec"), scope)
    return scope["f"]


def verdict(check: Callable[[], Verdict]) -> Verdict:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return check()
    except (nd.NoDerivative, nd.Unsupported) as refusal:
        has_line = re.search(r"^  <fuzz \d+>:\d+, in ", str(refusal), re.M)
        return Verdict("refused" if has_line else "no line", str(refusal))
    except nd.EngineError as bug:
        return Verdict("engine", str(bug))
    except (errors.NumbaError, SyntaxError) as error:
        return Verdict("numba", str(error))
    except Wrong as wrong:
        return Verdict(wrong.kind, str(wrong))
