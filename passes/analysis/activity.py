"""Activity: which values and which memory carry a derivative.

A value or memory node is *varied* if it depends on an active input (1), *useful* if an active result depends on
it (2), and *active* if both (3). A node is *shadowed* if it is active or holds pointers to shadowed nodes (4).
Where several tangents are computed at once, each of them, a *lane*, may have inputs of its own: what is active varies
in the lanes of those inputs that it depends on (6).
Integers take part as far as they may carry the bits of a float (5): a bit pattern that is computed with, and becomes
a float again, is found active and refused by the fence.

Given   the functions of one call graph, their memory nodes, the active parameters of the entry, its result slots;
        the active parameters of each lane, or none if all lanes have all.
Gives   Activity; it does not change the functions.
Unsure  means active: a needless derivative costs time, a missing one is wrong.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from numbad.passes.analysis.memory import Memory, Node, holds_float, holds_integer, holds_pointer
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import AtomicRMW, Call, Instruction, Load, Store
from numbad.passes.ir.types import Type, size_of
from numbad.passes.ir.values import Argument, Constant, Value
from numbad.passes.rules import memory as effects
from numbad.passes.rules.blas import product_of
from numbad.passes.rules.symbols import Inactive, classify

Edges = dict[Hashable, list[Hashable]]


class Activity:
    def __init__(self, memory: Memory, functions: Sequence[Function], live: set[Instruction],
                 inputs: Iterable[Argument], outputs: Iterable[Argument], results: Iterable[Value],
                 lanes: Iterable[Iterable[Argument]] = ()):
        self.memory = memory
        self.live = live
        forward: Edges = {}
        backward: Edges = {}
        def connect(source: Hashable, target: Hashable) -> None:
            forward.setdefault(source, []).append(target)
            backward.setdefault(target, []).append(source)

        for source, target in _edges(memory, functions, live):
            connect(source, target)
        bits = reach(_made_of_bits(memory, live), forward)
        for i in live:
            if _is_integer_on_tape(memory, i) and i.operands[0] in bits:
                connect(i.operands[0], memory.node(i.operands[1]))
            elif i.opcode in ("sitofp", "uitofp") and i.operands[0] in bits:  # log2 by way of the exponent's bits
                connect(i.operands[0], i)
        unknown = [node for node in memory.nodes if "unknown" in node.roots]

        def varied(inputs: Iterable[Argument]) -> set[Hashable]:
            return reach([*unknown, *(a if holds_float(a.type) else memory.node(a) for a in inputs)], forward)

        sinks: list[Hashable] = list(results)
        sinks += [node for node in memory.nodes if "unknown" in node.roots and node.written]
        for argument in outputs:
            sinks += reachable(memory.node(argument))
        self.varied = varied(inputs)  # (1)
        self._lanes = [varied(own) for own in lanes]  # (6)
        self.useful = reach(sinks, backward)  # (2)
        self._active = self.varied & self.useful  # (3)
        self.active_nodes = [node for node in memory.nodes if node in self._active]
        self._shadowed = self._close_over_pointers(memory.nodes)  # (4)
        self._counted = self._counted_shadows()

    def _counted_shadows(self) -> set[Value]:
        """Phis for reference counts of which some incoming object has a shadow."""
        followers: Edges = {}
        for phi, values in self.memory.counted.items():
            for value in values:
                followers.setdefault(value, []).append(phi)
        with_shadow = [v for v in followers if v not in self.memory.counted and self.is_shadowed(v)]  # type: ignore[arg-type]
        return reach(with_shadow, followers) & set(self.memory.counted)  # type: ignore[return-value]

    def is_active(self, value: Value) -> bool:
        """The value carries a derivative itself (floats, and aggregates with floats in them)."""
        return value in self._active

    def varies(self, value: Value, lane: int) -> bool:
        """The value's tangent in this lane may be something else than zero."""
        return not self._lanes or value in self._lanes[lane]

    def is_active_memory(self, pointer: Value) -> bool:
        """Floats behind this pointer carry derivatives."""
        return self.memory.node(pointer) in self._active

    def is_shadowed(self, value: Value) -> bool:
        """The pointer (or aggregate with pointers) needs a shadow."""
        if value in self.memory.counted:
            return value in self._counted
        return holds_pointer(value.type) and self.memory.node(value) in self._shadowed

    def _close_over_pointers(self, nodes: list[Node]) -> set[Node]:
        holders: dict[Node, list[Node]] = {}
        for node in nodes:
            for target in node.pointees:
                holders.setdefault(target, []).append(node)
        for tape, memory in self.memory.kept:  # a tape or record whose parts have shadows has one itself
            holders.setdefault(self.memory.node(memory), []).append(self.memory.node(tape))
        return reach([n for n in nodes if n in self._active], holders)  # type: ignore[arg-type,return-value]


def reach(sources: Iterable[Hashable], edges: Edges) -> set[Hashable]:
    """Everything that can be reached along the edges, the sources included."""
    found = set(sources)
    work = list(found)
    while work:
        for target in edges.get(work.pop(), ()):
            if target not in found:
                found.add(target)
                work.append(target)
    return found


def reachable(node: Node) -> list[Node]:
    """The node and everything that pointers in it lead to."""
    return list(reach([node], _PointeeEdges()))  # type: ignore[arg-type]


class _PointeeEdges:
    def get(self, node: Node, default: object = ()) -> list[Node]:
        return node.pointees


def carries(type: Type) -> bool:
    """The type may carry a float's bits: floats, aggregates of them, and integers (5)."""
    return holds_float(type) or holds_integer(type)


HANDED_ON = {"phi": slice(0, None, 2), "select": slice(1, 3), "freeze": slice(0, 1), "extractelement": slice(0, 1),
             "insertelement": slice(0, 2), "shufflevector": slice(0, 2)}
"""Of instructions that only move bits, the operands that these come from: no conditions, no indices."""

_BREAKS = frozenset("fcmp icmp sitofp uitofp fptosi fptoui ptrtoint inttoptr alloca getelementptr".split())


def _edges(memory: Memory, functions: Sequence[Function], live: set[Instruction]
           ) -> Iterable[tuple[Hashable, Hashable]]:
    by_name = {f.name: f for f in functions}
    returned: dict[str, list[Value]] = {}
    calls: list[tuple[Call, Function]] = []
    for function in functions:
        for i in function.instructions:
            if i not in live:
                continue
            if isinstance(i, Load):
                if carries(i.type) or memory.floats_at(i.pointer, size_of(i.type)):
                    yield memory.node(i.pointer), i  # integers too: the float may be seen only where they are stored
            elif isinstance(i, Store):
                if _may_carry(memory, i.pointer, i.value.type) and not isinstance(i.value, Constant) \
                        and not _is_integer_on_tape(memory, i):
                    yield i.value, memory.node(i.pointer)
            elif isinstance(i, AtomicRMW):
                if carries(i.type):
                    yield i.operands[1], memory.node(i.operands[0])
                    yield memory.node(i.operands[0]), i
            elif isinstance(i, Call):
                callee = by_name.get(i.callee_name or "")
                if callee is not None:
                    calls.append((i, callee))
                    for parameter, argument in zip(callee.arguments, i.arguments, strict=False):
                        if carries(parameter.type) and not isinstance(argument, Constant):
                            yield argument, parameter
                else:
                    yield from _call_edges(memory, i)
            elif i.opcode == "ret":
                returned.setdefault(function.name, []).extend(i.operands)
            elif i.opcode in _BREAKS or not carries(i.type):
                continue
            else:
                for operand in i.operands[HANDED_ON.get(i.opcode, slice(None))]:
                    if carries(operand.type) and not isinstance(operand, Constant):
                        yield operand, i
    for call, callee in calls:
        for value in returned.get(callee.name, ()):
            if carries(value.type) and not isinstance(value, Constant):
                yield value, call


def _may_carry(memory: Memory, pointer: Value, type: Type) -> bool:
    """Floats always; others only where the same bytes are also accessed as a float."""
    if holds_float(type):
        return True
    node, offset = memory.cell(pointer)
    if holds_pointer(type) and (offset is None or None in node.fields):
        return False  # somewhere in the object: numbers and pointers lie beside each other
    return bool(memory.floats_at(pointer, size_of(type)))


def _is_integer_on_tape(memory: Memory, i: Instruction) -> bool:
    """Tapes hold what derivatives keep, numbers beside integers at offsets that nobody sees. An integer that is stored
    there is one, unless it was made from the bits of a float."""
    return isinstance(i, Store) and i.value.type.is_int and not isinstance(i.value, Constant) \
        and "tape" in memory.node(i.pointer).roots


def _made_of_bits(memory: Memory, live: Iterable[Instruction]) -> Iterable[Hashable]:
    for i in live:
        if i.opcode == "bitcast" and i.type.is_int and i.operands[0].type.is_float:
            yield i
        elif isinstance(i, Load) and i.type.is_int and "tape" not in memory.node(i.pointer).roots \
                and _may_carry(memory, i.pointer, i.type):
            yield i


def _call_edges(memory: Memory, call: Call) -> Iterable[tuple[Hashable, Hashable]]:
    effect = effects.effect_of(call)
    if isinstance(effect, effects.Copy):
        yield memory.node(call.arguments[1]), memory.node(call.arguments[0])
        return
    if isinstance(effect, effects.Shuffle):
        yield call.arguments[2], call
    if effect is not None:
        return
    product = product_of(call)
    if product is not None:
        for factor in product.factors:
            yield memory.node(call.arguments[factor]), memory.node(call.arguments[product.result])
        return
    decision = classify(call)
    if isinstance(decision, Inactive):
        if decision.bits:
            yield from ((a, call) for a in call.arguments if a.type.is_int and not isinstance(a, Constant))
        return
    # A rule, a refusal or an unknown function: everything may flow everywhere.
    kind = holds_float if decision is not None else carries
    numbers = [a for a in call.arguments if kind(a.type) and not isinstance(a, Constant)]
    if decision is not None and not any(holds_pointer(a.type) for a in call.arguments):
        yield from ((a, call) for a in numbers if holds_float(call.type))
        return
    nodes: list[Hashable] = [n for a in call.arguments if holds_pointer(a.type) for n in reachable(memory.node(a))]
    sources: list[Hashable] = [*numbers, *nodes]
    targets: list[Hashable] = [*nodes, *([call] if kind(call.type) else [])]
    if holds_pointer(call.type):
        targets.append(memory.node(call))
    for source in sources:
        for target in targets:
            yield source, target
