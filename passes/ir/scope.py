"""The names of one function while it is read.

Given   definitions and uses of local names, in the order of the text.
Gives   the value or block behind a spelling; a name that comes later in the text gets a stand-in, which its definition
        replaces everywhere.
Unsure  raises ParseError: a name defined twice or never, or used with two types.
"""

from __future__ import annotations

from numbad.passes.ir.constant_parser import Constants
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Instruction
from numbad.passes.ir.type_parser import ParseError, parse_type
from numbad.passes.ir.types import ArrayType, NamedType, StructType, Type
from numbad.passes.ir.values import Named, Value, quoted, unquoted


class Scope:
    """`values` by their printed spelling, `blocks`, and `pending`: stand-ins for what comes later."""

    def __init__(self, function: Function, constants: Constants, types: dict[str, StructType | None]):
        self.function, self.constants, self.types = function, constants, types
        self.values: dict[str, Value] = {f"%{quoted(a.name)}": a for a in function.arguments}
        self.blocks: dict[str, Block] = {}
        self.pending: dict[str, Named] = {}

    def value(self, type_text: str, text: str) -> Value:
        """The operand spelt `type text`."""
        found = self.values.get(text)
        if found is None:
            return self._not_yet_known(type_text, text)
        type = parse_type(type_text)
        if found.type is not type and found.type != type:
            raise ParseError(f"{text} is a {found.type}, not a {type}")
        return found

    def _not_yet_known(self, type_text: str, text: str) -> Value:
        if text[0] != "%":
            return self.constants.parse(type_text, text)
        if text[1] == '"' and (plain := _canonical(text)) != text:
            return self.value(type_text, plain)
        type = parse_type(type_text)
        later = self.pending.get(text)
        if later is None:
            later = self.pending[text] = Named(type, unquoted(text[1:]))
        elif later.type != type:
            raise ParseError(f"{text} is used as a {later.type} and as a {type}")
        return later

    def block(self, text: str) -> Block:
        """The block `%name`, which may come later."""
        found = self.blocks.get(text)
        if found is None:
            text = _canonical(text)
            found = self.blocks.get(text)
            if found is None:
                found = self.blocks[text] = Block(unquoted(text[1:]))
        return found

    def define(self, text: str, value: Instruction) -> None:
        """`value` has the name `text` from now on; stand-ins for it are replaced."""
        text = _canonical(text)
        value.name = unquoted(text[1:])
        if text in self.values or text in self.blocks:
            raise ParseError(f"{text} is defined twice")
        self.values[text] = value
        if self.pending and (later := self.pending.pop(text, None)) is not None:
            if later.type != value.type:
                raise ParseError(f"{text} is a {value.type}, but was used as a {later.type}")
            for user in dict.fromkeys(later.users):
                user.operands = [value if operand is later else operand for operand in user.operands]
            value.users += later.users

    def undefined(self) -> list[str]:
        """The names that were used, but not defined."""
        return [*self.pending, *(text for text, block in self.blocks.items() if block.function is None)]

    def inner_type(self, type: Type, indices: list[int]) -> Type:
        """The type at a path of indices inside an aggregate."""
        for index in indices:
            if isinstance(type, NamedType):
                type = self.types.get(type.name) or type
            if isinstance(type, StructType) and index < len(type.elements):
                type = type.elements[index]
            elif isinstance(type, ArrayType) and index < type.count:
                type = type.element
            else:
                raise ParseError(f"a {type} has no element {index}")
        return type


def _canonical(text: str) -> str:
    """LLVM's spelling of a local name: without quotes that it doesn't need."""
    return f"%{quoted(unquoted(text[1:]))}" if text[1] == '"' else text
