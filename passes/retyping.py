"""Integers that only carry a float from place to place are floats again.

LLVM copies eight bytes as an integer, and takes a number for an integer where copies of both kinds meet:

    %x = load i64, ptr %p                          %x = load double, ptr %p
    %b = bitcast double %y to i64          ->
    %z = phi i64 [ %x, %one ], [ %b, %other ]      %z = phi double [ %x, %one ], [ %y, %other ]
    store i64 %z, ptr %q                           store double %z, ptr %q

Given   functions, and the memory that they reach.   Gives   the same functions, changed in place.
Unsure  an integer that may be computed with stays an integer; `activity` then decides whether it matters.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from numbad.passes.analysis.activity import HANDED_ON
from numbad.passes.analysis.memory import Memory
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Instruction, Load, Store
from numbad.passes.ir.types import DOUBLE, FLOAT, IntType, Type, VectorType, size_of
from numbad.passes.ir.values import ConstantAggregate, ConstantFloat, ConstantInt, ConstantText, Value


def retype_copies(functions: Iterable[Function], memory: Memory) -> None:
    for function in functions:
        seen: set[Instruction] = set()
        for instruction in list(function.instructions):
            if instruction in seen or instruction.block is None:
                continue
            if _float_of(instruction.type) is not None and (isinstance(instruction, Load) or _is_bits(instruction)):
                group = _travellers(instruction)
                seen |= group
                if all(map(_only_travels, group)) and any(_carries_float(memory, i) for i in group):
                    _retype(group)


def _float_of(type: Type) -> Type | None:
    """The float, or vector of floats, of the same shape as an integer type."""
    scalar = {IntType(64): DOUBLE, IntType(32): FLOAT}.get(type.scalar)  # type: ignore[call-overload]
    if scalar is None or not isinstance(type, VectorType):
        return scalar
    return VectorType(type.count, scalar, type.scalable)


def _is_bits(i: Instruction) -> bool:
    return i.opcode == "bitcast" and i.operands[0].type == _float_of(i.type)


def _moved(i: Instruction) -> list[Value]:
    return i.operands[HANDED_ON[i.opcode]] if i.opcode in HANDED_ON else []


def _travellers(start: Instruction) -> set[Instruction]:
    """All instructions that hand on the same integers as `start`."""
    group: set[Instruction] = {start}
    work = [start]
    while work:
        instruction = work.pop()
        near = [u for u in instruction.users if instruction in _moved(u)]
        near += [o for o in _moved(instruction) if isinstance(o, Instruction)]
        for other in near:
            if other not in group:
                group.add(other)
                work.append(other)
    return group


def _only_travels(i: Instruction) -> bool:
    if isinstance(i, Load):
        made = i.ordering is None
    else:
        made = i.opcode in HANDED_ON or _is_bits(i)
    return made and all(isinstance(o, Instruction) or _as_float(o) is not None for o in _moved(i)) and all(
        (i in _moved(u) and i not in _rest(u)) or (isinstance(u, Store) and u.value is i and u.pointer is not i)
        or _is_number(u) for u in i.users)


def _rest(i: Instruction) -> list[Value]:
    """The operands that are not moved: conditions and indices."""
    return [o for k, o in enumerate(i.operands) if k not in range(*HANDED_ON[i.opcode].indices(len(i.operands)))]


def _is_number(i: Instruction) -> bool:
    return i.opcode == "bitcast" and _float_of(i.operands[0].type) == i.type


def _carries_float(memory: Memory, i: Instruction) -> bool:
    """What travels is a float: it comes from one, becomes one, or lies where floats lie."""
    if _is_bits(i) or any(map(_is_number, i.users)):
        return True
    places = [i.pointer] if isinstance(i, Load) else []
    places += [u.pointer for u in i.users if isinstance(u, Store)]
    return any(_float_lives_at(memory, p, i.type) for p in places)


def _float_lives_at(memory: Memory, pointer: Value, type: Type) -> bool:
    """The bytes behind the pointer are also accessed as floats of that size, and as no others."""
    node, offset = memory.cell(pointer)
    found = memory.floats_at(pointer, size_of(type))
    size = size_of(type.scalar)
    return "tape" not in node.roots and bool(found) and all(
        t.scalar == _float_of(type).scalar and (offset is None or at is None or (offset - at) % size == 0)  # type: ignore[union-attr]
        for at, t in found)


def _retype(group: set[Instruction]) -> None:
    for i in group:
        for k in range(len(i.operands))[HANDED_ON.get(i.opcode, slice(0))]:
            if not isinstance(i.operands[k], Instruction):
                i.set_operand(k, _as_float(i.operands[k]))  # type: ignore[arg-type]
    for i in group:
        if i.opcode != "bitcast":
            i.type = _float_of(i.type)  # type: ignore[assignment]
    for i in group:
        numbers = [u for u in i.users if _is_number_of(u, i)]
        value = i.operands[0] if i.opcode == "bitcast" else i
        for number in numbers:
            number.replace_all_uses_with(value)
            number.erase()
    for i in group:
        if i.opcode == "bitcast":
            i.replace_all_uses_with(i.operands[0])
            i.erase()


def _is_number_of(user: Instruction, i: Instruction) -> bool:
    return user.opcode == "bitcast" and user.operands[0] is i


def _as_float(constant: Value) -> Value | None:
    """The float with the same bits; None if it isn't known now (the address of a global)."""
    type = _float_of(constant.type)
    match constant:
        case ConstantInt() if type == DOUBLE:
            return ConstantFloat(DOUBLE, f"0x{constant.value & (2**64 - 1):016X}")
        case ConstantInt():
            value = struct.unpack("<f", struct.pack("<I", constant.value & (2**32 - 1)))[0]
            return ConstantFloat(FLOAT, f"0x{int.from_bytes(struct.pack('>d', value), 'big'):016X}")
        case ConstantAggregate():
            elements = tuple(map(_as_float, constant.elements))
            return None if None in elements else ConstantAggregate(type, elements, constant.splat)  # type: ignore[arg-type]
        case ConstantText() if constant.text in ("undef", "poison", "zeroinitializer"):
            return ConstantText(type, constant.text)  # type: ignore[arg-type]
    return None
