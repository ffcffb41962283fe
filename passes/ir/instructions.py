"""Instructions. One class a shape; the opcode is LLVM's word.

To add an opcode: put it into the set of its shape below (or give it a class); give it a shape in `spelling.SHAPES`, a
reader in `instruction_parser.READERS`, a printer in `printer` and a rule in `type_rules` if its class is new; and
decide it in `rules` (a test compares the decided opcodes with `OPCODES`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from numbad.passes.ir.types import I1, LABEL, PTR, VOID, FunctionType, Type, VectorType
from numbad.passes.ir.values import Named, Value

if TYPE_CHECKING:
    from numbad.passes.ir.function import Block, Function

BINARY = frozenset(
    "add sub mul udiv sdiv urem srem shl lshr ashr and or xor fadd fsub fmul fdiv frem".split())
UNARY = frozenset(["fneg", "freeze"])
CASTS = frozenset(
    "trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp ptrtoint inttoptr bitcast addrspacecast".split())
VECTOR = frozenset(["extractelement", "insertelement", "shufflevector"])
TERMINATORS = frozenset(
    "ret br switch indirectbr invoke callbr resume unreachable cleanupret catchret catchswitch".split())
OPCODES = frozenset(BINARY | UNARY | CASTS | VECTOR | TERMINATORS | frozenset(
    """icmp fcmp phi select call load store alloca getelementptr extractvalue insertvalue atomicrmw cmpxchg fence
    va_arg landingpad cleanuppad catchpad""".split()))


class Instruction(Named):
    """An operation with operands. A value too, of type `void` when it has no result.

    operands   values, blocks (for terminators and phis) and, last, the callee (for calls)
    flags      words behind the opcode: nuw nsw exact inbounds disjoint nneg samesign, fast-math flags
    metadata   kind -> text, {"dbg": "!12"}
    block      the block that holds it, or None
    debug_records   texts of the `#dbg_value(...)` lines in front of it, as read; they don't follow renamed values
    """

    debug_records: tuple[str, ...] = ()

    def __init__(self, opcode: str, type: Type, operands: Iterable[Value] = (), name: str = "",
                 flags: Sequence[str] = ()):
        super().__init__(type, name)
        self.opcode = opcode
        self.operands: list[Value] = list(operands)
        self.flags = tuple(flags)
        self.metadata: dict[str, str] = {}
        self.block: Block | None = None
        for operand in self.operands:
            if isinstance(operand, Named):
                operand.users.append(self)

    # --- operands ---

    def set_operand(self, index: int, value: Value) -> None:
        old = self.operands[index]
        if isinstance(old, Named):
            old.users.remove(self)
        self.operands[index] = value
        if isinstance(value, Named):
            value.users.append(self)

    def replace(self, old: Value, new: Value) -> None:
        """Every operand that is `old` becomes `new`."""
        for index, operand in enumerate(self.operands):
            if operand is old:
                self.set_operand(index, new)

    def drop_operands(self) -> None:
        """Forget all operands: the instruction is about to be thrown away."""
        for operand in self.operands:
            if isinstance(operand, Named):
                operand.users.remove(self)
        self.operands = []

    # --- place ---

    def detach(self) -> None:
        """Take it out of its block; operands stay."""
        assert self.block is not None
        self.block.instructions.remove(self)
        self.block = None

    def erase(self) -> None:
        """Take it out and drop its operands. It must have no users left."""
        if self.users:
            raise ValueError(f"{self} is still used by {self.users[0]!r}")
        self.detach()
        self.drop_operands()

    def copy(self) -> Instruction:
        """The same operation on the same operands, in no block; metadata and flags are carried over."""
        twin = self.with_operands(self.operands)
        twin.metadata = dict(self.metadata)
        return twin

    def with_operands(self, operands: Iterable[Value]) -> Instruction:
        """The same operation on other operands, in no block and without metadata; flags are carried over."""
        twin = copy.copy(self)
        twin.users, twin.block, twin.metadata, twin.debug_records = [], None, {}, ()
        twin.operands = list(operands)
        for operand in twin.operands:
            if isinstance(operand, Named):
                operand.users.append(twin)
        return twin

    @property
    def function(self) -> Function:
        assert self.block is not None and self.block.function is not None
        return self.block.function

    @property
    def is_terminator(self) -> bool:
        return self.opcode in TERMINATORS

    @property
    def successors(self) -> list[Block]:
        """The blocks that a terminator may go to, in operand order, repeated where it names one twice."""
        if not self.is_terminator:
            return []
        return [o for o in self.operands if o.type == LABEL]  # type: ignore[misc]


class Compare(Instruction):
    """icmp, fcmp."""

    def __init__(self, opcode: str, predicate: str, left: Value, right: Value, name: str = "",
                 flags: Sequence[str] = ()):
        kind = left.type
        result = VectorType(kind.count, I1, kind.scalable) if isinstance(kind, VectorType) else I1
        super().__init__(opcode, result, [left, right], name, flags)
        self.predicate = predicate


class Phi(Instruction):
    """Operands alternate: value, block, value, block ..."""

    def __init__(self, type: Type, incoming: Iterable[tuple[Value, Block]] = (), name: str = "",
                 flags: Sequence[str] = ()):
        super().__init__("phi", type, [x for pair in incoming for x in pair], name, flags)

    @property
    def incoming(self) -> list[tuple[Value, Block]]:
        return list(zip(self.operands[0::2], self.operands[1::2], strict=True))  # type: ignore[arg-type]

    def add_incoming(self, value: Value, block: Block) -> None:
        for operand in (value, block):
            self.operands.append(operand)
            if isinstance(operand, Named):
                operand.users.append(self)

    def incoming_from(self, block: Block) -> Value:
        """The value that comes in along the edge from `block`."""
        for value, source in self.incoming:
            if source is block:
                return value
        raise KeyError(f"{self} has no value for {block}")

    def remove_incoming(self, block: Block) -> None:
        """Forget all entries for `block`."""
        kept = [(v, b) for v, b in self.incoming if b is not block]
        self.drop_operands()
        for value, source in kept:
            self.add_incoming(value, source)


class Load(Instruction):
    """`ordering` is None for plain loads; `extra` keeps syncscope text."""

    def __init__(self, type: Type, pointer: Value, name: str = "", align: int = 0, volatile: bool = False,
                 ordering: str | None = None, syncscope: str = ""):
        super().__init__("load", type, [pointer], name)
        self.align, self.volatile, self.ordering, self.syncscope = align, volatile, ordering, syncscope

    @property
    def pointer(self) -> Value:
        return self.operands[0]


class Store(Instruction):
    """Operands: value, pointer."""

    def __init__(self, value: Value, pointer: Value, align: int = 0, volatile: bool = False,
                 ordering: str | None = None, syncscope: str = ""):
        super().__init__("store", VOID, [value, pointer])
        self.align, self.volatile, self.ordering, self.syncscope = align, volatile, ordering, syncscope

    @property
    def value(self) -> Value:
        return self.operands[0]

    @property
    def pointer(self) -> Value:
        return self.operands[1]


class Alloca(Instruction):
    """`operands` is empty or holds the number of elements."""

    def __init__(self, allocated: Type, count: Value | None = None, name: str = "", align: int = 0,
                 type: Type = PTR, inalloca: str = ""):
        super().__init__("alloca", type, [count] if count is not None else [], name)
        self.allocated, self.align, self.inalloca = allocated, align, inalloca


class GetElementPtr(Instruction):
    """Operands: the base, then the indices, stepping through `source`."""

    def __init__(self, source: Type, base: Value, indices: Iterable[Value], name: str = "",
                 flags: Sequence[str] = (), type: Type | None = None):
        operands = [base, *indices]
        if type is None:
            vector = next((o.type for o in operands if isinstance(o.type, VectorType)), None)
            scalar = base.type.scalar
            type = VectorType(vector.count, scalar, vector.scalable) if vector else scalar
        super().__init__("getelementptr", type, operands, name, flags)
        self.source = source

    @property
    def base(self) -> Value:
        return self.operands[0]

    @property
    def indices(self) -> list[Value]:
        return self.operands[1:]


class ExtractValue(Instruction):
    def __init__(self, type: Type, aggregate: Value, indices: Iterable[int], name: str = ""):
        super().__init__("extractvalue", type, [aggregate], name)
        self.indices = tuple(indices)


class InsertValue(Instruction):
    """Operands: aggregate, element."""

    def __init__(self, aggregate: Value, element: Value, indices: Iterable[int], name: str = ""):
        super().__init__("insertvalue", aggregate.type, [aggregate, element], name)
        self.indices = tuple(indices)


class AtomicRMW(Instruction):
    """Operands: pointer, value."""

    def __init__(self, operation: str, pointer: Value, value: Value, ordering: str, name: str = "",
                 align: int = 0, volatile: bool = False, syncscope: str = ""):
        super().__init__("atomicrmw", value.type, [pointer, value], name)
        self.operation, self.ordering, self.align = operation, ordering, align
        self.volatile, self.syncscope = volatile, syncscope

    @property
    def pointer(self) -> Value:
        return self.operands[0]

    @property
    def value(self) -> Value:
        return self.operands[1]


class CompareExchange(Instruction):
    """cmpxchg. Operands: pointer, expected, replacement; `text` is all behind them (orderings, align)."""

    def __init__(self, type: Type, operands: Iterable[Value], text: str, name: str = "",
                 flags: Sequence[str] = ()):
        super().__init__("cmpxchg", type, operands, name, flags)
        self.text = text


class Call(Instruction):
    """Operands: the arguments, what the operand bundles name, then the callee.

    signature             the callee's function type
    tail                  "", "tail", "musttail" or "notail"
    convention            calling convention text, "" for C
    result_attributes, argument_attributes (one text an argument), attributes (behind the list: `#3`, `nounwind`)
    bundles               operand bundles, as text with `{0}` ... for the `bundled` operands that they name
    """

    def __init__(self, signature: FunctionType, callee: Value, arguments: Iterable[Value], name: str = "",
                 flags: Sequence[str] = (), tail: str = "", convention: str = "", result_attributes: str = "",
                 argument_attributes: Sequence[str] = (), attributes: str = "", bundles: str = "",
                 bundle_operands: Sequence[Value] = ()):
        arguments = list(arguments)
        super().__init__("call", signature.result, [*arguments, *bundle_operands, callee], name, flags)
        self.bundled = len(bundle_operands)
        self.signature, self.tail, self.convention = signature, tail, convention
        self.result_attributes, self.attributes, self.bundles = result_attributes, attributes, bundles
        self.argument_attributes = tuple(argument_attributes) or ("",) * len(arguments)

    @property
    def callee(self) -> Value:
        return self.operands[-1]

    @property
    def arguments(self) -> list[Value]:
        return self.operands[:-1 - self.bundled]

    @property
    def bundle_operands(self) -> list[Value]:
        return self.operands[-1 - self.bundled:-1]

    @property
    def callee_name(self) -> str | None:
        """The symbol of a direct call, None for an indirect one."""
        from numbad.passes.ir.function import Function

        return self.callee.name if isinstance(self.callee, Function) else None


class Branch(Instruction):
    """br. Operands: the target, or the condition and the two targets (taken when true, when false)."""

    def __init__(self, *operands: Value):
        super().__init__("br", VOID, operands)

    @property
    def is_conditional(self) -> bool:
        return len(self.operands) == 3


class Switch(Instruction):
    """Operands: value, default block, then case value, block, case value, block ..."""

    def __init__(self, value: Value, default: Block, cases: Iterable[tuple[Value, Block]] = ()):
        super().__init__("switch", VOID, [value, default, *(x for pair in cases for x in pair)])

    @property
    def cases(self) -> list[tuple[Value, Block]]:
        return list(zip(self.operands[2::2], self.operands[3::2], strict=True))  # type: ignore[arg-type]


class Other(Instruction):
    """A shape that the engine only carries along (invoke, landingpad, fence, va_arg ...).

    `text` is the instruction as printed, with `{0}`, `{1}` ... for the operands' spellings.
    """

    def __init__(self, opcode: str, type: Type, operands: Iterable[Value], text: str, name: str = ""):
        super().__init__(opcode, type, operands, name)
        self.text = text
