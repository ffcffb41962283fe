"""LLVM's printed text, read by lines: names and definitions.

Given   text that LLVM printed.
Gives   where each function body stands.
Unsure  a text that LLVM did not print may be misread; everything here is used on LLVM's own output only.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

NAME = r'"[^"\n]*"|[-\w.$]+'
"""A name without its `@` or `%`. LLVM escapes quotation marks within names."""


@dataclass(frozen=True)
class Definition:
    """A function body."""

    name: str
    head: str
    """The line that opens the body."""
    parameters: str
    text: str
    """Head and body, up to the closing brace."""
    start: int
    end: int
    """Where it stands in the text."""


_HEAD = re.compile(rf"^define [^\n@]*?@(?P<name>{NAME})"
                   r"\((?P<parameters>.*?)\)[^()\n]*(?:\([^()\n]*\)[^()\n]*)* ?\{$", re.M)


def definitions(text: str) -> Iterator[Definition]:
    """The functions that the text defines. The last line of a body is a lone `}`."""
    for match in _HEAD.finditer(text):
        end = text.index("\n}", match.end()) + len("\n}")
        yield Definition(match["name"].strip('"'), match[0], match["parameters"], text[match.start():end],
                         match.start(), end)
