"""Forward mode: a tangent beside every active value, shadow memory beside active memory, one walk in program order.

    %y = fmul double %x, %k            %y     = fmul double %x, %k
                                  ->   %y.dot = fmul double %x.dot, %k

Given   Facts of a call graph that the fence let through.
Gives   new functions in the same module: for each primal `f(args)` a `f(args, duals of the active parameters)`,
        one dual per direction. Functions that return values return them with their duals in a structure.
Unsure  never: what has no rule was refused by the fence; anything unexpected raises `Bug`.
"""

from __future__ import annotations

from numbad.passes.analysis.memory import holds_float, holds_pointer
from numbad.passes.analysis.outcomes import is_normal_return
from numbad.passes.derivative.adjoints import Stack
from numbad.passes.derivative.bundles import bundled
from numbad.passes.derivative.copier import Copier
from numbad.passes.derivative.duals import MOVES, Duals, new_function
from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.linear import added, is_one, scaled
from numbad.passes.derivative.plan import Options
from numbad.passes.derivative.scopes import Accesses
from numbad.passes.diagnostics import Bug
from numbad.passes.ir.builder import i32
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Alloca, AtomicRMW, Call, Instruction, Load, Store
from numbad.passes.ir.types import I32, PTR, VOID, FunctionType, StructType
from numbad.passes.ir.values import Value, undefined, zero
from numbad.passes.rules import blas
from numbad.passes.rules import memory as effects
from numbad.passes.rules.algebra import Term
from numbad.passes.rules.symbols import Elementary, classify, rule_of
from numbad.passes.rules.table import Rule


def write_forward(facts: Facts, name: str, options: Options) -> Function:
    """The derivative of the entry, called `name`; those of the functions it calls are written along the way."""
    written: dict[Function, Function] = {}
    for function in facts.functions:
        if function is facts.entry or facts.needs_derivative(function):
            own_name = name if function is facts.entry else f"{name}.{function.name}"
            written[function] = _declare(facts, function, own_name)
    for function, derivative in written.items():
        _Writer(facts, function, derivative, written, options).write()
    return written[facts.entry]


def _declare(facts: Facts, function: Function, name: str) -> Function:
    width = facts.task.width
    shadows = facts.shadow_parameters(function)
    names = [a.name for a in function.arguments]
    names += [f"{a.name}.dot" for a in shadows for _ in range(width)]
    types = [a.type for a in function.arguments] + [a.type for a in shadows for _ in range(width)]
    result = function.signature.result
    if _carries_result(facts, function):
        result = StructType((result, *[result] * width))
    head = facts.entry_head if function is facts.entry else "internal"
    derivative = new_function(facts, name, FunctionType(result, tuple(types)), names, head)
    derivative.tail = facts.entry_tail if function is facts.entry else ""
    derivative.name_values()
    return derivative


def _carries_result(facts: Facts, function: Function) -> bool:
    carried = facts.activity
    values = [b.terminator.operands[0] for b in function.blocks
              if b.terminator.opcode == "ret" and b.terminator.operands]
    return any(carried.is_active(v) or carried.is_shadowed(v) for v in values)


class _Writer:
    """One function's walk."""

    def __init__(self, facts: Facts, function: Function, derivative: Function, written: dict[Function, Function],
                 options: Options):
        self.facts, self.function, self.derivative, self.written = facts, function, derivative, written
        self.options = options
        self.width = facts.task.width
        self.activity = facts.activity
        self.copier = Copier(function, derivative)
        self.builder = self.copier.builder
        self.accesses = Accesses(facts, options.separate, tangents=True)
        self.duals = Duals(facts, self.copier, self.width, self.carries, self.accesses, bundled(facts, function))
        self.live = set(facts.live[function])
        self.stack = Stack(derivative)
        self.owned: list[tuple[Call, Value]] = []  # places of the newest shadow of each allocation, with our reference

    def carries(self, value: Value) -> bool:
        return self.activity.is_active(value) or self.activity.is_shadowed(value)

    def write(self) -> None:
        parameters = list(self.derivative.arguments)
        for argument in self.function.arguments:
            self.copier.values[argument] = parameters.pop(0)
        for argument in self.facts.shadow_parameters(self.function):
            self.duals.set(argument, [parameters.pop(0) for _ in range(self.width)])
        self.normal = {self.copier.first[b] for b in self.function.blocks if is_normal_return(b)}
        for block in self.facts.dominators[self.function].order:
            self.builder.at_end(self.copier.first[block])
            for instruction in block.instructions:
                self.visit(instruction, block in self.live)
        self.copier.close()
        self.duals.close()
        self.let_go()
        self.stack.close()
        self.derivative.name_values()
        self.accesses.close(self.derivative)

    def visit(self, i: Instruction, live: bool) -> None:
        self.builder.location = None
        if isinstance(i, Call):
            callee = self.facts.callee(i)
            if callee in self.written:
                return self.call(i, self.written[callee])
        if i.opcode == "ret" and self.derivative.signature.result != self.function.signature.result:
            return self.ret(i)
        twin = self.copier.copy(i)
        if isinstance(i, (Load, Store)):
            self.accesses.primal(twin, i.pointer)
        self.builder.location = twin.metadata.get("dbg")
        if isinstance(i, Call):
            self.effect(i, live)
        elif isinstance(i, Store):
            self.store(i, live)
        elif isinstance(i, AtomicRMW):
            if self.activity.is_active_memory(i.pointer):
                self.duals.atomic(i)
        elif isinstance(i, Alloca):
            if self.activity.is_shadowed(i):
                self.duals.alloca(i)
        elif not self.carries(i) or (not live and holds_float(i.type) and not holds_pointer(i.type)):
            pass
        elif i.opcode in MOVES:
            self.duals.move(i)
        else:
            rule = rule_of(i)
            if rule is None:
                raise Bug(f"no forward rule for {i.opcode}")
            self.tangent(i, rule, i.operands)

    def store(self, i: Store, live: bool) -> None:
        if not self.activity.is_shadowed(i.pointer):
            return
        if holds_pointer(i.value.type) or self.activity.is_active_memory(i.pointer):
            self.duals.store(i)

    def tangent(self, i: Instruction, rule: Rule, operands: list[Value]) -> None:
        """y' = sum of partial * x' over the active operands."""
        y = self.copier.values[i]
        partials = rule.partials([Term(self.builder, self.copier.twin(o)) for o in operands], Term(self.builder, y))
        is_bundle = self.duals.is_bundled(i)
        strong = rule.strong and not (self.options.ranges and self.facts.ranges(self.function).is_regular(i))
        totals: list[Value] = []
        for operand, partial in zip(operands, partials, strict=True):
            if partial is None or not self.activity.is_active(operand):
                continue
            factor, seeds = partial.value, [self.duals.bundle(operand)] if is_bundle else self.duals.of(operand)
            if is_bundle and not is_one(factor):
                factor = self.builder.splat(factor, self.width)
            parts = [scaled(self.builder, seed, factor, strong) for seed in seeds]
            totals = [added(self.builder, total, part) for total, part in zip(totals, parts, strict=True)] \
                if totals else parts
        if is_bundle and totals:
            self.duals.bundles[i] = totals[0]
        else:
            self.duals.set(i, totals or [zero(i.type)] * self.width)

    def effect(self, i: Call, live: bool) -> None:
        effect = effects.effect_of(i)
        shadowed = self.activity.is_shadowed
        match effect:
            case effects.Allocate():
                if shadowed(i):
                    self.duals.allocate(i, effect)
                    if effect.header:
                        self.own(i)
            case effects.Count() | effects.Release():
                if shadowed(i.arguments[0]) and not self.facts.is_borrowed(i.arguments[0]):
                    self.repeat(i, [0])
            case effects.Copy():
                if shadowed(i.arguments[0]):
                    self.copy(i)
            case effects.Fill():
                if shadowed(i.arguments[0]):
                    for dual in self.duals.of(i.arguments[0]):
                        self.duals.fill(dual, self.builder.cast("zext", self.copier.twin(i.arguments[2]),
                                                                i.arguments[2].type))
            case effects.Tape(gives=gives):
                if shadowed(i.arguments[0]) or (gives and shadowed(i)):
                    self.tape(i, gives)
            case effects.Part():
                if shadowed(i):
                    self.duals.set(i, list(self.repeat(i, [0])))
            case effects.Shuffle():
                if self.carries(i):
                    self.duals.set(i, list(self.repeat(i, [2])))
            case effects.Drop() | effects.Integers() | effects.Synchronise():
                pass
            case None:
                product = blas.product_of(i)
                if product is not None:
                    if self.activity.is_active_memory(i.arguments[product.result]):
                        self.product(i, product)
                    return
                decision = classify(i)
                if isinstance(decision, Elementary) and self.activity.is_active(i) and live:
                    self.tangent(i, decision.rule, i.arguments)

    def own(self, i: Call) -> None:
        """Hold a reference to the newest shadow of each allocation until the function returns.

        Reference counts of shadows follow the primal's. Numba forgets what is alive when a function raises; its objects
        are lost then, but their shadows are still known here, and are freed (older ones of a loop are lost as well).
        """
        for dual in self.duals.of(i):
            place = self.stack.place(PTR, f"{i.name}.own")
            self.owned.append((i, place))
            self.builder.call_symbol("NRT_decref", VOID, [self.builder.load(PTR, place)])
            self.builder.call_symbol("NRT_incref", VOID, [dual])
            self.builder.store(dual, place)

    def let_go(self) -> None:
        """Before each return, drop our references, or free what nobody can know any more.

        Numba moves releases to the end of their block, behind everything else. A test whose outcome LLVM cannot know
        keeps what is freed here behind the releases of the primal's objects and their shadows.
        """
        if not self.owned:
            return
        flag = self.stack.place(I32, "owns")
        self.stack.add(Store(i32(1), flag))
        for block in [b for b in self.derivative.blocks if b.terminator.opcode == "ret"]:
            leave = block.terminator
            self.builder.block, self.builder.before = block, leave
            owns = self.builder.compare("icmp", "ne", self.builder.insert(Load(I32, flag, volatile=True)), i32(0))
            free, out = (self.derivative.append(Block(f"{block.name}.{name}")) for name in ("free", "out"))
            self.builder.branch_if(owns, free, out)
            leave.detach()
            out.append(leave)
            self.builder.at_end(free)
            ends_all = block not in self.normal and self.function not in self.facts.caught
            for allocation, place in self.owned:
                leaves = not ends_all and self.facts.may_leave(allocation)
                release = "NRT_decref" if leaves else "numbad.shadow.free"
                self.builder.call_symbol(release, VOID, [self.builder.load(PTR, place)])
            self.builder.branch(out)

    def product(self, i: Call, product: blas.Product) -> None:
        for lane in range(self.width):
            def tangent(position: int, lane: int = lane) -> Value | None:
                factor = i.arguments[position]
                return self.duals.of(factor)[lane] if self.activity.is_active_memory(factor) else None
            blas.forward(self.builder, i, self.copier.twin, self.duals.of(i.arguments[product.result])[lane], tangent)

    def repeat(self, i: Call, dual_positions: list[int]) -> list[Instruction]:
        """The same call on duals, once for each direction."""
        results = []
        for lane in range(self.width):
            arguments = [self.duals.of(a)[lane] if position in dual_positions else self.copier.twin(a)
                         for position, a in enumerate(i.arguments)]
            results.append(self.builder.call(i.callee, arguments))  # type: ignore[arg-type]
        return results

    def copy(self, i: Call) -> None:
        destination, source, bytes = i.arguments[:3]
        sources = self.duals.of(source) if self.activity.is_shadowed(source) else [None] * self.width
        for to, origin in zip(self.duals.of(destination), sources, strict=True):
            if origin is None:
                self.duals.fill(to, self.copier.twin(bytes))
            else:
                self.duals.copy_memory(to, origin, self.copier.twin(bytes))

    def tape(self, i: Call, gives: bool) -> None:
        """The tape of a derivative that is differentiated again has a shadow tape with the same history."""
        results = self.repeat(i, [k for k, a in enumerate(i.arguments) if holds_pointer(a.type)])
        if not gives:
            return
        primal = self.copier.values[i]
        for result in results:  # no memory for the shadow: the primal's own check must see it
            failed = self.builder.compare("icmp", "eq", result, zero(PTR))
            primal = self.builder.select(failed, zero(PTR), primal)
        self.copier.values[i] = primal
        self.duals.set(i, list(results))

    def call(self, i: Call, derivative: Function) -> None:
        """A call of a function of the call graph becomes a call of its derivative."""
        callee = self.facts.callee(i)
        assert callee is not None
        arguments = [self.copier.twin(a) for a in i.arguments]
        for parameter in self.facts.shadow_parameters(callee):
            arguments += self.duals.of(i.arguments[callee.arguments.index(parameter)])
        result = self.builder.call(derivative, arguments, i.name)
        if "dbg" in i.metadata:
            result.metadata["dbg"] = i.metadata["dbg"]
        if result.type == i.type:
            self.copier.values[i] = result
            return
        self.copier.values[i] = self.builder.extract(result, [0], i.name)
        self.duals.set(i, [self.builder.extract(result, [1 + lane]) for lane in range(self.width)])

    def ret(self, i: Instruction) -> None:
        value = i.operands[0]
        result: Value = undefined(self.derivative.signature.result)
        for index, part in enumerate([self.copier.twin(value), *self.duals.of(value)]):
            result = self.builder.insert_value(result, part, [index])
        self.builder.ret(result)


