"""What a compiled program does while it runs, against what the analyses say of it.

Given   the facts of a call graph that Numba compiled.
Gives   `watched`: the module's text, in which each function reports objects, accesses and loops to `Watch`.
        `Watch.contradictions` collects what happened and cannot happen, according to the analyses:
            two memory nodes reach the same bytes (unless both may lie in what the caller handed over),
            an access lies elsewhere in its object than the node says, a node is written that is never written,
            a loop whose trip count is known goes round more or fewer times.
Unsure  where an object begins (memory from the caller), the offset is not looked at.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from numbad.passes.analysis.loops import Loop
from numbad.passes.analysis.memory import Node
from numbad.passes.analysis.trips import Trip, trip
from numbad.passes.derivative.facts import Facts
from numbad.passes.ir.builder import Builder, i64
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Alloca, Call, Instruction, Load, Store
from numbad.passes.ir.printer import print_module
from numbad.passes.ir.types import I64, PTR, VOID, size_of
from numbad.passes.ir.values import Argument, ConstantInt, Value
from numbad.passes.rules import memory as effects

NOTHING_IS_FREED = """
define void @NRT_incref(ptr %object) { ret void }
define void @NRT_decref(ptr %object) { ret void }
"""
"""So that no address stands for two objects, one after the other."""


class Watch:
    def __init__(self, facts: Facts):
        self.facts = facts
        self.contradictions: set[str] = set()
        self.accesses = self.counted = 0
        self.places: list[tuple[Value, bool]] = []  # pointers, and whether it is a write
        self.objects: list[Instruction] = []
        self.loops: list[Loop] = []
        self._owner: dict[int, tuple[Node, Value]] = {}  # byte -> who reached it first
        self._base: dict[int, int] = {}  # byte -> where its object begins
        self._rounds: dict[int, list[list[int]]] = {}  # loop -> for each time that it is entered: expected, counted
        self.callbacks = {f"watch.{name}": ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * count)(getattr(self, name))
                          for name, count in (("object", 3), ("access", 3), ("enter", 2), ("round", 1), ("test", 2),
                                              ("leave", 1))}

    def start(self) -> None:
        """Before each call: the caller's arrays may lie where others lay."""
        self._owner.clear()
        self._base.clear()
        self._rounds.clear()

    @property
    def symbols(self) -> dict[str, int]:
        return {name: ctypes.cast(f, ctypes.c_void_p).value or 0 for name, f in self.callbacks.items()}

    # --- called by the running program ---

    def object(self, number: int, address: int, bytes: int) -> None:
        """New memory; on the stack it lies where that of a function that has returned lay."""
        for byte in range(address, address + bytes):
            self._owner.pop(byte, None)
            self._base[byte] = address

    def access(self, number: int, address: int, bytes: int) -> None:
        pointer, writes = self.places[number]
        node, offset = self.facts.memory.cell(pointer)
        self.accesses += 1
        if writes and not node.written:
            self.contradictions.add(f"nothing is written at {pointer}")
        base = self._base.get(address)
        if base is not None and offset is not None and address - base != offset and not _is_callers(node):
            self.contradictions.add(f"{pointer} is at {address - base}, not {offset}")
        for byte in range(address, address + bytes):
            owner, first = self._owner.setdefault(byte, (node, pointer))
            if owner is not node and not (_is_callers(owner) and _is_callers(node)):
                self.contradictions.add(f"{first} and {pointer} reach the same memory")

    def enter(self, number: int, trips: int) -> None:
        self._rounds.setdefault(number, []).append([trips, 0])

    def round(self, number: int) -> None:
        self._rounds[number][-1][1] += 1

    def test(self, number: int, leaves: int) -> None:
        expected, counted = self._rounds[number][-1]
        self.counted += 1
        if (counted == expected) != bool(leaves):
            self.contradictions.add(f"{self.loops[number].header} goes round {counted} times, not {expected}")

    def leave(self, number: int) -> None:
        self._rounds[number].pop()


def _is_callers(node: Node) -> bool:
    return any(isinstance(root, Argument) or root == "unknown" for root in node.roots)


def watched(watch: Watch) -> str:
    for function in watch.facts.functions:
        for block in function.blocks:
            for instruction in list(block.instructions):
                _memory(watch, block, instruction)
        _loops(watch, function)
    return print_module(watch.facts.module)


def _report(builder: Builder, what: str, *values: Value) -> None:
    builder.call_symbol(f"watch.{what}", VOID, values)


def _memory(watch: Watch, block: Block, i: Instruction) -> None:
    before = Builder(block, i)
    here = block.instructions.index(i) + 1
    behind = Builder(block, block.instructions[here] if here < len(block.instructions) else None)

    def access(pointer: Value, bytes: Value, writes: bool) -> None:
        watch.places.append((pointer, writes))
        _report(before, "access", i64(len(watch.places) - 1), before.cast("ptrtoint", pointer, I64), bytes)

    def created(pointer: Value, bytes: Value) -> None:
        watch.objects.append(i)
        _report(behind, "object", i64(len(watch.objects) - 1), behind.cast("ptrtoint", pointer, I64), bytes)

    if isinstance(i, Load):
        access(i.pointer, i64(size_of(i.type)), False)
    elif isinstance(i, Store):
        access(i.pointer, i64(size_of(i.value.type)), True)
    elif isinstance(i, Alloca) and not i.operands:
        created(i, i64(size_of(i.allocated)))
    elif isinstance(i, Call):
        match effects.effect_of(i):
            case effects.Copy():
                access(i.arguments[1], before.cast("zext", i.arguments[2], I64), False)
                access(i.arguments[0], before.cast("zext", i.arguments[2], I64), True)
            case effects.Fill():
                access(i.arguments[0], before.cast("zext", i.arguments[2], I64), True)
            case effects.Allocate(size=size, header=header):
                data: Value = i
                if header:
                    created(i, i64(effects.HEADER_BYTES))
                    data = behind.load(PTR, behind.offset(i, effects.HEADER_DATA))
                created(data, behind.cast("zext", i.arguments[size], I64))


def _loops(watch: Watch, function: Function) -> None:
    found = watch.facts.loops[function]
    exits = {(loop, source, target) for source in list(function.blocks) for target in source.successors
             for loop in (found.left(source, target) if source in found.innermost else ())}
    numbers: dict[Loop, int] = {}
    for loop, source, target in sorted(exits, key=lambda e: (found.loops.index(e[0]), e[1].name, e[2].name)):
        law = trip(loop, source, target) if source is loop.latch else None
        if law is not None and loop not in numbers:
            numbers[loop] = len(watch.loops)
            watch.loops.append(loop)
            _rounds(loop, source, target, law, i64(numbers[loop]))
    for target in list(function.blocks):
        at_start = Builder(target)
        at_start.at_start(target)
        for loop in dict.fromkeys(loop for loop, _, to in exits if to is target and loop in numbers):
            _report(at_start, "leave", i64(numbers[loop]))


def _rounds(loop: Loop, source: Block, target: Block, law: Trip, number: ConstantInt) -> None:
    (preheader,) = [block for block in loop.header.predecessors if block not in loop.blocks]
    entering = Builder(preheader, preheader.terminator)
    _report(entering, "enter", number, law.write(entering, {}))
    at_header = Builder(loop.header)
    at_header.at_start(loop.header)
    _report(at_header, "round", number)
    at_latch = Builder(source, source.terminator)
    condition, yes, _ = source.terminator.operands
    leaves = condition if yes is target else at_latch.binary("xor", condition, ConstantInt(condition.type, 1))
    _report(at_latch, "test", number, at_latch.cast("zext", leaves, I64))


def call(address: Callable[..., int], args: tuple, result_bytes: int = 1024) -> tuple[int, bytes]:
    """Call by Numba's convention: the status, and what lies in the place for the result."""
    place, error = ctypes.create_string_buffer(result_bytes), ctypes.c_void_p()
    flat: list[Any] = [ctypes.addressof(place), ctypes.addressof(error)]
    for value in args:
        flat += _leaves(value)
    return address(*flat), place.raw


def parameter_types(args: tuple) -> list[Any]:
    kinds = {float: ctypes.c_double, int: ctypes.c_int64}
    return [ctypes.c_void_p] * 2 + [kinds[type(leaf)] for value in args for leaf in _leaves(value)]


def _leaves(value: Any) -> list[Any]:
    if hasattr(value, "ctypes"):
        return [0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides]
    return [value]
