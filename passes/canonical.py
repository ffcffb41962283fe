"""Brings a parsed function into the form that the analyses and the writers expect.

1  One return block for each outcome. Functions in Numba's convention return a status code; after LLVM's clean-up
   good and bad exits share one block and one phi:

       ret:  %s = phi i32 [ 0, %done ], [ 1, %error ]       done':  ret i32 0
             ret i32 %s                               ->    error': ret i32 1

   A status known only at run time is tested first, so that each return is either normal or an exception.
2  Integers that only carry a float from memory to memory (8-byte copies) are floats again.
3  Structures are loaded and stored element by element.
4  Hints for the optimiser that do not hold for derivatives are gone (lifetimes, assumes, debug records).

Given   functions as LLVM prepared them.   Gives   the same functions, changed in place.
Unsure  an integer that may be computed with stays an integer; `activity` then decides whether it matters.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from numbad.passes.analysis.memory import Memory, path_offset
from numbad.passes.ir.builder import Builder, type_at
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Call, Instruction, Load, Phi, Store
from numbad.passes.ir.types import (
    DOUBLE,
    FLOAT,
    I32,
    ArrayType,
    FloatType,
    IntType,
    PointerType,
    StructType,
    Type,
    size_of,
)
from numbad.passes.ir.values import ConstantFloat, ConstantInt, ConstantText, Named, Value, integer, undefined
from numbad.passes.rules import memory as effects

NORMAL = (0, -2)  # the status codes of a normal return: success, and None of an Optional


def returns_status(function: Function) -> bool:
    """Numba's convention: a status code is returned, the first two parameters are the slots of result and exception."""
    parameters = function.signature.parameters
    return (function.signature.result == I32 and len(parameters) >= 2
            and all(isinstance(p, PointerType) for p in parameters[:2]))


def is_normal_return(block: Block) -> bool:
    """The block returns, and what it returns is a result."""
    terminator = block.terminator
    if terminator.opcode != "ret":
        return False
    if not returns_status(block.function):  # type: ignore[arg-type]
        return True
    status = terminator.operands[0]
    return isinstance(status, ConstantInt) and status.value in NORMAL


def canonicalise(function: Function) -> None:
    drop_hints(function)
    remove_unreachable(function)
    split_aggregates(function)
    if returns_status(function):
        for block in [b for b in function.blocks if b.terminator.opcode == "ret"]:
            split_return(block)
    function.name_values()


def drop_hints(function: Function) -> None:
    for instruction in list(function.instructions):
        if isinstance(instruction, Call) and isinstance(effects.effect_of(instruction), effects.Drop):
            if not instruction.users:
                instruction.erase()


def split_aggregates(function: Function) -> None:
    """Loads and stores of structures and arrays become loads and stores of their elements."""
    for instruction in list(function.instructions):
        type = instruction.operands[0].type if isinstance(instruction, Store) else instruction.type
        if not isinstance(instruction, (Load, Store)) or not type.is_aggregate or instruction.ordering is not None:
            continue
        assert instruction.block is not None
        builder = Builder(instruction.block, instruction)
        builder.location = instruction.metadata.get("dbg")
        whole: Value = undefined(type)
        for path in _leaves(type):
            leaf, offset = type_at(type, path), path_offset(type, path)
            align = 1 if instruction.align == 0 else _alignment(instruction.align, offset)
            place = builder.offset(instruction.pointer, offset)
            if isinstance(instruction, Store):
                builder.store(builder.extract(instruction.value, path), place, align)
            else:
                whole = builder.insert_value(whole, builder.load(leaf, place, align=align), path)
        instruction.replace_all_uses_with(whole)
        instruction.erase()


def _leaves(type: Type, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    if isinstance(type, StructType):
        for index, element in enumerate(type.elements):
            yield from _leaves(element, (*path, index))
    elif isinstance(type, ArrayType):
        for index in range(type.count):
            yield from _leaves(type.element, (*path, index))
    else:
        yield path


def _alignment(align: int, offset: int) -> int:
    while offset % align:
        align //= 2
    return align


def remove_unreachable(function: Function) -> None:
    """Forget blocks that no path from the entry reaches."""
    from numbad.passes.analysis.dominators import reverse_postorder

    reachable = set(reverse_postorder(function.entry))
    dead = [b for b in function.blocks if b not in reachable]
    for block in dead:
        for successor in block.successors:
            for phi in successor.phis:
                phi.remove_incoming(block)
    for block in dead:
        for instruction in block.instructions:
            instruction.replace_all_uses_with(ConstantText(instruction.type, "poison"))
            instruction.drop_operands()
        block.instructions = []
    function.blocks = [b for b in function.blocks if b in reachable]


def split_return(block: Block) -> None:
    status = block.terminator.operands[0]
    if isinstance(status, Phi) and status.block is block:
        by_status: dict[Value, list[Block]] = {}
        for value, source in status.incoming:
            by_status.setdefault(value, []).append(source)
        if len(by_status) > 1:
            for value, sources in list(by_status.items())[1:]:
                twin = _copy_for(block, sources)
                if not isinstance(value, ConstantInt):
                    _test_status(twin)
            value = next(iter(by_status))
        status.replace_all_uses_with(value)
        status.erase()
        status = value
    if not isinstance(status, ConstantInt):
        _test_status(block)


def _copy_for(block: Block, sources: list[Block]) -> Block:
    """A copy of a returning block, reached from `sources` only."""
    assert block.function is not None
    twin = block.function.append(Block(block.name))
    twins: dict[Value, Value] = {}
    for instruction in block.instructions:
        if isinstance(instruction, Phi):
            incoming = [(v, b) for v, b in instruction.incoming if b in sources]
            if len({v for v, _ in incoming}) == 1:
                twins[instruction] = incoming[0][0]
                continue
            copy: Instruction = Phi(instruction.type, incoming, instruction.name)
        else:
            copy = instruction.copy()
            for index, operand in enumerate(copy.operands):
                if operand in twins:
                    copy.set_operand(index, twins[operand])
        twins[instruction] = twin.append(copy)
    for source in dict.fromkeys(sources):
        source.terminator.replace(block, twin)
        for phi in block.phis:
            phi.remove_incoming(source)
    return twin


def _test_status(block: Block) -> None:
    """`ret %s`  ->  `switch %s: 0 -> ret 0, -2 -> ret -2, else ret %s`, so that each return is of one kind."""
    function, terminator = block.function, block.terminator
    assert function is not None
    status = terminator.operands[0]
    terminator.erase()
    raised = function.append(Block(f"{block.name}.raised"))
    Builder(raised).ret(status)
    normal = []
    for code in NORMAL:
        target = function.append(Block(f"{block.name}.ok"))
        Builder(target).ret(integer(I32, code))
        normal.append((integer(I32, code), target))
    Builder(block).switch(status, raised, normal)


# --- 2: integers that are floats ---------------------------------------------------------------------------


def retype_copies(functions: Iterable[Function], memory: Memory) -> None:
    """Integers that only travel from memory (or a bitcast) to memory become the float that lives there."""
    for function in functions:
        seen: set[Instruction] = set()
        for instruction in list(function.instructions):
            if instruction in seen or instruction.block is None:
                continue
            if _starts_a_journey(instruction):
                group = _travellers(instruction)
                seen |= group
                places = {i.pointer for i in group if isinstance(i, Load)}
                places |= {u.pointer for i in group for u in i.users if isinstance(u, Store) and u.value is i}
                if any(_float_lives_at(memory, p, instruction.type) for p in places) \
                        and all(map(_only_travels, group)):
                    _retype(group)


def _starts_a_journey(instruction: Instruction) -> bool:
    floating = _float_of(instruction.type)
    return floating is not None and (isinstance(instruction, Load) or (
        instruction.opcode == "bitcast" and instruction.operands[0].type == floating))


def _float_of(type: Type) -> FloatType | None:
    return {IntType(64): DOUBLE, IntType(32): FLOAT}.get(type)  # type: ignore[call-overload]


def _float_lives_at(memory: Memory, pointer: Value, type: Type) -> bool:
    """The bytes behind the pointer are also accessed as one float of that size, and as no other."""
    node, offset = memory.cell(pointer)
    found = memory.floats_at(pointer, size_of(type))
    return "tape" not in node.roots and bool(found) and all(
        t.scalar == _float_of(type) and (offset is None or at is None or (offset - at) % size_of(type) == 0)
        for at, t in found)


def _travellers(start: Instruction) -> set[Instruction]:
    """All integer instructions connected with `start` through phis, selects and freezes."""
    group: set[Instruction] = {start}
    work = [start]
    while work:
        instruction = work.pop()
        near = [u for u in instruction.users if u.type == start.type]
        if instruction.opcode in ("phi", "select", "freeze"):
            near += [o for o in instruction.operands if isinstance(o, Instruction) and o.type == start.type]
        for other in near:
            if other not in group:
                group.add(other)
                work.append(other)
    return group


def _only_travels(instruction: Instruction) -> bool:
    floating = _float_of(instruction.type)
    if isinstance(instruction, Load):
        made = instruction.ordering is None
    else:
        made = instruction.opcode in ("phi", "select", "freeze") or (
            instruction.opcode == "bitcast" and instruction.operands[0].type == floating)
    return made and all(
        user.opcode in ("phi", "select", "freeze") or (isinstance(user, Store) and user.value is instruction)
        or (user.opcode == "bitcast" and user.type == floating) for user in instruction.users) and all(
        not isinstance(o, Named) or isinstance(o, Instruction) or o.type != instruction.type
        for o in instruction.operands)


def _retype(group: set[Instruction]) -> None:
    floating = _float_of(next(iter(group)).type)
    assert floating is not None
    for instruction in group:
        if instruction.opcode == "bitcast":
            continue
        old = instruction.type
        instruction.type = floating
        if instruction.opcode in ("phi", "select"):
            for index, operand in enumerate(instruction.operands):
                if operand.type == old and not isinstance(operand, Named):
                    instruction.set_operand(index, _as_float(operand))
    for instruction in group:
        if instruction.opcode == "bitcast":
            instruction.replace_all_uses_with(instruction.operands[0])
            instruction.erase()
            continue
        for user in list(instruction.users):
            if user.opcode == "bitcast" and user.type == floating:
                user.replace_all_uses_with(instruction)
                user.erase()


def _as_float(constant: Value) -> Value:
    """The float with the same bits."""
    type = _float_of(constant.type)
    assert type is not None
    if not isinstance(constant, ConstantInt):
        return ConstantText(type, str(constant))
    if type == DOUBLE:
        return ConstantFloat(type, f"0x{constant.value & (2**64 - 1):016X}")
    value = struct.unpack("<f", struct.pack("<I", constant.value & (2**32 - 1)))[0]
    return ConstantFloat(type, f"0x{int.from_bytes(struct.pack('>d', value), 'big'):016X}")


