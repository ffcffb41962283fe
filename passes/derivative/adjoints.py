"""Adjoints of values: one place on the stack for each active value, which LLVM turns into registers. Numbers that only
their own block uses, which are most, need none: the reverse of that block adds up all of their adjoint.

At the value's definition the reverse sweep *takes* the adjoint (reads it and puts zero back, so that nothing is counted
twice in a loop) and *adds* its contributions to the operands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from numbad.passes.analysis.memory import path_offset
from numbad.passes.ir.builder import Builder, type_at
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Alloca, Instruction, Phi, Store
from numbad.passes.ir.types import ArrayType, StructType, Type, align_of
from numbad.passes.ir.values import Value, is_zero, zero


class Stack:
    """Places on the stack of a function, zero when it starts. `close` puts them at the head of its entry block."""

    def __init__(self, function: Function):
        self.function = function
        self._head: list[Instruction] = []

    def place(self, type: Type, name: str, clear: bool = True) -> Value:
        place = Alloca(type, name=name, align=max(8, align_of(type)))
        self._head.append(place)
        if clear:
            self._head.append(Store(zero(type), place))
        return place

    def add(self, instruction: Instruction) -> None:
        """Run an instruction behind the places made so far, before everything else."""
        self._head.append(instruction)

    def close(self) -> None:
        for instruction in self._head:
            instruction.block = self.function.entry
        self.function.entry.instructions[:0] = self._head


class Adjoints:
    def __init__(self, builder: Builder, stack: Stack, is_active: Callable[[Value], bool]):
        self.builder, self.stack, self.is_active = builder, stack, is_active
        self._places: dict[Value, Value] = {}
        self._local: dict[Value, bool] = {}
        self._sums: dict[Value, Value] = {}  # of numbers without a place, until they are taken

    def _is_local(self, value: Value) -> bool:
        """No other block contributes to the adjoint."""
        if value not in self._local:
            self._local[value] = isinstance(value, Instruction) and value.type.is_float \
                and all(user.block is value.block and not isinstance(user, Phi) for user in value.users)
        return self._local[value]

    def place(self, value: Value) -> Value:
        if value not in self._places:
            name = getattr(value, "name", "value")
            self._places[value] = self.stack.place(value.type, f"{name}.bar")
        return self._places[value]

    def take(self, value: Value) -> Value:
        """The adjoint of a value at its definition; it is zero afterwards."""
        if self._is_local(value):
            return self._sums.pop(value, zero(value.type))
        adjoint = self.builder.load(value.type, self.place(value))
        self.builder.store(zero(value.type), self.place(value))
        return adjoint

    def add(self, value: Value, contribution: Value) -> None:
        """Add to the adjoint of a value; nothing happens for inactive values and zeros."""
        if not self.is_active(value) or is_zero(contribution):
            return
        if not self._is_local(value):
            self._accumulate(value.type, self.place(value), contribution)
        elif value in self._sums:
            self._sums[value] = self._sum(self._sums[value], contribution)
        else:
            self._sums[value] = contribution

    def add_at(self, aggregate: Value, indices: Sequence[int], contribution: Value) -> None:
        """Add to the adjoint of one element of an aggregate."""
        if not self.is_active(aggregate) or is_zero(contribution):
            return
        place = self.builder.offset(self.place(aggregate), path_offset(aggregate.type, indices))
        self._accumulate(type_at(aggregate.type, indices), place, contribution)

    # The first contribution meets a zero, which `nsz` lets LLVM drop: no adjoint depends on the sign of a zero.
    def _sum(self, before: Value, contribution: Value) -> Value:
        return self.builder.binary("fadd", before, contribution, flags=("nsz",))

    def _accumulate(self, type: Type, place: Value, contribution: Value) -> None:
        if type.is_float:
            self.builder.store(self._sum(self.builder.load(type, place), contribution), place)
            return
        for path in float_paths(type):
            part = self.builder.extract(contribution, path)
            self._accumulate(type_at(type, path), self.builder.offset(place, path_offset(type, path)), part)


def float_paths(type: Type, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """The ways to the floats in an aggregate."""
    if isinstance(type, StructType):
        for index, element in enumerate(type.elements):
            yield from float_paths(element, (*path, index))
    elif isinstance(type, ArrayType):
        for index in range(type.count):
            yield from float_paths(type.element, (*path, index))
    elif type.is_float:
        yield path


