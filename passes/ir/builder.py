"""Writes instructions at a point of a block, and lets formulas be written with operators.

`Builder` appends to its block (or inserts before an instruction) and folds what is trivially constant: x + 0,
x * 1, x * 0 of an integer, gep by nothing. Floating-point folds are only those exact for every operand
including -0.0, infinities and nan, unless the operand is a *symbolic* zero, which the writers keep apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from numbad.passes.ir.function import Block, Function, Module
from numbad.passes.ir.instructions import (
    Alloca,
    AtomicRMW,
    Branch,
    Call,
    Compare,
    ExtractValue,
    GetElementPtr,
    InsertValue,
    Instruction,
    Load,
    Phi,
    Store,
    Switch,
)
from numbad.passes.ir.types import (
    I1,
    I8,
    I32,
    I64,
    VOID,
    FunctionType,
    StructType,
    Type,
    VectorType,
    field_offset,
    size_of,
)
from numbad.passes.ir.values import Constant, ConstantAggregate, ConstantInt, Value, integer, poison, zero


class Builder:
    """An insertion point. `location` is the debug metadata put on everything written (None: none)."""

    def __init__(self, block: Block, before: Instruction | None = None):
        self.block = block
        self.before = before
        self.location: str | None = None

    # --- the point ---

    def at_end(self, block: Block) -> None:
        self.block, self.before = block, None

    def at_start(self, block: Block) -> None:
        """Before the first instruction that is no phi."""
        self.block = block
        self.before = next((i for i in block.instructions if not isinstance(i, Phi)), None)

    def insert(self, instruction: Instruction) -> Instruction:
        if self.location is not None and "dbg" not in instruction.metadata:
            instruction.metadata["dbg"] = self.location
        if self.before is None:
            self.block.append(instruction)
        else:
            self.block.insert(self.block.instructions.index(self.before), instruction)
        return instruction

    @property
    def function(self) -> Function:
        assert self.block.function is not None
        return self.block.function

    @property
    def module(self) -> Module:
        assert self.function.module is not None
        return self.function.module

    # --- operations ---

    def binary(self, opcode: str, left: Value, right: Value, name: str = "", flags: Sequence[str] = ()) -> Value:
        folded = _fold(opcode, left, right)
        if folded is not None:
            return folded
        return self.insert(Instruction(opcode, left.type, [left, right], name, flags))

    def unary(self, opcode: str, value: Value, name: str = "", flags: Sequence[str] = ()) -> Value:
        return self.insert(Instruction(opcode, value.type, [value], name, flags))

    def cast(self, opcode: str, value: Value, type: Type, name: str = "") -> Value:
        if value.type == type:
            return value
        return self.insert(Instruction(opcode, type, [value], name))

    def compare(self, opcode: str, predicate: str, left: Value, right: Value, name: str = "") -> Value:
        return self.insert(Compare(opcode, predicate, left, right, name))

    def select(self, condition: Value, yes: Value, no: Value, name: str = "") -> Value:
        return self.insert(Instruction("select", yes.type, [condition, yes, no], name))

    def phi(self, type: Type, incoming: Iterable[tuple[Value, Block]] = (), name: str = "") -> Phi:
        """A phi at the head of the block, behind the phis that are there."""
        phi = Phi(type, incoming, name)
        self.block.insert(len(self.block.phis), phi)
        return phi

    # --- memory ---

    def alloca(self, type: Type, name: str = "", count: Value | None = None, align: int = 0) -> Value:
        return self.insert(Alloca(type, count, name, align))

    def load(self, type: Type, pointer: Value, name: str = "", align: int = 0) -> Instruction:
        return self.insert(Load(type, pointer, name, align))

    def store(self, value: Value, pointer: Value, align: int = 0) -> Instruction:
        return self.insert(Store(value, pointer, align))

    def atomic_add(self, value: Value, pointer: Value) -> Instruction:
        """Add to memory that other threads of the device may add to at the same time; no other order is wanted."""
        return self.insert(AtomicRMW("fadd", pointer, value, "monotonic", align=size_of(value.type),
                                     syncscope='syncscope("device")'))

    def offset(self, pointer: Value, bytes: int | Value, name: str = "") -> Value:
        """The pointer that many bytes on."""
        if isinstance(bytes, int):
            bytes = integer(I64, bytes)
        if isinstance(bytes, ConstantInt) and bytes.value == 0:
            return pointer
        return self.insert(GetElementPtr(I8, pointer, [bytes], name))

    def element(self, type: Type, pointer: Value, index: Value, name: str = "") -> Value:
        """The address of element `index` of an array of `type` at `pointer`."""
        if isinstance(index, ConstantInt) and index.value == 0:
            return pointer
        return self.insert(GetElementPtr(type, pointer, [index], name))

    def field(self, type: StructType, pointer: Value, index: int, name: str = "") -> Value:
        """The address of a field of a structure at `pointer`."""
        return self.offset(pointer, field_offset(type, index), name)

    # --- aggregates ---

    def extract(self, aggregate: Value, indices: Sequence[int], name: str = "") -> Value:
        return self.insert(ExtractValue(type_at(aggregate.type, indices), aggregate, indices, name))

    def splat(self, value: Value, count: int) -> Value:
        """A vector with the same number in all lanes."""
        type = VectorType(count, value.type)
        if isinstance(value, Constant):
            return ConstantAggregate(type, (value,), splat=True)
        return self.vector([value] * count)

    def vector(self, lanes: Sequence[Value]) -> Value:
        """The vector of these numbers."""
        type = VectorType(len(lanes), lanes[0].type)
        result: Value = poison(type)
        if all(lane is lanes[0] for lane in lanes):
            first = self.insert(Instruction("insertelement", type, [result, lanes[0], i32(0)]))
            return self.insert(Instruction("shufflevector", type, [first, result, zero(VectorType(len(lanes), I32))]))
        for position, lane in enumerate(lanes):
            result = self.insert(Instruction("insertelement", type, [result, lane, i32(position)]))
        return result

    def lanes(self, vector: Value) -> list[Value]:
        """The numbers in a vector."""
        assert isinstance(vector.type, VectorType)
        return [self.insert(Instruction("extractelement", vector.type.element, [vector, i32(position)]))
                for position in range(vector.type.count)]

    def insert_value(self, aggregate: Value, element: Value, indices: Sequence[int], name: str = "") -> Value:
        return self.insert(InsertValue(aggregate, element, indices, name))

    # --- calls and control ---

    def call(self, callee: Function, arguments: Iterable[Value], name: str = "") -> Instruction:
        return self.insert(Call(callee.signature, callee, arguments, name))

    def call_symbol(self, symbol: str, result: Type, arguments: Iterable[Value], name: str = "",
                    attributes: str = "") -> Instruction:
        """Call a function by name, declaring it if need be."""
        arguments = list(arguments)
        signature = FunctionType(result, tuple(a.type for a in arguments))
        return self.call(self.module.declare(symbol, signature, attributes), arguments, name)

    def branch(self, target: Block) -> Instruction:
        return self.insert(Branch(target))

    def branch_if(self, condition: Value, yes: Block, no: Block) -> Instruction:
        return self.insert(Branch(condition, yes, no))

    def switch(self, value: Value, default: Block, cases: Iterable[tuple[Value, Block]]) -> Instruction:
        return self.insert(Switch(value, default, cases))

    def ret(self, value: Value | None = None) -> Instruction:
        return self.insert(Instruction("ret", VOID, [] if value is None else [value]))

    def unreachable(self) -> Instruction:
        return self.insert(Instruction("unreachable", VOID))


def type_at(type: Type, indices: Sequence[int]) -> Type:
    """The type found in an aggregate behind a path of indices."""
    for index in indices:
        type = type.elements[index] if isinstance(type, StructType) else type.element  # type: ignore[attr-defined]
    return type


def _fold(opcode: str, left: Value, right: Value) -> Value | None:
    """Integer identities only: exact, and they keep generated index arithmetic readable."""
    if isinstance(left.type, VectorType) or not isinstance(right, ConstantInt):
        return None
    if isinstance(left, ConstantInt) and opcode in ("add", "sub", "mul"):
        value = {"add": left.value + right.value, "sub": left.value - right.value,
                 "mul": left.value * right.value}[opcode]
        return integer(left.type, value)
    if right.value == 0 and opcode in ("add", "sub", "or", "xor", "shl"):
        return left
    if right.value == 1 and opcode == "mul":
        return left
    return None


def constant_bool(value: bool) -> ConstantInt:
    return ConstantInt(I1, int(value))


def i32(value: int) -> ConstantInt:
    return integer(I32, value)


def i64(value: int) -> ConstantInt:
    return integer(I64, value)
