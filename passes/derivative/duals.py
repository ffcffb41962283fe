"""Duals: what stands beside a primal value. Beside a float its tangent, beside a pointer its shadow.

For operations that only move values (phi, select, load, store, aggregates, address computations) the dual of the
result is the same operation on the duals of the operands. Forward mode moves tangents and shadow pointers that way,
the forward sweep of reverse mode shadow pointers only; `carries` makes the difference.

A dual is a list with one value for each direction (`width`). Those of a number may be one vector, a *bundle*, so that
all directions are computed at once (see `bundles`); they are taken apart where they meet memory and calls.

The tangent of a number in a direction in which it does not vary is the constant zero, whatever was computed for it:
what follows folds, and LLVM drops the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from numbad.passes.analysis.memory import holds_float, holds_pointer
from numbad.passes.derivative.copier import Copier
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.global_shadows import dynamic_shadow, root_of, shadow_address
from numbad.passes.derivative.scopes import Accesses
from numbad.passes.ir.builder import i64
from numbad.passes.ir.function import Function, Global
from numbad.passes.ir.instructions import Alloca, AtomicRMW, Call, GetElementPtr, Instruction, Load, Phi, Store
from numbad.passes.ir.types import I1, I8, I64, PTR, VOID, ArrayType, FloatType, VectorType, size_of
from numbad.passes.ir.values import ConstantExpression, ConstantInt, ConstantText, Value, integer, is_zero, zero
from numbad.passes.rules.memory import HEADER_DATA, Allocate

MOVES = frozenset(
    """phi select freeze bitcast addrspacecast extractelement insertelement shufflevector extractvalue insertvalue
    getelementptr load fpext fptrunc""".split())


class Duals:
    def __init__(self, facts: Facts, copier: Copier, width: int, carries: Callable[[Value], bool],
                 accesses: Accesses | None = None, bundled: bool = False):
        self.facts, self.copier, self.width, self.carries = facts, copier, width, carries
        self.accesses, self.bundled = accesses, bundled
        self.builder = copier.builder
        self.values: dict[Value, list[Value]] = {}
        self.bundles: dict[Value, Value] = {}
        self._phis: list[tuple[Phi, list[Phi]]] = []
        self._dynamic: dict[tuple[Value, int], Value] = {}
        self._heads = 0  # instructions that come before everything else

    def of(self, value: Value) -> list[Value]:
        """The duals of a value: zero where it carries nothing, a shadow of zeros for constant memory."""
        known = self.values.get(value)
        if known is not None:
            return known
        if value in self.bundles:
            return self.builder.lanes(self.bundles[value])
        if isinstance(value, (Global, ConstantExpression)) and self.facts.activity.is_shadowed(value):
            return [self._shadow_of_global(value, lane) for lane in range(self.width)]
        if isinstance(value, ConstantText) and value.text in ("undef", "poison"):
            return [value] * self.width
        return [zero(value.type)] * self.width

    def set(self, value: Value, duals: Sequence[Value]) -> None:
        assert len(duals) == self.width
        if self.is_bundled(value):
            is_nothing = all(map(is_zero, duals))
            self.bundles[value] = zero(VectorType(self.width, value.type)) if is_nothing else self.builder.vector(duals)
        else:
            number = holds_float(value.type) and not holds_pointer(value.type)
            self.values[value] = [dual if not number or self.facts.activity.varies(value, lane) else zero(value.type)
                                  for lane, dual in enumerate(duals)]

    def is_bundled(self, value: Value) -> bool:
        return self.bundled and self.width > 1 and isinstance(value.type, FloatType)

    def bundle(self, value: Value) -> Value:
        """The duals of a number as one value."""
        type = VectorType(self.width, value.type)
        if isinstance(value, ConstantText) and value.text in ("undef", "poison"):
            return ConstantText(type, value.text)
        return self.bundles.get(value) or zero(type)

    # --- operations that move values ---

    def move(self, i: Instruction) -> None:
        """Write the dual of an instruction in MOVES whose result is carried."""
        if self.is_bundled(i) and i.opcode in ("phi", "select", "freeze", "fpext", "fptrunc"):
            self.bundles[i] = self._moved_bundle(i)
        elif isinstance(i, Phi):
            phis = [self.builder.phi(i.type, name=f"{i.name}.dot") for _ in range(self.width)]
            self._phis.append((i, phis))
            self.set(i, phis)
        else:
            self.set(i, [self._moved(i, lane) for lane in range(self.width)])

    def _moved_bundle(self, i: Instruction) -> Value:
        type = VectorType(self.width, i.type)
        if isinstance(i, Phi):
            phi = self.builder.phi(type, name=f"{i.name}.dot")
            self._phis.append((i, [phi]))
            return phi
        operands = [self.bundle(o) if o.type.is_float else self.copier.twin(o) for o in i.operands]
        twin = i.with_operands(operands)
        twin.type, twin.name = type, f"{i.name}.dot"
        return self.builder.insert(twin)

    def _moved(self, i: Instruction, lane: int) -> Value:
        operands = []
        for position, operand in enumerate(i.operands):
            dual = holds_float(operand.type) or holds_pointer(operand.type)
            if i.opcode == "shufflevector" and position == 2:
                dual = False
            operands.append(self.of(operand)[lane] if dual else self.copier.twin(operand))
        twin = i.with_operands(operands)
        twin.name = f"{i.name}.dot"
        if isinstance(twin, GetElementPtr):
            twin.flags = ()
        if isinstance(twin, Load):
            twin.align = min(twin.align, size_of(i.type.scalar))
            if self.accesses is not None:
                self.accesses.shadow(twin, i.operands[0], lane)
        return self.builder.insert(twin)

    def store(self, i: Store) -> None:
        """Store the dual of a value through the shadow of the address."""
        for lane, (value, address) in enumerate(zip(self.of(i.value), self.of(i.pointer), strict=True)):
            twin = self.builder.insert(Store(value, address, min(i.align, size_of(i.value.type.scalar))))
            if self.accesses is not None:
                self.accesses.shadow(twin, i.pointer, lane)

    def atomic(self, i: AtomicRMW) -> None:
        """Add the dual of a value where the value is added."""
        for value, address in zip(self.of(i.value), self.of(i.pointer), strict=True):
            if not is_zero(value):
                twin = i.with_operands([address, value])
                self.builder.insert(twin)

    def close(self) -> None:
        """Give the dual phis their incoming values."""
        for primal, phis in self._phis:
            if self.is_bundled(primal):
                self.copier.complete(primal, phis[0], self.bundle)
                continue
            counted = primal in self.facts.memory.counted
            for lane, phi in enumerate(phis):
                def incoming(value: Value, lane: int = lane, counted: bool = counted) -> Value:
                    # whatever is reached through such a phi is a count, and those of borrowed objects aren't repeated
                    return zero(value.type) if counted and self.facts.is_borrowed(value) else self.of(value)[lane]
                self.copier.complete(primal, phi, incoming)

    # --- memory ---

    def alloca(self, i: Alloca) -> None:
        """A shadow of zeros beside memory on the stack."""
        duals = []
        for _ in range(self.width):
            dual = self.builder.insert(Alloca(i.allocated, self.copier.twin(i.operands[0]) if i.operands else None,
                                              f"{i.name}.dot", i.align))
            count = self.copier.twin(i.operands[0]) if i.operands else i64(1)
            bytes = self.builder.binary("mul", self._as_i64(count), i64(size_of(i.allocated)))
            self.fill(dual, bytes)
            duals.append(dual)
        self.set(i, duals)

    def allocate(self, i: Call, effect: Allocate) -> None:
        """A shadow of zeros beside memory on the heap. If it cannot be had, the primal's allocation fails too."""
        duals: list[Value] = []
        primal = self.copier.values[i]
        for _ in range(self.width):
            dual = self.builder.call(i.callee, [self.copier.twin(a) for a in i.arguments],  # type: ignore[arg-type]
                                     f"{i.name}.dot")
            failed = self.builder.compare("icmp", "eq", dual, zero(PTR))
            bytes = self.builder.select(failed, i64(0), self._as_i64(self.copier.twin(i.arguments[effect.size])))
            data: Value = dual
            if effect.header:
                place = self.builder.select(failed, self.nothing(), self.builder.offset(dual, HEADER_DATA))
                data = self.builder.load(PTR, place)
            self.fill(data, bytes)
            primal = self.builder.select(failed, zero(PTR), primal)
            duals.append(dual)
        self.copier.values[i] = primal
        self.set(i, duals)

    def fill(self, pointer: Value, bytes: Value) -> None:
        self.builder.call_symbol("llvm.memset.p0.i64", VOID, [pointer, integer(I8, 0), bytes, ConstantInt(I1, 0)])

    def copy_memory(self, destination: Value, source: Value, bytes: Value) -> None:
        self.builder.call_symbol("llvm.memmove.p0.p0.i64", VOID, [destination, source, bytes, ConstantInt(I1, 0)])

    def _as_i64(self, value: Value) -> Value:
        return self.builder.cast("zext" if value.type != I64 else "bitcast", value, I64)

    def nothing(self) -> Value:
        """Readable zeros, for address selects on paths whose result is thrown away."""
        name, type, module = "numbad.nothing", ArrayType(64, I8), self.facts.module
        if name not in module.globals:
            module.add(Global(name, type, ConstantText(type, "zeroinitializer"), "internal global", ", align 64"))
        return module.globals[name]

    def _shadow_of_global(self, value: Value, lane: int) -> Value:
        root = root_of(value)
        if not isinstance(root, Global) or not root.is_dynamic:
            return shadow_address(self.facts.module, self.facts.target, value, lane)
        if (value, lane) not in self._dynamic:
            for instruction in dynamic_shadow(self.facts.module, value, lane, self.width):
                self.copier.target.entry.insert(self._heads, instruction)
                self._heads += 1
                self._dynamic[value, lane] = instruction
        return self._dynamic[value, lane]


def new_function(facts: Facts, name: str, signature, names: list[str], head: str = "internal") -> Function:
    """An empty function in the module, with named parameters."""
    function = Function(name, signature, head=head)
    for argument, wanted in zip(function.arguments, names, strict=True):
        argument.name = wanted
    facts.module.add(function)
    return function


