"""Types from their text.

Given   the spelling of a type, or of a list of words or attributes.
Gives   the type; the same text gives the same object, so that equal types mostly are identical.
Unsure  raises ParseError. It knows no line: the parser adds the line and its number.
"""

from __future__ import annotations

import re
from functools import cache

from numbad.passes.ir import spelling
from numbad.passes.ir.types import (
    ArrayType,
    FloatType,
    FunctionType,
    IntType,
    NamedType,
    PointerType,
    SimpleType,
    StructType,
    Type,
    VectorType,
)


class ParseError(SyntaxError):
    """The text is not the LLVM IR that this package knows. `line` and `number` say where, once the parser knows."""

    def __init__(self, reason: str, line: str = "", number: int = 0):
        super().__init__(f"line {number}: {reason}\n    {line.strip()}" if number else reason)
        self.reason, self.line, self.number = reason, line, number


_SEQUENCE = re.compile(r"[\[<]\s*(vscale\s+x\s+)?(\d+)\s+x\s+(.*?)\s*[\]>]", re.S)
_INTEGER = re.compile(r"i(\d+)")
_POINTER = re.compile(r"ptr addrspace\((\d+)\)")
_NAMED = re.compile(f"%{spelling.NAME}")


def split(text: str, element: str) -> list[tuple[str, ...]]:
    """The comma-separated elements of a text, each matching the template `element` (see `spelling.listed`)."""
    shape = spelling.listed(element)
    found: list[tuple[str, ...]] = []
    position, comma = 0, ","
    if not text.strip():
        return found
    while comma:
        match = shape.match(text, position)
        if match is None:
            raise ParseError(f"can't read the list ({text[position:position + 120]})")
        *parts, comma = match.groups()
        found.append(tuple(parts))
        position = match.end()
    return found


@cache
def parse_type(text: str) -> Type:
    """The type with this spelling."""
    if text == "ptr":
        return PointerType()
    if text in spelling.FLOAT_TYPES:
        return FloatType(text)
    if text in spelling.SIMPLE_TYPES:
        return SimpleType(text)
    if match := _INTEGER.fullmatch(text):
        return IntType(int(match[1]))
    if text.startswith(("{", "<{")):
        packed = text.startswith("<")
        inner = text[2:-2] if packed else text[1:-1]
        return StructType(tuple(parse_type(t) for (t,) in split(inner, "{type}")), packed)
    if match := _SEQUENCE.fullmatch(text):
        count, element = int(match[2]), parse_type(match[3])
        if text[0] == "[":
            return ArrayType(count, element)
        return VectorType(count, element, bool(match[1]))
    if _NAMED.fullmatch(text):
        return NamedType(text)
    if match := _POINTER.fullmatch(text):
        return PointerType(int(match[1]))
    if text.startswith("target("):
        return SimpleType(text)
    raise ParseError(f"unknown type {text!r}")


@cache
def parse_signature(result: Type, text: str) -> FunctionType:
    """The function type with this result and this parameter list, `(ptr, i64, ...)`."""
    inner, vararg = text.strip()[1:-1].strip(), False
    if inner.endswith("..."):
        inner, vararg = inner[:-3].strip().removesuffix(","), True
    return FunctionType(result, tuple(parse_type(t) for (t,) in split(inner, "{type}")), vararg)


@cache
def checked_attributes(text: str) -> str:
    """The attribute text itself, without outer spaces, once all its words are known."""
    text = text.strip()
    position = 0
    while position < len(text):
        match = spelling.ATTRIBUTE.match(text, position)
        word = match[1] if match else None
        if match is None or word and not (
                word in spelling.ATTRIBUTES_WITH_ARGUMENT if match[2] else word in spelling.PLAIN_ATTRIBUTES):
            raise ParseError(f"unknown attribute in {text[position:]!r}")
        position = match.end()
    return text


@cache
def call_words(text: str) -> tuple[tuple[str, ...], str, str]:
    """The words between `call` and the result type: flags, calling convention, result attributes."""
    words = text.split()
    count = 0
    while count < len(words) and words[count] in spelling.FAST_MATH:
        count += 1
    flags, rest = tuple(words[:count]), " ".join(words[count:])
    match = spelling.CONVENTION.match(rest + " ")
    convention = match[0].rstrip() if match else ""
    return flags, convention, checked_attributes(rest[len(convention):])


@cache
def function_words(text: str) -> tuple[str, str]:
    """The words between `define` and the result type: the head (linkage ... convention) and result attributes."""
    head: list[str] = []
    rest = text.strip()
    while rest:
        word = rest.split(None, 1)[0]
        if match := spelling.CONVENTION.match(rest + " "):
            word = match[0].rstrip()
        elif word not in spelling.LINKAGE | spelling.PREEMPTION | spelling.VISIBILITY:
            break
        head.append(word)
        rest = rest[len(word):].lstrip()
    return " ".join(head), checked_attributes(rest)
