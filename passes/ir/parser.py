"""A module from its text.

Given   what LLVM 22 prints for a module (hand-written text in the same syntax may have comments and odd spaces).
Gives   the Module. Printed again it is the same module to LLVM: nothing is dropped. Debug records (`#dbg_value(...)`)
        stay as text with the instruction behind them; `strip_debug_records` drops them.
Unsure  a line that has no known syntax raises ParseError, which quotes it with its number.

The lines are read twice: first every symbol gets its object, then initialisers and bodies are read, so that the
order of the symbols doesn't matter. The time is linear in the length of the text.
"""

from __future__ import annotations

import re
from typing import Any

from numbad.passes.ir import spelling
from numbad.passes.ir.constant_parser import Constants
from numbad.passes.ir.function import Block, Function, Global, Module
from numbad.passes.ir.instruction_parser import READERS
from numbad.passes.ir.scope import Scope
from numbad.passes.ir.type_parser import (
    ParseError,
    checked_attributes,
    function_words,
    parse_signature,
    parse_type,
)
from numbad.passes.ir.types import PTR, FunctionType, PointerType, StructType
from numbad.passes.ir.values import Argument, quoted, unquoted

__all__ = ["ParseError", "parse", "strip_debug_records"]

_SYMBOL = re.compile(rf"@({spelling.NAME}) = ")
_TYPE_LINE = re.compile(rf"(%{spelling.NAME}) = type (.*)")
_COMDAT = re.compile(rf"(\${spelling.NAME}) = (comdat \w+)")
_ATTRIBUTES = re.compile(r"attributes (#\d+) = (\{.*\})")
_METADATA = re.compile(r"(![-\w.$\\]+) = (.*)")
_HEADER = re.compile(r'source_filename = ".*"|target (?:datalayout|triple) = ".*"|module asm ".*"')
_INDENTED = " " * 10


def parse(text: str) -> Module:
    """The module that the text spells."""
    return _Reader(text).read()


def strip_debug_records(module: Module) -> None:
    """Drop `#dbg_value(...)` and its like; they name values in ways that changes to the code do not follow."""
    for function in module.functions.values():
        for instruction in function.instructions:
            instruction.debug_records = ()


class _Reader:
    def __init__(self, text: str):
        self.lines = text.split("\n")
        self.module = Module()
        self.constants = Constants()
        self.position = 0

    def read(self) -> Module:
        try:
            globals, bodies = self._symbols()
            for self.position in globals:
                self._initializer(self.lines[self.position])
            for function, start in bodies:
                self._body(function, start)
        except (ParseError, ValueError) as error:
            raise ParseError(str(error), self.lines[self.position], self.position + 1) from error
        return self.module

    # --- the module's own lines ---

    def _symbols(self) -> tuple[list[int], list[tuple[Function, int]]]:
        """Create every symbol; gives the lines of the globals and the first lines of the bodies."""
        globals: list[int] = []
        bodies: list[tuple[Function, int]] = []
        module, lines, count = self.module, self.lines, len(self.lines)
        self.position = -1
        while (position := self.position + 1) < count:
            self.position = position
            line = lines[position].strip()
            if not line or line[0] == ";":
                if line.startswith("; ModuleID"):
                    module.header.append(line)
                continue
            if line[0] == "@":
                self._global(line)
                globals.append(position)
            elif line.startswith(("define ", "declare ")):
                function = self._function(line)
                if line.startswith("define "):
                    bodies.append((function, position + 1))
                    self._skip_body()
            elif match := _METADATA.fullmatch(line):
                module.metadata[match[1]] = match[2]
            elif match := _ATTRIBUTES.fullmatch(line):
                module.attributes[match[1]] = match[2]
            elif match := _TYPE_LINE.fullmatch(line):
                body = parse_type(match[2]) if match[2] != "opaque" else None
                if body is not None and not isinstance(body, StructType):
                    raise ParseError("an identified type must be a structure")
                module.types[match[1]] = body
            elif match := _COMDAT.fullmatch(line):
                module.comdats[match[1]] = match[2]
            elif _HEADER.fullmatch(line):
                module.header.append(line)
            else:
                raise ParseError("no known syntax")
        return globals, bodies

    def _skip_body(self) -> None:
        start = self.position
        try:
            self.position = self.lines.index("}", start)
        except ValueError:
            for position in range(start + 1, len(self.lines)):
                if self.lines[position].strip() == "}":
                    self.position = position
                    return
            raise ParseError("the function has no end") from None

    def _match(self, line: str, *templates: str) -> tuple[Any, ...]:
        """The pieces of a line of the module. Before it fails, odd spaces and deep brackets are tried."""
        for text in (line, tidy(line)):
            for depth in (spelling.SHALLOW, spelling.DEEP):
                for template in templates:
                    if match := spelling.line(template, depth).fullmatch(text):
                        return match.groups()
        raise ParseError("no known syntax")

    def _global(self, line: str) -> None:
        name, head, type_text, parameters, *_, tail = self._match(line, spelling.GLOBAL_LINE, spelling.ALIAS_LINE)
        space = re.search(r"addrspace\((\d+)\)", head)
        type = parse_type(type_text)
        if parameters:
            type = parse_signature(type, parameters)
        self._add(Global(unquoted(name), type, None, head, tail, PointerType(int(space[1])) if space else PTR))

    def _initializer(self, line: str) -> None:
        name, head, type, _, value_type, value, _ = self._match(line, spelling.GLOBAL_LINE, spelling.ALIAS_LINE)
        if value is not None:
            if head.endswith(("alias", "ifunc")):
                type = value_type or "ptr"
            self.module.globals[unquoted(name)].initializer = self.constants.parse(type, value)

    def _add(self, item: Global | Function) -> None:
        if self.module.symbol(item.name) is not None:
            raise ParseError(f"@{item.name} is defined twice")
        self.module.add(item)
        self.constants.symbols[f"@{quoted(item.name)}"] = item

    def _function(self, line: str) -> Function:
        words, result, name, parameters, tail, brace = self._match(line, spelling.FUNCTION_LINE)
        if bool(brace) != line.startswith("define"):
            raise ParseError("a definition, and only that, ends with a brace")
        head, result_attributes = function_words(words)
        arguments, vararg = self._parameters(parameters[1:-1], bool(brace))
        signature = FunctionType(parse_type(result), tuple(a.type for a in arguments), vararg)
        function = Function(unquoted(name), signature, arguments, head, result_attributes, tail.strip())
        self._add(function)
        return function

    def _parameters(self, text: str, is_defined: bool) -> tuple[list[Argument], bool]:
        """The arguments, numbered where they have no name, and whether more may follow."""
        arguments: list[Argument] = []
        position, comma, unnamed = 0, "," if text.strip() else "", 0
        shape = spelling.listed(spelling.PARAMETER)
        while comma:
            match = shape.match(text, position)
            if match is None:
                raise ParseError(f"can't read the parameter {text[position:position + 120]!r}")
            dots, type, attributes, name, comma = match.groups()
            position = match.end()
            if dots:
                if comma:
                    raise ParseError("`...` comes last")
                return arguments, True
            if name is None:
                name = f"%{unnamed}"
            if is_defined and name[1:].isdigit():
                unnamed += 1
            arguments.append(Argument(parse_type(type), unquoted(name[1:]), checked_attributes(attributes)))
        return arguments, False

    # --- bodies ---

    def _body(self, function: Function, position: int) -> None:
        lines = self.lines
        start = position
        scope = Scope(function, self.constants, self.module.types)
        block: Block | None = None
        records: list[str] = []
        instruction_start, readers = spelling.INSTRUCTION.match, _READERS
        while True:
            line = lines[position]
            self.position = position
            position += 1
            if not line:
                continue
            match = instruction_start(line) if line[0] == " " else None
            reader = readers.get(match[3]) if match is not None else None
            if match is None or reader is None:
                line = tidy(line)
                if line == "}":
                    break
                if not line:
                    continue
                if label := spelling.LABEL_LINE.fullmatch(line):
                    block = scope.block("%" + label[1])
                    if block.function is not None or str(block) in scope.values:
                        raise ParseError(f"the block {block} is defined twice")
                    function.append(block)
                    continue
                if record := spelling.DEBUG_RECORD.fullmatch(line):
                    records.append(record[1])
                    continue
                match = instruction_start(line)
                reader = readers.get(match[3]) if match is not None else None
                if match is None or reader is None:
                    raise ParseError("no known instruction")
            name, tail, opcode = match.groups()
            shape, read = reader
            if opcode in _JOINED:
                line, position = self._joined(line, position, opcode)
            pieces = shape.fullmatch(line, match.end())
            if pieces is None:
                line = tidy(line)
                match = instruction_start(line)
                assert match is not None
                deep = spelling.pattern(READERS[opcode][0], spelling.DEEP)
                pieces = deep.fullmatch(line, match.end())
                if pieces is None:
                    raise ParseError(f"no known syntax of {opcode}")
            *groups, metadata = pieces.groups()
            instruction = read(scope, opcode, *groups)
            if tail is not None:
                if opcode != "call":
                    raise ParseError(f"{tail} stands before calls only")
                instruction.tail = tail  # type: ignore[attr-defined]
            if metadata is not None:
                instruction.metadata = _metadata(metadata)
            if records:
                instruction.debug_records, records = tuple(records), []
            if name is not None:
                scope.define(name, instruction)
            if block is None:
                unnamed = sum(a.name.isdigit() for a in function.arguments)
                block = function.append(scope.block(f"%{unnamed}"))
            block.append(instruction)
        for text in scope.undefined():
            use = re.compile(rf"{re.escape(text)}(?![-\w$.])")
            self.position = next(p for p in range(start, position) if use.search(lines[p]))
            raise ParseError(f"{text} is used in {function}, but not defined there")

    def _joined(self, line: str, position: int, opcode: str) -> tuple[str, int]:
        """The whole instruction, where LLVM breaks it into lines, and where the next one starts."""
        lines = self.lines
        if ";" in line:
            line = tidy(line)
        if opcode in spelling.BRACKETED:
            while not line.rstrip().endswith("]") and "], !" not in line:
                line = f"{line} {tidy(lines[position])}"
                position += 1
                if line.endswith("}"):
                    raise ParseError(f"the {opcode} has no end")
        while position < len(lines) and lines[position].startswith(_INDENTED):
            line = f"{line} {tidy(lines[position])}"
            position += 1
        return line, position


def _metadata(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = spelling.METADATA.match(text, position)
        if match is None:
            raise ParseError(f"can't read the metadata {text[position:]!r}")
        found[match[1]] = match[2]
        position = match.end()
    return found


def tidy(line: str) -> str:
    """The line without its comment, and with single spaces."""
    if ";" in line and (comment := spelling.COMMENT.match(line)):
        line = comment[1]
    return spelling.SPACES.sub(lambda m: m[1] or " ", line).strip()


_READERS = {opcode: (spelling.pattern(shape), read) for opcode, (shape, read) in READERS.items()}
_JOINED = spelling.CONTINUED | spelling.BRACKETED
