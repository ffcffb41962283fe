"""Is it a program?

Given   a module or a function, at any point between two stages of the engine.
Gives   nothing; raises VerificationError(invariant, function, instruction) for the first invariant that is broken.
Unsure  never. What LLVM's verifier checks and this one does not (attributes, metadata, intrinsics), LLVM will.

The invariants, by the names that the errors carry:

    ownership      a block knows its function and an instruction its block; each stands in one place only
    terminator     every block ends with a terminator and has no other
    entry          nothing branches to the first block
    operands       an operand is a constant, a symbol of this module, or a value or block of this very function
    phi place      phis come first in their block
    phi incoming   a phi has one entry for each edge into its block, and equal values for equal blocks
    types          operands, result and flags fit the opcode; calls fit their signature, `ret` fits the function
    call           a direct call has the signature of its callee
    names          no two values or blocks of a function have the same name; numbers stand for no name
    users          a value's users are exactly the operands that refer to it
    dominance      every path from the entry to a use passes the definition
    references     attribute groups (`#3`) and metadata (`!7`) that are referred to exist
    symbols        a symbol is registered under its name, once (`verify` only, as are the users of symbols)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from numbad.passes.ir.function import Block, Function, Global, Module
from numbad.passes.ir.instructions import Call, Instruction, Phi
from numbad.passes.ir.printer import print_instruction
from numbad.passes.ir.type_rules import problem
from numbad.passes.ir.values import Argument, Constant, ConstantAggregate, ConstantExpression, Named, Value

_NUMBERED = re.compile(r"[#!]\d+")


class VerificationError(Exception):
    """A broken invariant: its name, the function and the instruction concerned, and what is wrong."""

    def __init__(self, invariant: str, function: Function | None, instruction: Instruction | None, reason: str = ""):
        place = f" in {function}" if function is not None else ""
        text = f"\n    {_spelling(instruction)}" if instruction is not None else ""
        super().__init__(f"{invariant}{place}: {reason}{text}")
        self.invariant, self.function, self.instruction, self.reason = invariant, function, instruction, reason


def _spelling(instruction: Instruction) -> str:
    """The instruction as text, or its opcode when it is too broken to be printed."""
    try:
        return print_instruction(instruction)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return f"<{instruction.opcode} {instruction.name}>"


def verify(module: Module) -> None:
    """Check all functions, the table of symbols, and the users of symbols."""
    symbols: list[Global | Function] = [*module.globals.values(), *module.functions.values()]
    for key, item in zip([*module.globals, *module.functions], symbols, strict=True):
        if item.name != key or key in module.globals and key in module.functions:
            raise VerificationError("symbols", None, None, f"{item} is registered as @{key}")
        if isinstance(item, Function) and item.module is not module:
            raise VerificationError("symbols", item, None, "the function does not know its module")
    used: Counter[tuple[Named, Instruction]] = Counter()
    for function in module.functions.values():
        verify_function(function)
        used.update((o, i) for i in function.instructions for o in i.operands if isinstance(o, (Global, Function)))
    _check_users(None, symbols, used)


def verify_function(function: Function) -> None:
    """Check one function. A declaration has nothing to check."""
    if not function.is_declaration:
        _Check(function).run()


class _Check:
    def __init__(self, function: Function):
        self.function, self.module = function, function.module
        self.bodies = self.module.types if self.module is not None else {}
        self.arguments = set(function.arguments)
        self.position: dict[Instruction, int] = {}
        self.known_constants: set[int] = set()

    def run(self) -> None:
        self.ownership()
        self.blocks()
        edges = self.edges()
        for block in self.function.blocks:
            for instruction in block.instructions:
                self.instruction(instruction)
            self.phis(block, edges[block])
        self.names()
        self.users()
        self.dominance(edges)

    def fail(self, invariant: str, instruction: Instruction | None, reason: str) -> VerificationError:
        return VerificationError(invariant, self.function, instruction, reason)

    def ownership(self) -> None:
        seen: set[Block] = set()
        for block in self.function.blocks:
            if block.function is not self.function or block in seen:
                raise self.fail("ownership", None, f"the block {block} stands twice or belongs to another function")
            seen.add(block)
            for position, instruction in enumerate(block.instructions):
                if instruction.block is not block or instruction in self.position:
                    raise self.fail("ownership", instruction, f"stands in {block}, but also or only elsewhere")
                self.position[instruction] = position
        for argument, type in zip(self.function.arguments, self.function.signature.parameters, strict=False):
            if argument.type != type:
                raise self.fail("types", None, f"the argument {argument} is a {argument.type}, not a {type}")
        if len(self.function.arguments) != len(self.function.signature.parameters):
            raise self.fail("types", None, "the arguments do not fit the signature")

    def blocks(self) -> None:
        for block in self.function.blocks:
            if not block.instructions or not block.terminator.is_terminator:
                raise self.fail("terminator", None, f"the block {block} has no terminator")
            for instruction in block.instructions[:-1]:
                if instruction.is_terminator:
                    raise self.fail("terminator", instruction, f"a terminator inside the block {block}")

    def edges(self) -> dict[Block, list[Block]]:
        """The sources of the edges into each block, one entry an edge."""
        edges: dict[Block, list[Block]] = {block: [] for block in self.function.blocks}
        for block in self.function.blocks:
            for successor in block.terminator.successors:
                if successor not in edges:
                    raise self.fail("operands", block.terminator, f"{successor} is no block of this function")
                edges[successor].append(block)
        if edges[self.function.entry]:
            raise self.fail("entry", edges[self.function.entry][0].terminator, "a branch to the first block")
        return edges

    def instruction(self, instruction: Instruction) -> None:
        for operand in instruction.operands:
            if not self.is_ours(operand):
                raise self.fail("operands", instruction, f"{operand!r} does not belong to this function")
        if (wrong := problem(instruction, self.bodies)) is not None:
            raise self.fail("types", instruction, wrong)
        if isinstance(instruction, Call):
            callee = instruction.callee
            if isinstance(callee, Function) and callee.signature != instruction.signature:
                raise self.fail("call", instruction, f"{callee} is a {callee.signature}")
        if self.module is not None:
            texts = [*instruction.metadata.values(), getattr(instruction, "attributes", "")]
            for name in (name for text in texts if text for name in _NUMBERED.findall(text)):
                if name not in self.module.metadata and name not in self.module.attributes:
                    raise self.fail("references", instruction, f"{name} is not defined in the module")

    def is_ours(self, operand: Value) -> bool:
        if isinstance(operand, Instruction):
            return operand in self.position
        if isinstance(operand, (Block, Function, Global, Argument)):
            if isinstance(operand, Block):
                return operand.function is self.function
            if isinstance(operand, Argument):
                return operand in self.arguments
            return self.module is None or self.module.symbol(operand.name) is operand
        if not isinstance(operand, Constant):
            return False
        if isinstance(operand, (ConstantAggregate, ConstantExpression)) and id(operand) not in self.known_constants:
            self.known_constants.add(id(operand))
            parts = operand.elements if isinstance(operand, ConstantAggregate) else operand.operands
            return all(map(self.is_ours, parts))
        return True

    def phis(self, block: Block, edges: list[Block]) -> None:
        phis = block.phis
        for instruction in block.instructions[len(phis):]:
            if isinstance(instruction, Phi):
                raise self.fail("phi place", instruction, "a phi behind an instruction that is none")
        wanted = Counter(edges) if phis else None
        for phi in phis:
            if Counter(source for _, source in phi.incoming) != wanted:
                expected = ", ".join(map(str, edges)) or "none"
                raise self.fail("phi incoming", phi, f"the edges into {block} come from {expected}")
            values: dict[Block, Value] = {}
            for value, source in phi.incoming:
                if values.setdefault(source, value) != value:
                    raise self.fail("phi incoming", phi, f"two values for {source}")

    def names(self) -> None:
        taken: set[str] = set()
        for value in self.named():
            if value.name in taken:
                raise self.fail("names", value if isinstance(value, Instruction) else None, f"two values named {value}")
            if value.name and not value.name.isdigit():
                taken.add(value.name)

    def named(self) -> Iterable[Named]:
        yield from self.function.arguments
        for block in self.function.blocks:
            yield block
            yield from block.instructions

    def users(self) -> None:
        used = Counter((o, i) for i in self.position for o in i.operands
                       if isinstance(o, Named) and not isinstance(o, (Global, Function)))
        _check_users(self.function, self.named(), used)

    def dominance(self, edges: dict[Block, list[Block]]) -> None:
        interval = _dominator_intervals(self.function.entry, edges)
        for block in interval:  # what cannot be reached may use anything
            for instruction in block.instructions:
                pairs = instruction.incoming if isinstance(instruction, Phi) else (
                    (o, block) for o in instruction.operands)
                for operand, place in pairs:
                    if not isinstance(operand, Instruction) or place not in interval:
                        continue
                    home = operand.block
                    if home is block and not isinstance(instruction, Phi):
                        fine = self.position[operand] < self.position[instruction]
                    elif home not in interval:
                        fine = False
                    else:
                        fine = interval[home][0] <= interval[place][0] and interval[place][1] <= interval[home][1]
                    if not fine:
                        raise self.fail("dominance", instruction, f"{operand} does not dominate this use")


def _check_users(function: Function | None, values: Iterable[Named],
                 used: Counter[tuple[Named, Instruction]]) -> None:
    listed = Counter((value, user) for value in values for user in value.users)
    for value, user in [*used, *listed] if listed != used else ():
        if listed[value, user] != used[value, user]:
            raise VerificationError("users", function, user, f"{value} lists this user {listed[value, user]} times, "
                                    f"but is an operand {used[value, user]} times")


def _dominator_intervals(entry: Block, edges: dict[Block, list[Block]]) -> dict[Block, tuple[int, int]]:
    """For each block that can be reached an interval of numbers: `a` dominates `b` if a's interval holds b's.

    Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm" (2001); the intervals number the dominator tree.
    The analyses have dominators too; a verifier that shared them could not find their errors.
    """
    postorder: list[Block] = []
    seen, stack = {entry}, [(entry, iter(entry.successors))]
    while stack:
        block, rest = stack[-1]
        following = next((s for s in rest if s not in seen), None)
        if following is None:
            postorder.append(block)
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, iter(following.successors)))
    number = {block: n for n, block in enumerate(postorder)}
    parent: dict[Block, Block] = {entry: entry}
    changed = True
    while changed:
        changed = False
        for block in postorder[-2::-1]:
            new: Block | None = None
            for source in edges[block]:
                if source not in parent:
                    continue
                a, b = source, new or source
                while a is not b:
                    if number[a] < number[b]:
                        a = parent[a]
                    else:
                        b = parent[b]
                new = a
            assert new is not None, "in reverse postorder some predecessor comes first"
            changed |= parent.get(block) is not new
            parent[block] = new
    size = dict.fromkeys(postorder, 1)
    for block in postorder[:-1]:
        size[parent[block]] += size[block]
    start, following_start = {entry: 0}, {entry: 1}
    for block in postorder[-2::-1]:
        start[block] = following_start[parent[block]]
        following_start[parent[block]] += size[block]
        following_start[block] = start[block] + 1
    return {block: (start[block], start[block] + size[block] - 1) for block in reversed(postorder)}
