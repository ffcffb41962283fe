"""What the analyses say about one call graph, gathered for the writers, and the shape of a derivative's signature."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from numbad.passes.analysis.activity import Activity, reachable
from numbad.passes.analysis.dominators import Dominators, Postdominators
from numbad.passes.analysis.loops import Irreducible, Loops
from numbad.passes.analysis.memory import Memory, Node, holds_float, holds_pointer
from numbad.passes.analysis.outcomes import caught, live_blocks, returns, returns_status
from numbad.passes.analysis.own_places import own_nodes
from numbad.passes.analysis.ranges import Ranges
from numbad.passes.analysis.same_places import SamePlaces
from numbad.passes.canonical import canonicalise
from numbad.passes.diagnostics import refuse
from numbad.passes.ir.function import Block, Function, Module
from numbad.passes.ir.instructions import Alloca, Call
from numbad.passes.ir.types import Type
from numbad.passes.ir.values import Argument, Value
from numbad.passes.retyping import retype_copies
from numbad.passes.rules.symbols import classify
from numbad.passes.rules.targets import Target, target_of
from numbad.passes.text import quoted_attributes


@dataclass(frozen=True)
class Task:
    """What to differentiate, in terms of LLVM.

    entry      symbol of the primal
    mode       "forward" or "reverse"
    active     indices of the parameters that carry derivatives: floats, and pointers to arrays that do
    contents   parameter index -> element type behind a pointer, where the caller knows it
    headers    pairs of parameter indices: the MemInfo of an array, the array's data
    width      tangents at once (forward)
    seeded     reverse: call `@numbad.seed(result slot, its shadow, seeds)` between the sweeps; one more parameter
    disjoint   arguments that are written overlap no other argument
    in_a_row   a kernel: it is launched in one dimension
    lanes      for each tangent (forward) the active parameters that it is not always zero for; none: all, for each
    """

    entry: str
    mode: str
    active: frozenset[int]
    contents: tuple[tuple[int, Type], ...] = ()
    headers: tuple[tuple[int, int], ...] = ()
    width: int = 1
    seeded: bool = False
    disjoint: bool = True
    in_a_row: bool = False
    lanes: tuple[frozenset[int], ...] = ()


@dataclass
class Facts:
    """Everything known before writing; the writers only read it."""

    module: Module
    task: Task
    entry: Function
    functions: list[Function]  # the entry and all defined functions that it calls and that have no rule
    memory: Memory
    activity: Activity
    dominators: dict[Function, Dominators] = field(default_factory=dict)
    loops: dict[Function, Loops] = field(default_factory=dict)
    _postdominators: dict[Function, Postdominators] = field(default_factory=dict)
    _ranges: dict[Function, Ranges] = field(default_factory=dict)
    _leaving: dict[Function, set[Node]] = field(default_factory=dict)
    caught: set[Function] = field(default_factory=set)  # whose exceptions do not end everything
    live: dict[Function, list[Block]] = field(default_factory=dict)  # blocks that may reach a return that matters

    @cached_property
    def target(self) -> Target:
        return target_of(self.module)

    @property
    def entry_head(self) -> str:
        """The head of the entry's derivative."""
        return " ".join(word for word in self.entry.head.split() if word in self.target.conventions)

    @property
    def entry_tail(self) -> str:
        """What stands behind the parameters of the entry's derivative."""
        words = self.entry.tail.split()
        texts = [self.entry.tail, *(self.module.attributes.get(word, "") for word in words)]
        return " ".join(f'"{name}"="{value}"' for text in texts for name, value in quoted_attributes(text)
                        if name in self.target.launch)

    def is_seen_by_others(self, pointer: Value) -> bool:
        """Other threads may be there at the same time: not on the thread's own stack, nor at places of its own."""
        node = self.memory.node(pointer)
        on_stack = all(isinstance(root, Alloca) for root in node.roots)
        return self.target.many_threads and not on_stack and node not in self._own_nodes

    @cached_property
    def same_places(self) -> SamePlaces:
        return SamePlaces()

    @cached_property
    def _own_nodes(self) -> set[Node]:
        if not self.task.in_a_row or self.functions != [self.entry]:
            return set()
        return own_nodes(self.entry, self.loops[self.entry], self.memory)

    @property
    def has_active_memory(self) -> bool:
        return bool(self.activity.active_nodes)

    def postdominators(self, function: Function) -> Postdominators:
        """On the ways to returns that matter."""
        if function not in self._postdominators:
            self._postdominators[function] = Postdominators(self.live[function])
        return self._postdominators[function]

    def ranges(self, function: Function) -> Ranges:
        if function not in self._ranges:
            self._ranges[function] = Ranges(self.dominators[function].order)
        return self._ranges[function]

    def is_borrowed(self, pointer: Value) -> bool:
        """Only arguments can be meant, and none of them is handed back in a result: the caller keeps it alive."""
        node = self.memory.node(pointer)
        return pointer not in self.memory.counted and bool(node.roots) \
            and all(isinstance(root, Argument) for root in node.roots) and node not in self._handed_back

    def may_overlap(self, one: Node, other: Node) -> bool:
        """Some memory may belong to both: nodes lie apart, but for what the caller handed over."""
        if one is other:
            return True
        if not (is_callers(one) and is_callers(other)):
            return False
        return not self.task.disjoint or "unknown" in one.roots or "unknown" in other.roots

    @cached_property
    def written(self) -> list[Node]:
        """The nodes that something stores into."""
        return [node for node in self.memory.nodes if node.written]

    @cached_property
    def _handed_back(self) -> set[Node]:
        found: set[Node] = set()
        for function in self.functions:
            if returns_status(function):
                found |= set(reachable(self.memory.node(function.arguments[0])))
            for i in function.instructions:
                if i.opcode == "ret" and i.operands and holds_pointer(i.operands[0].type):
                    found |= set(reachable(self.memory.node(i.operands[0])))
        return found

    def may_leave(self, allocation: Call) -> bool:
        """An object may be known to the caller when the function that allocates it returns."""
        function = allocation.function
        if function not in self._leaving:
            returned = [o for b in function.blocks if b.terminator.opcode == "ret" for o in b.terminator.operands]
            roots = [v for v in (*function.arguments, *returned) if holds_pointer(v.type)]
            self._leaving[function] = {n for root in roots for n in reachable(self.memory.node(root))}
        return self.memory.node(allocation) in self._leaving[function]

    def callee(self, call: Call) -> Function | None:
        """The function of the call graph that is called, None for all others."""
        return self.memory.functions.get(call.callee_name or "")

    def returns(self, function: Function, called: bool) -> list[Block]:
        """Where the reverse sweep may start. `called`: by a caller that may go on after an exception."""
        return returns(function, called and function in self.caught)

    def shadow_parameters(self, function: Function) -> list[Argument]:
        """The parameters that have a shadow parameter, in order."""
        return [a for a in function.arguments
                if self.activity.is_active(a) or self.activity.is_shadowed(a)]

    def needs_derivative(self, function: Function) -> bool:
        """Some value in the function is active or shadowed, and it can return."""
        if not self.live[function]:
            return False
        if self.shadow_parameters(function):
            return True
        return any(self.activity.is_active(i) or self.activity.is_shadowed(i) for i in function.instructions)


def is_callers(node: Node) -> bool:
    return any(isinstance(root, Argument) or root == "unknown" for root in node.roots)


def gather(module: Module, task: Task) -> Facts:
    """Canonicalise and analyse the call graph of the task's entry."""
    entry = module.functions[task.entry]
    functions = call_graph(module, entry)
    for function in functions:
        canonicalise(function)
    contents = {entry.arguments[i]: t for i, t in task.contents}
    headers = {entry.arguments[i]: entry.arguments[j] for i, j in task.headers}
    retype_copies(functions, Memory(functions, contents, headers))
    memory = Memory(functions, contents, headers)
    handled = caught(functions)
    live = {f: live_blocks(f, f in handled) for f in functions}
    instructions = {i for blocks in live.values() for b in blocks for i in b.instructions}
    inputs = [entry.arguments[i] for i in sorted(task.active)]
    outputs = [a for a in inputs if not holds_float(a.type)]
    if returns_status(entry):
        outputs.append(entry.arguments[0])
    results = [b.terminator.operands[0] for b in live[entry]
               if b.terminator.opcode == "ret" and b.terminator.operands and not returns_status(entry)]
    lanes = [[entry.arguments[i] for i in sorted(lane)] for lane in task.lanes]
    activity = Activity(memory, functions, instructions, inputs, outputs, results, lanes)
    facts = Facts(module, task, entry, functions, memory, activity, caught=handled, live=live)
    for function in functions:
        facts.dominators[function] = Dominators(function)
        try:
            facts.loops[function] = Loops(function, facts.dominators[function])
        except Irreducible as cycle:
            block = cycle.args[0]
            raise refuse("unsupported", "a loop that can be entered in two places", "restructure the loop",
                         block.terminator) from cycle
    return facts


def call_graph(module: Module, entry: Function) -> list[Function]:
    """The entry and every defined function that it reaches by direct calls, except those with a rule."""
    from numbad.passes.rules.memory import effect_of

    found = [entry]
    for function in found:
        for i in function.instructions:
            if isinstance(i, Call) and isinstance(i.callee, Function) and not i.callee.is_declaration:
                if i.callee not in found and effect_of(i) is None and classify(i) is None:
                    found.append(i.callee)
    return found
