"""The adjoint of each instruction: what its reverse adds to the adjoints of its operands and to shadow memory.

Given   an active instruction of the primal; lookup of what it reads.
Gives   code at the builder's point. Control flow and phis are not its business (`reverse_sweep`).
"""

from __future__ import annotations

from collections.abc import Mapping

from numbad.passes.analysis.exclusive import is_exclusive
from numbad.passes.analysis.memory import holds_float, holds_pointer
from numbad.passes.derivative.adjoints import Adjoints, Stack
from numbad.passes.derivative.device.sums import add_among_threads
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.linear import scaled
from numbad.passes.derivative.lookup import Lookup
from numbad.passes.derivative.needs import Before, Shadow, Snapshot, elementary_rule, overwrites_shadow
from numbad.passes.derivative.restored import may_meet_others
from numbad.passes.diagnostics import Bug
from numbad.passes.ir.builder import Builder, i32
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import AtomicRMW, Call, ExtractValue, InsertValue, Instruction, Load, Phi, Store
from numbad.passes.ir.types import DOUBLE, I1, I8, I64, VOID, FloatType, VectorType, size_of
from numbad.passes.ir.values import ConstantAggregate, ConstantInt, Value, integer, zero
from numbad.passes.rules import blas
from numbad.passes.rules import memory as effects
from numbad.passes.rules.algebra import Term
from numbad.passes.rules.table import Rule
from numbad.passes.rules.threads import SHUFFLE_ADJOINT


class AdjointRules:
    def __init__(self, facts: Facts, builder: Builder, stack: Stack, adjoints: Adjoints, lookup: Lookup, tape: Value,
                 reverses: Mapping[Function, Function]):
        self.facts, self.builder, self.stack = facts, builder, stack
        self.adjoints, self.lookup, self.tape, self.reverses = adjoints, lookup, tape, reverses
        self._accumulated = set(lookup.plan.accumulations.values())
        self._speculated: dict[Instruction, bool] = {}
        self.seed: Value | None = None  # adjoint of the function's result, where that is a number

    def visit(self, i: Instruction) -> None:
        self.builder.location = i.metadata.get("dbg")
        match i:
            case Load():
                self.load(i)
            case Store():
                self.store(i)
            case AtomicRMW():
                self.atomic(i)
            case ExtractValue():
                self.adjoints.add_at(i.operands[0], i.indices, self.adjoints.take(i))
            case InsertValue():
                self.insert_value(i)
            case Call() if self.facts.callee(i) is not None:
                self.call(i)
            case Call() if effects.effect_of(i) is not None:
                self.effect(i)
            case Call() if blas.product_of(i) is not None:
                self.product(i)
            case Instruction(opcode="ret"):
                assert self.seed is not None
                self.adjoints.add(i.operands[0], self.seed)
            case _:
                self.arithmetic(i)
        self.builder.location = None

    # --- values ---

    def arithmetic(self, i: Instruction) -> None:
        rule = elementary_rule(i)
        if rule is not None:
            self.elementary(i, rule)
            return
        y_bar = self.adjoints.take(i)
        x = i.operands[0]
        match i.opcode:
            case "fpext" | "fptrunc":
                self.adjoints.add(x, self.builder.cast("fptrunc" if i.opcode == "fpext" else "fpext", y_bar, x.type))
            case "freeze":
                self.adjoints.add(x, y_bar)
            case "select":
                condition, nothing = self.lookup(x), zero(i.type)
                for operand, yes, no in ((i.operands[1], y_bar, nothing), (i.operands[2], nothing, y_bar)):
                    if self.adjoints.is_active(operand):
                        self.adjoints.add(operand, self.builder.select(condition, yes, no))
            case "extractelement":
                if self.adjoints.is_active(x):
                    place = self._insert_element(zero(x.type), y_bar, self.lookup(i.operands[1]))
                    self.adjoints.add(x, place)
            case "insertelement":
                index = self.lookup(i.operands[2])
                self.adjoints.add(i.operands[1], self._extract_element(y_bar, index))
                self.adjoints.add(x, self._insert_element(y_bar, zero(i.operands[1].type), index))
            case "shufflevector":
                self.shuffle(i, y_bar)
            case _:
                raise Bug(f"no adjoint for {i.opcode}")

    def elementary(self, i: Instruction, rule: Rule) -> None:
        """x_bar += partial * y_bar for each active operand."""
        operands = i.arguments if isinstance(i, Call) else i.operands
        active = [k for k, o in enumerate(operands) if self.adjoints.is_active(o)]
        needed = {p for k in active for p in rule.reads[k]}
        terms = [Term(self.builder, self.lookup(o)) if k in needed else Term.unread(self.builder, o.type)
                 for k, o in enumerate([*operands, i])]
        y_bar = self.adjoints.take(i)
        strong = (rule.strong and not self.is_regular(i)) or self.is_speculated(i)
        partials = rule.partials(terms[:-1], terms[-1])
        for k in active:
            partial = partials[k]
            if partial is not None and partial.number != 0:
                self.adjoints.add(operands[k], scaled(self.builder, y_bar, partial.value, strong))

    def is_regular(self, i: Instruction) -> bool:
        return self.lookup.plan.options.ranges and self.facts.ranges(i.function).is_regular(i)

    def is_speculated(self, i: Instruction) -> bool:
        """Everything made of the value ends in selects, or in blocks that may be passed by (LLVM moves what does not
        change out of a loop, and so out of a branch): it stands for a branch, which may not have been taken.

        The user's branch may be there to avoid infinities and nans; an adjoint of 0 must not meet them.
        """
        def goes_on(user: Instruction) -> bool:  # users come first in the reverse sweep
            if user.opcode == "select":
                return user.operands[0] is not i
            if user.opcode == "fcmp":
                return True
            if user.block is not i.block:
                return not isinstance(user, Phi) and self._may_pass_by(i, user)
            if elementary_rule(user) is None:
                return False
            return self._speculated.get(user, not self.adjoints.is_active(user))

        self._speculated[i] = bool(i.users) and all(map(goes_on, i.users))
        return self._speculated[i]

    def _may_pass_by(self, i: Instruction, user: Instruction) -> bool:
        """Some way from a value to a return that matters leaves out the block of its user."""
        assert i.block is not None and user.block is not None
        return not self.facts.postdominators(i.function).postdominates(user.block, i.block)

    def insert_value(self, i: InsertValue) -> None:
        y_bar = self.adjoints.take(i)
        aggregate, element = i.operands
        if self.adjoints.is_active(element):
            self.adjoints.add(element, self.builder.extract(y_bar, i.indices))
        if self.adjoints.is_active(aggregate):
            self.adjoints.add(aggregate, self.builder.insert_value(y_bar, zero(element.type), i.indices))

    def shuffle(self, i: Instruction, y_bar: Value) -> None:
        assert isinstance(i.type, VectorType)
        left, right, mask = i.operands
        count = left.type.count  # type: ignore[attr-defined]
        parts: dict[Value, Value] = {left: zero(left.type), right: zero(right.type)}
        if isinstance(mask, ConstantAggregate) and not mask.splat:
            lanes = [e.value if isinstance(e, ConstantInt) else None for e in mask.elements]
        else:  # zeroinitializer, or a splat of one lane
            lane = mask.elements[0].value if isinstance(mask, ConstantAggregate) else 0  # type: ignore[attr-defined]
            lanes = [lane] * i.type.count
        for position, lane in enumerate(lanes):
            if lane is None or lane < 0:
                continue
            operand, index = (left, lane) if lane < count else (right, lane - count)
            part = self._extract_element(y_bar, i32(position))
            sum = self.builder.binary("fadd", self._extract_element(parts[operand], i32(index)), part)
            parts[operand] = self._insert_element(parts[operand], sum, i32(index))
        for operand, part in parts.items():
            self.adjoints.add(operand, part)

    def _extract_element(self, vector: Value, index: Value) -> Value:
        return self.builder.insert(Instruction("extractelement", vector.type.scalar, [vector, index]))

    def _insert_element(self, vector: Value, element: Value, index: Value) -> Value:
        return self.builder.insert(Instruction("insertelement", vector.type, [vector, element, index]))

    # --- memory ---

    def load(self, i: Load) -> None:
        """*p.shadow += x.bar"""
        scratch = self.lookup.plan.scratch.get(i)
        if scratch is not None:
            x_bar = self.adjoints.take(i)
            if scratch.load is i:
                self.lookup.put(scratch, x_bar)
            return
        if i in self._accumulated:  # *p.shadow holds it already
            self.adjoints.take(i)
            return
        shadow, x_bar = self.lookup(Shadow(i.pointer)), self.adjoints.take(i)
        if self.facts.is_seen_by_others(i.pointer) and not is_exclusive(i, may_meet_others):
            add_among_threads(self.builder, x_bar, shadow, self.facts.same_places.probably(i.pointer))
            return
        align = min(i.align, size_of(i.type.scalar))
        before = self.builder.load(i.type, shadow, align=align)
        after = self.builder.store(self.builder.binary("fadd", before, x_bar), shadow, align=align)
        for access in (before, after):
            self.lookup.accesses.shadow(access, i.pointer)

    def store(self, i: Store) -> None:
        """v.bar += *p.shadow;  *p.shadow = 0. What was there before has no influence on what comes after, and may be
        put back."""
        if overwrites_shadow(self.facts, i):
            self.store_adjoint(i)
        if i in self.lookup.plan.needs.undone:
            self.builder.store(self.lookup(Before(i)), self.lookup(i.pointer), align=i.align)

    def store_adjoint(self, i: Store) -> None:
        shadow = self.lookup(Shadow(i.pointer))
        align = min(i.align, size_of(i.value.type.scalar))
        if self.adjoints.is_active(i.value):
            adjoint = self.builder.load(i.value.type, shadow, align=align)
            self.lookup.accesses.shadow(adjoint, i.pointer)
            self.adjoints.add(i.value, adjoint)
        if i not in self.lookup.plan.accumulations:
            self.lookup.accesses.shadow(self.builder.store(zero(i.value.type), shadow, align=align), i.pointer)

    def atomic(self, i: AtomicRMW) -> None:
        """*p += v: v.bar += *p.shadow, which stays; *p -= v: v.bar -= *p.shadow."""
        adjoint = self.builder.load(i.type, self.lookup(Shadow(i.pointer)), align=size_of(i.type))
        self.adjoints.add(i.value, self.builder.unary("fneg", adjoint) if i.operation == "fsub" else adjoint)

    def effect(self, i: Call) -> None:
        match effects.effect_of(i):
            case effects.Synchronise(mirror=mirror, arguments=count):
                result = i.type if mirror == i.callee_name else VOID
                self.builder.call_symbol(mirror, result, [self.lookup(a) for a in i.arguments[:count]])
            case effects.Shuffle():
                self.shuffle_back(i)
            case effects.Copy():
                destination = self.lookup(Shadow(i.arguments[0]))
                bytes = self.builder.cast("zext", self.lookup(i.arguments[2]), I64)
                if self.facts.activity.is_active_memory(i.arguments[1]):
                    source = self.lookup(Shadow(i.arguments[1]))
                    self.move_back(i, destination, source, bytes)
                else:
                    self.clear(destination, bytes)
            case effects.Fill():
                self.clear(self.lookup(Shadow(i.arguments[0])),
                           self.builder.cast("zext", self.lookup(i.arguments[2]), I64))
            case _:
                raise Bug(f"no adjoint for a call of {i.callee_name}")

    def shuffle_back(self, i: Call) -> None:
        """x.bar += the sum of y.bar over all lanes that read x, this one included where there was no other."""
        y_bar = self.builder.extract(self.adjoints.take(i), [0])
        x = i.arguments[2]
        arguments = [y_bar if k == 2 else self.lookup(a) for k, a in enumerate(i.arguments)]
        arguments.append(ConstantInt(I1, isinstance(i.arguments[3], ConstantInt)))
        symbol = SHUFFLE_ADJOINT + ("f64" if x.type == DOUBLE else "f32")
        self.adjoints.add(x, self.builder.call_symbol(symbol, x.type, arguments))

    def clear(self, pointer: Value, bytes: Value) -> None:
        self.builder.call_symbol("llvm.memset.p0.i64", VOID, [pointer, integer(I8, 0), bytes, ConstantInt(I1, 0)])

    def move_back(self, i: Call, destination: Value, source: Value, bytes: Value) -> None:
        """source.shadow += destination.shadow;  destination.shadow = 0, for every float that was copied."""
        fields = self.facts.memory.node(i.arguments[0]).fields
        kinds = float_kinds(self.facts, i.arguments[0]) | float_kinds(self.facts, i.arguments[1])
        if not fields:
            (kind,) = kinds  # the fence saw to it
            self.builder.call_symbol(f"numbad.adjoint.move.{kind}", VOID, [destination, source, bytes])
            return
        length = i.arguments[2]
        assert isinstance(length, ConstantInt)  # the fence saw to it
        for offset, type in float_places(self.facts, i.arguments[0], i.arguments[1]):
            if not 0 <= offset < length.value:
                continue
            to, origin = self.builder.offset(destination, offset), self.builder.offset(source, offset)
            value = self.builder.load(type, to)
            self.builder.store(zero(type), to)
            self.builder.store(self.builder.binary("fadd", self.builder.load(type, origin), value), origin)

    def product(self, i: Call) -> None:
        product = blas.product_of(i)
        assert product is not None

        def adjoint(position: int) -> Value | None:
            factor = i.arguments[position]
            return self.lookup(Shadow(factor)) if self.facts.activity.is_active_memory(factor) else None
        blas.reverse(self.builder, i, self.lookup, self.lookup(Shadow(i.arguments[product.result])),
                     lambda position: self.lookup(Snapshot(i, position)), adjoint)

    # --- calls of the user's functions ---

    def call(self, i: Call) -> None:
        callee = self.facts.callee(i)
        assert callee is not None
        seed = [self.adjoints.take(i)] if holds_float(i.type) else []
        cells: list[tuple[Value, Value]] = []
        for parameter in self.facts.shadow_parameters(callee):
            if not holds_pointer(parameter.type):
                cell = self.stack.place(parameter.type, f"{parameter.name}.cell")
                self.builder.store(zero(parameter.type), cell)
                cells.append((i.arguments[callee.arguments.index(parameter)], cell))
        self.builder.call(self.reverses[callee], [*seed, self.tape, *(cell for _, cell in cells)])
        for argument, cell in cells:
            if self.adjoints.is_active(argument):
                self.adjoints.add(argument, self.builder.load(argument.type, cell))


def float_kinds(facts: Facts, pointer: Value) -> set[FloatType]:
    """The types as which floats behind a pointer are read and written."""
    return {t.scalar for _, t in facts.memory.node(pointer).accesses if t.is_float}  # type: ignore[misc]


def float_places(facts: Facts, *pointers: Value) -> list[tuple[int, FloatType]]:
    """Constant offsets of floats behind pointers to the same structure."""
    places: dict[tuple[int, FloatType], None] = {}
    for pointer in pointers:
        start = facts.memory.cell(pointer)[1]
        for offset, type in sorted(facts.memory.node(pointer).accesses, key=str):
            if type.is_float and offset is not None and start is not None:
                places[offset - start, type.scalar] = None  # type: ignore[index]
    return sorted(places, key=str)


