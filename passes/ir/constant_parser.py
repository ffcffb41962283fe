"""Constants and global symbols from their text.

Given   a type and the spelling of a value that is no local one, and the module's symbols.
Gives   the Constant, Global or Function.
Unsure  raises ParseError.
"""

from __future__ import annotations

import re

from numbad.passes.ir import spelling
from numbad.passes.ir.function import Function, Global
from numbad.passes.ir.type_parser import ParseError, parse_type, split
from numbad.passes.ir.types import FloatType, IntType, NamedType, Type, VectorType
from numbad.passes.ir.values import (
    BlockAddress,
    ConstantAggregate,
    ConstantExpression,
    ConstantFloat,
    ConstantInt,
    ConstantText,
    MetadataOperand,
    Value,
    integer,
    quoted,
    unquoted,
)

_HEAD = re.compile(r"[a-z]+(?: [a-z]+(?:\([^()]*\))?)* ?(?=\()")
_TYPE_AND_COMMA = spelling.listed("{type}")


class Constants:
    """The constants of one module. `symbols` maps `@name` as printed to the global or function."""

    def __init__(self) -> None:
        self.symbols: dict[str, Global | Function] = {}
        self._known: dict[tuple[str, str], Value] = {}

    def parse(self, type_text: str, text: str) -> Value:
        value = self._known.get((type_text, text))
        if value is None:
            value = self._known[type_text, text] = self._read(parse_type(type_text), text)
        return value

    def symbol(self, text: str) -> Global | Function:
        found = self.symbols.get(text) or self.symbols.get(f"@{quoted(unquoted(text[1:]))}")
        if found is None:
            raise ParseError(f"{text} is not defined")
        return found

    def _read(self, type: Type, text: str) -> Value:
        first = text[0]
        if first == "@":
            found = self.symbol(text)
            if found.type != type:
                raise ParseError(f"{text} is a {found.type}, not a {type}")
            return found
        if isinstance(type, IntType) and (text in ("true", "false") or spelling.NUMBER.match(text)):
            return ConstantInt(type, int(text == "true")) if text[0] in "tf" else integer(type, int(text))
        if isinstance(type, FloatType) and spelling.FLOAT_NUMBER.match(text):
            return ConstantFloat(type, text)
        if text in spelling.CONSTANT_WORDS or text.startswith('c"'):
            return ConstantText(type, text)
        if first in "[{<":
            return self._aggregate(type, text)
        word = text.split("(", 1)[0].split()[0]
        if word in spelling.SYMBOL_WRAPPERS or word == "ptrauth":
            return ConstantText(type, text)
        if word == "blockaddress":
            return BlockAddress(type, text)
        if word == "splat" and isinstance(type, VectorType):
            return ConstantAggregate(type, self._operands(text[text.index("(") + 1:-1]), splat=True)
        if word in spelling.CONSTANT_OPCODES:
            return self._expression(type, word, text)
        if str(type) == "metadata" and first == "!":
            return MetadataOperand(type, text)
        raise ParseError(f"{text!r} is no {type}")

    def _aggregate(self, type: Type, text: str) -> Value:
        packed = text.startswith("<{")
        if not packed:
            return ConstantAggregate(type, self._operands(text[1:-1]))
        return ConstantAggregate(type, self._operands(text[2:-2]), packed=isinstance(type, NamedType))

    def _expression(self, type: Type, opcode: str, text: str) -> Value:
        """The operands become holes in the text; a cast's `to type` and an element type stay in it."""
        head = _HEAD.match(text)[0]  # type: ignore[index]
        inner = text[len(head) + 1:-1]
        source = None
        if opcode == "getelementptr":
            first = _TYPE_AND_COMMA.match(inner)
            if first is None:
                raise ParseError(f"can't read ({inner[:120]})")
            source = parse_type(first[1])
            operands = self._operands(inner[first.end():])
            spelt = f"{_escaped(head)}({_escaped(first[1])}, {_holes(operands)})"
        elif " to " in inner and opcode in ("ptrtoint", "ptrtoaddr", "inttoptr", "bitcast", "addrspacecast", "trunc"):
            value_text, target = inner.rsplit(" to ", 1)
            operands = self._operands(value_text)
            spelt = f"{_escaped(head)}({{0}} to {_escaped(target)})"
        else:
            operands = self._operands(inner)
            spelt = f"{_escaped(head)}({_holes(operands)})"
        return ConstantExpression(type, opcode, operands, spelt, source)

    def _operands(self, text: str) -> tuple[Value, ...]:
        return tuple(self.parse(*pair) for pair in split(text, "{type} {value}"))


def _holes(operands: tuple[Value, ...]) -> str:
    return ", ".join(f"{{{i}}}" for i in range(len(operands)))


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
