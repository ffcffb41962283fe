"""The fence: refuses what cannot be differentiated and matters, before anything is written.

Given   Facts.   Gives   nothing, or raises `Refusal` with the instruction, the user's line, the reason, the way out.
Unsure  refuses. What is inactive is let through unexamined.
"""

from __future__ import annotations

from numbad.passes.analysis.memory import Node, holds_float, holds_pointer
from numbad.passes.derivative.adjoint_rules import float_kinds
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.thread_fence import check_threads
from numbad.passes.diagnostics import Refusal, function_location, refuse
from numbad.passes.ir.function import Global, Module
from numbad.passes.ir.instructions import AtomicRMW, Call, Instruction, Load, Store
from numbad.passes.ir.types import FLOAT_BYTES, PointerType, Type
from numbad.passes.ir.values import ConstantInt, InlineAssembly, Value
from numbad.passes.rules import blas
from numbad.passes.rules import memory as effects
from numbad.passes.rules.opcodes import OPCODES, Kind
from numbad.passes.rules.symbols import Elementary, Inactive, Refused, classify

WRITE_RULE = "keep it away from what is differentiated, or write it with functions that have a rule"


def check_types(module: Module, entry: str) -> None:
    """Identified structures are refused before the analyses, which count the bytes of every type."""
    if module.types:
        raise Refusal("unsupported", "objects that refer to others of their own type", "keep the links as indices into "
                      "arrays", locations=function_location(module, module.functions[entry].tail))


def check(facts: Facts) -> None:
    if facts.target.many_threads:
        check_threads(facts)
    for function in facts.functions:
        for block in facts.live[function]:
            for instruction in block.instructions:
                _Examiner(facts, instruction).examine()


class _Examiner:
    def __init__(self, facts: Facts, instruction: Instruction):
        self.facts, self.i = facts, instruction
        self.active, self.shadowed = facts.activity.is_active, facts.activity.is_shadowed

    def examine(self) -> None:
        i = self.i
        if OPCODES[i.opcode].kind is Kind.REFUSED:
            raise self.refusal("unsupported", f"`{i.opcode}`: {OPCODES[i.opcode].reason}")
        if isinstance(i, Call):
            self.call(i)
            return
        if isinstance(i, Load) and self.active(i) and i.type.is_int and self.facts.memory.cell(i.pointer)[1] is None:
            raise self.refusal("unsupported", "an integer that lies among floating-point numbers",
                               "keep integers in an array of their own, and copy records field by field")
        if self.active(i) and i.type.is_int:
            raise self.refusal("unsupported", "integer arithmetic on the bits of a floating-point number",
                               "use floating-point operations")
        if self.active(i):
            self.float_type(i.type)
        if isinstance(i, (Load, Store)):
            self.access(i)
        elif i.opcode == "bitcast" and self.active(i):
            raise self.refusal("unsupported", "a floating-point number that is taken for one of another type",
                               "use a conversion that keeps the value")
        elif isinstance(i, AtomicRMW) and self.shadowed(i.pointer):
            self.atomic(i)

    def atomic(self, i: AtomicRMW) -> None:
        if i.operation not in ("fadd", "fsub") or not self.facts.activity.is_active_memory(i.pointer):
            raise self.refusal("unsupported", f"an atomic operation ({i.operation}) on memory that is differentiated",
                               "only atomic additions and subtractions of floating-point numbers have a derivative")
        if i.users:
            raise self.refusal("unsupported", "an atomic addition whose old value is used",
                               "which value that is depends on the other threads")

    def refusal(self, kind: str, what: str, remedy: str = "") -> Refusal:
        return refuse(kind, what, remedy, self.i)

    def float_type(self, type: Type) -> None:
        scalar = type.scalar
        if type.is_float and str(scalar) not in ("float", "double"):
            raise self.refusal("unsupported", f"numbers of type {scalar} ({FLOAT_BYTES[str(scalar)] * 8} bits)",
                               "use float64 or float32")

    def access(self, i: Load | Store) -> None:
        pointer = i.pointer
        if isinstance(i, Store) and not holds_pointer(i.value.type) and self.facts.has_active_memory:
            self.origin(pointer)
        matters = self.facts.activity.is_active_memory(pointer) or (
            self.shadowed(pointer) and (holds_pointer(i.type) or holds_pointer(i.operands[0].type)))
        if not matters:
            return
        if i.volatile or i.ordering is not None:
            raise self.refusal("unsupported", "a volatile or atomic access to memory that is differentiated")
        value = i.type if isinstance(i, Load) else i.value.type
        if holds_pointer(value) and self.overlaps_float(pointer):
            raise self.refusal("unsupported", "memory that is used for a pointer and for a floating-point number")
        if self.facts.activity.is_active_memory(pointer):
            self.origin(pointer)
            if isinstance(i, Store):
                self.float_type(value)

    def overlaps_float(self, pointer: Value) -> bool:
        offset = self.facts.memory.cell(pointer)[1]
        return offset is not None and any(at is not None for at, _ in self.facts.memory.floats_at(pointer, 8))

    def origin(self, pointer: Value) -> None:
        node = self.facts.memory.node(pointer)
        for root in node.roots:
            if root == "unknown":
                raise self.refusal("unsupported", "memory that is reached through a pointer of unknown origin",
                                   "pass the array as an argument")
            shared = self.facts.target.shared_space
            if isinstance(root, Global) and not root.is_constant and node.written \
                    and (shared is None or root.type != PointerType(shared)):
                raise self.refusal("unsupported", "a global variable that differentiated values are written to")

    # --- calls ---

    def call(self, i: Call) -> None:
        if self.facts.callee(i) is not None:
            if self.active(i):
                self.float_type(i.type)
            return
        matters = self.matters(i)
        effect = effects.effect_of(i)
        if effect is not None:
            self.effect(i, effect)
            return
        product = blas.product_of(i)
        if product is not None:
            if self.facts.activity.is_active_memory(i.arguments[product.result]):
                obstacle = blas.obstacle(i)
                if obstacle is not None:
                    raise self.refusal("unsupported", obstacle, "write the product as loops")
            return
        decision = classify(i)
        match decision:
            case Elementary():
                if self.active(i):
                    self.float_type(i.type)
            case Inactive():
                if self.active(i):
                    raise self.refusal("unsupported", "integer arithmetic on the bits of a floating-point number",
                                       "use floating-point operations")
            case Refused(reason=reason, always=always):
                if matters or always:
                    raise self.refusal("no derivative", f"the derivative of `{i.callee_name}`: {reason}", WRITE_RULE)
            case _:
                if matters or self.facts.target.many_threads:  # it may be a meeting of threads that must be mirrored
                    name = f"`{i.callee_name}`" if i.callee_name else "inline assembly" \
                        if isinstance(i.callee, InlineAssembly) else "a function called through a pointer"
                    raise self.refusal("no derivative", f"the derivative of {name}, and there is no rule for it",
                                       WRITE_RULE)

    def matters(self, i: Call) -> bool:
        """The call's result, or the memory that it can reach, carries derivatives."""
        if self.active(i) or self.shadowed(i):
            return True
        pointers = [a for a in i.arguments if holds_pointer(a.type)]
        return any(self.shadowed(p) for p in pointers) or any(
            self.active(a) for a in i.arguments if holds_float(a.type) and (self.active(i) or pointers) and
            any(self.facts.activity.is_active_memory(p) for p in pointers))

    def effect(self, i: Call, effect: effects.Effect) -> None:
        match effect:
            case effects.Allocate(resizable=True) | effects.Resize() if self.shadowed(i):
                raise self.refusal("unsupported", "memory that changes its size")
            case effects.Copy() if self.facts.activity.is_active_memory(i.arguments[0]):
                self.origin(i.arguments[0])
                self.copy(i)
            case _:
                return

    def copy(self, i: Call) -> None:
        node: Node = self.facts.memory.node(i.arguments[0])
        if node.fields:
            places = [offset for offset, t in node.accesses if t.is_float]
            if None in places or None in node.fields or not isinstance(i.arguments[2], ConstantInt) or \
                    None in (self.facts.memory.cell(i.arguments[0])[1], self.facts.memory.cell(i.arguments[1])[1]):
                raise self.refusal("unsupported", "a copy of memory that mixes numbers and pointers")
            return
        kinds = float_kinds(self.facts, i.arguments[0]) | float_kinds(self.facts, i.arguments[1])
        if len(kinds) != 1:
            what = "memory whose type is not known" if not kinds else "memory that holds numbers of different types"
            raise self.refusal("unsupported", f"a copy of {what}", "copy element by element")


