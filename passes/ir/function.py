"""Blocks, functions, globals, modules."""

from __future__ import annotations

from collections.abc import Iterator

from numbad.passes.ir.instructions import Instruction, Phi
from numbad.passes.ir.types import LABEL, PTR, VOID, ArrayType, FunctionType, StructType, Type
from numbad.passes.ir.values import Argument, Constant, Named, Value


class Block(Named):
    """A basic block. Its users are the terminators that go to it and the phis that name it."""

    def __init__(self, name: str = ""):
        super().__init__(LABEL, name)
        self.instructions: list[Instruction] = []
        self.function: Function | None = None

    def append(self, instruction: Instruction) -> Instruction:
        instruction.block = self
        self.instructions.append(instruction)
        return instruction

    def insert(self, index: int, instruction: Instruction) -> Instruction:
        instruction.block = self
        self.instructions.insert(index, instruction)
        return instruction

    @property
    def terminator(self) -> Instruction:
        return self.instructions[-1]

    @property
    def phis(self) -> list[Phi]:
        found: list[Phi] = []
        for instruction in self.instructions:
            if not isinstance(instruction, Phi):
                break
            found.append(instruction)
        return found

    @property
    def successors(self) -> list[Block]:
        """Distinct successors, in operand order."""
        return list(dict.fromkeys(self.terminator.successors))

    @property
    def predecessors(self) -> list[Block]:
        """Distinct predecessors, in the order of the function's uses."""
        return list(dict.fromkeys(
            u.block for u in self.users if u.is_terminator and u.block is not None))


class Global(Named):
    """A global variable, alias or ifunc. `head` is the text between `=` and the type, `tail` that behind the value.

    The value of the operand `@name` is a pointer; `value_type` is what it points to.
    """

    prefix = "@"

    def __init__(self, name: str, value_type: Type, initializer: Constant | Value | None = None, head: str = "",
                 tail: str = "", type: Type = PTR):
        super().__init__(type, name)
        self.value_type, self.initializer, self.head, self.tail = value_type, initializer, head, tail

    @property
    def is_constant(self) -> bool:
        return "constant" in self.head.split()

    @property
    def is_dynamic(self) -> bool:
        """An array whose length is known only when the program is launched: `external ... [0 x T]`."""
        return self.initializer is None and isinstance(self.value_type, ArrayType) and self.value_type.count == 0


class Function(Named):
    """A defined (has blocks) or declared function.

    head          text between `define`/`declare` and the result type: linkage, visibility, convention ...
    result_attributes   attributes of the result
    tail          text behind the parameter list: unnamed_addr, #0, section, gc, personality, metadata `!dbg !5`
    """

    prefix = "@"

    def __init__(self, name: str, signature: FunctionType, arguments: list[Argument] | None = None, head: str = "",
                 result_attributes: str = "", tail: str = "", type: Type = PTR):
        super().__init__(type, name)
        self.signature = signature
        self.arguments = arguments if arguments is not None else [
            Argument(t, f"a{i}") for i, t in enumerate(signature.parameters)]
        self.head, self.result_attributes, self.tail = head, result_attributes, tail
        self.blocks: list[Block] = []
        self.module: Module | None = None

    @property
    def is_declaration(self) -> bool:
        return not self.blocks

    @property
    def entry(self) -> Block:
        return self.blocks[0]

    @property
    def instructions(self) -> Iterator[Instruction]:
        for block in self.blocks:
            yield from block.instructions

    def append(self, block: Block) -> Block:
        block.function = self
        self.blocks.append(block)
        return block

    def name_values(self) -> None:
        """Make the names unique. Values without a name, or with a number for a name, get LLVM's numbers: they count
        arguments, then each block and its instructions. Of two values with one name the later gets a suffix."""
        taken: set[str] = set()
        counts: dict[str, int] = {}
        values: list[Named] = list(self.arguments)
        for block in self.blocks:
            values.append(block)
            values += [i for i in block.instructions if i.type is not VOID and i.type != VOID]
        number = 0
        for value in values:
            name = value.name
            if not name or name.isdigit():
                value.name = str(number)
                number += 1
                continue
            while name in taken:
                counts[value.name] = counts.get(value.name, 0) + 1
                name = f"{value.name}.{counts[value.name]}"
            value.name = name
            taken.add(name)


class Module:
    """A translation unit.

    types        name of an identified structure (with `%`) -> its body, None when opaque
    globals      name -> Global;   functions   name -> Function
    attributes   number of an attribute group (`#0`) -> its text
    metadata     `!0` or `!llvm.module.flags` -> the text behind `=`
    header       the lines before everything (source_filename, target ..., module asm), as they stand
    comdats      `$name` -> text
    """

    def __init__(self) -> None:
        self.header: list[str] = []
        self.types: dict[str, StructType | None] = {}
        self.comdats: dict[str, str] = {}
        self.globals: dict[str, Global] = {}
        self.functions: dict[str, Function] = {}
        self.attributes: dict[str, str] = {}
        self.metadata: dict[str, str] = {}

    def add(self, item: Function | Global) -> Function | Global:
        """Put a function or global into the module; its name must be free."""
        if item.name in self.functions or item.name in self.globals:
            raise ValueError(f"the module has a @{item.name} already")
        if isinstance(item, Function):
            item.module = self
            self.functions[item.name] = item
        else:
            self.globals[item.name] = item
        return item

    def declare(self, name: str, signature: FunctionType, tail: str = "") -> Function:
        """The function of that name, declared if it isn't there."""
        if name not in self.functions:
            self.add(Function(name, signature, tail=tail))
        function = self.functions[name]
        if function.signature != signature:
            raise ValueError(f"@{name} has the type {function.signature}, not {signature}")
        return function

    def add_metadata(self, *texts: str) -> list[str]:
        """New metadata nodes, numbered on; `{0}`, `{1}` ... in a text stand for the new nodes."""
        first = 1 + max((int(k[1:]) for k in self.metadata if k[1:].isdigit()), default=-1)
        names = [f"!{first + i}" for i in range(len(texts))]
        self.metadata.update(zip(names, (t.format(*names) for t in texts), strict=True))
        return names

    def symbol(self, name: str) -> Function | Global | None:
        return self.functions.get(name) or self.globals.get(name)
