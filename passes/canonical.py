"""Brings a parsed function into the form that the analyses and the writers expect.

1  One return block for each outcome. Functions in Numba's convention return a status code; after LLVM's clean-up
   good and bad exits share one block and one phi:

       ret:  %s = phi i32 [ 0, %done ], [ 1, %error ]       done':  ret i32 0
             ret i32 %s                               ->    error': ret i32 1

   A status known only at run time is tested first, so that each return is either normal or an exception.
2  Structures are loaded and stored element by element.
3  An address that is computed as an integer from one pointer is an offset of this pointer, also where ways meet:

       %a = ptrtoint ptr %p to i64                %d = sub i64 %b, %a
       %b = add i64 %a, %x                  ->    %q = getelementptr i8, ptr %p, i64 %d
       %q = inttoptr i64 %b to ptr

4  Hints for the optimiser that do not hold for derivatives are gone (lifetimes, assumes, debug records).

Given   functions as LLVM prepared them.   Gives   the same functions, changed in place.
Unsure  does not happen: every function can be brought into this form.
"""

from __future__ import annotations

from collections.abc import Iterator

from numbad.passes.analysis.memory import path_offset
from numbad.passes.analysis.outcomes import NORMAL, returns_status
from numbad.passes.ir.builder import Builder, type_at
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Call, Instruction, Load, Phi, Store
from numbad.passes.ir.types import (
    I32,
    ArrayType,
    StructType,
    Type,
)
from numbad.passes.ir.values import ConstantExpression, ConstantInt, ConstantText, Value, integer, undefined
from numbad.passes.rules import memory as effects


def canonicalise(function: Function) -> None:
    drop_hints(function)
    remove_unreachable(function)
    split_aggregates(function)
    give_bases(function)
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


def give_bases(function: Function) -> None:
    """Addresses that are computed as integers become offsets of the pointer that they began with."""
    for instruction in [i for i in function.instructions if i.opcode == "inttoptr"]:
        address = instruction.operands[0]
        bases = _pointers(address)
        pointers = {base.operands[0] if isinstance(base, Instruction) else base for base in bases}
        if len(pointers) != 1 or not instruction.type.is_pointer or _multiple(address, {}) != 1:
            continue  # a difference of pointers leads from one object to another
        assert instruction.block is not None
        builder = Builder(instruction.block, instruction)
        builder.location = instruction.metadata.get("dbg")
        pointer, = pointers
        if pointer.type != instruction.type:
            continue
        base = next(iter(bases)) if len(bases) == 1 else builder.cast("ptrtoint", pointer, address.type)
        place = builder.offset(pointer, builder.binary("sub", address, base), instruction.name)
        instruction.replace_all_uses_with(place)
        instruction.erase()


def _multiple(value: Value, assumed: dict[Value, int]) -> int | None:
    """How many times a sum of integers has the only pointer in it that it is computed from; None if that depends."""
    if not isinstance(value, Instruction) or not _pointers(value):
        return 0
    if value.opcode == "ptrtoint":
        return 1
    if value in assumed:
        return assumed[value]
    if value.opcode in ("add", "sub"):
        left, right = (_multiple(operand, assumed) for operand in value.operands)
        if left is None or right is None:
            return None
        return left + right if value.opcode == "add" else left - right
    if value.opcode in ("phi", "select"):
        assumed[value] = 1
        ways = [way for way, _ in value.incoming] if isinstance(value, Phi) else value.operands[1:]
        return 1 if all(_multiple(way, assumed) == 1 for way in ways) else None
    return None


def _pointers(address: Value) -> set[Value]:
    """All pointers that an integer is computed from."""
    found: set[Value] = set()
    work, seen = [address], {address}
    while work:
        value = work.pop()
        if isinstance(value, ConstantExpression):
            found.add(value)  # may be one
        if not isinstance(value, Instruction) or isinstance(value, (Load, Call)):
            continue
        if value.opcode == "ptrtoint":
            found.add(value)
            continue
        for operand in value.operands:
            if operand not in seen:
                seen.add(operand)
                work.append(operand)
    return found


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
