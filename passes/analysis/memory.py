"""Memory objects: which pointers may reach the same memory (a field-sensitive Steensgaard analysis).

All objects that one pointer may point to form one *node*; a node knows, per byte offset, the node that pointers
stored there lead to. Pointers are *cells*: a node and an offset into it, None when the offset is not a constant.

Given   the functions that will be differentiated together (a call graph closed under defined callees).
Gives   `cell(pointer)`, and per node: its roots, accesses, whether it is written, whether its address escapes.
Unsure  means one node: two pointers in different nodes never reach the same memory, unless both nodes have
        arguments (or unknown pointers) among their roots: callers may pass overlapping arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from numbad.passes.ir.function import Function, Global
from numbad.passes.ir.instructions import (
    Alloca,
    AtomicRMW,
    Call,
    ExtractValue,
    GetElementPtr,
    InsertValue,
    Instruction,
    Load,
    Phi,
    Store,
)
from numbad.passes.ir.types import (
    ArrayType,
    FloatType,
    IntType,
    PointerType,
    StructType,
    Type,
    VectorType,
    field_offset,
    size_of,
)
from numbad.passes.ir.values import Argument, Constant, ConstantExpression, ConstantInt, Value
from numbad.passes.rules import memory as effects
from numbad.passes.rules.blas import element_type, product_of
from numbad.passes.rules.symbols import Inactive, classify

Cell = tuple["Node", "int | None"]


class Node:
    """A class of memory objects.

    roots      arguments, globals, allocating instructions; "unknown" for pointers from nowhere, "tape" for tapes
    accesses   (offset or None, type) of every load and store
    written    something stores into it;   escaped: passed to a call that nobody knows
    """

    def __init__(self, *roots: object):
        self._parent: Node | None = None
        self.roots: dict[object, None] = dict.fromkeys(roots)
        self.fields: dict[int | None, Cell] = {}
        self.collapsed = False
        self.accesses: set[tuple[int | None, Type]] = set()
        self.written = False
        self.escaped = False

    def find(self) -> Node:
        node = self
        while node._parent is not None:
            if node._parent._parent is not None:
                node._parent = node._parent._parent
            node = node._parent
        return node

    @property
    def pointees(self) -> list[Node]:
        return [target.find() for target, _ in self.find().fields.values()]


class Memory:
    def __init__(self, functions: Sequence[Function], contents: Mapping[Argument, Type] | None = None,
                 headers: Mapping[Argument, Argument] | None = None):
        """What callers know: `contents`, the type of the elements behind a pointer argument; `headers`, which argument
        is the MemInfo of the data that another argument points to."""
        self.functions = {f.name: f for f in functions}
        self._cells: dict[Value, Cell] = {}
        self.kept: list[tuple[Value, Value]] = []  # (tape or record, memory that it gives)
        self._records: dict[Value, Node] = {}  # by their kind
        self._dynamic = Node("dynamic")  # all names of shared memory whose size the launch tells are one memory
        self.counted: dict[Value, list[Value]] = {}  # phis that serve reference counts only -> what they may be
        self._pending: list[tuple[Value, Value]] = []
        self._copies: list[tuple[Value, Value]] = []
        self._returned: dict[str, list[Value]] = {f.name: [] for f in functions}
        self._results: list[tuple[Call, Function]] = []
        for function in functions:
            for argument in function.arguments:
                if holds_pointer(argument.type):
                    self._cells[argument] = (Node(argument), 0)
        for argument, element in (contents or {}).items():
            self.node(argument).accesses.add((None, element))
        for header, data in (headers or {}).items():
            self.node(header).fields[effects.HEADER_DATA] = self.cell(data)
        for function in functions:
            for instruction in _in_order(function):
                self._visit(instruction)
        if not all(isinstance(kind, ConstantInt) for kind in self._records):  # LLVM merged calls: any kind may be any
            record, *others = self._records.values()
            for node in others:
                self._join((record, None), (node, None))
            self._collapse(record)
        for call, callee in self._results:
            self._pending += [(call, value) for value in self._returned[callee.name]]
        for value, other in self._pending:
            self._join(self._cell(value), self._cell(other))
        for _ in range(2):  # a copy may lead to fields that another copy has to see
            for destination, source in self._copies:
                self._join_contents(destination, source)

    # --- answers ---

    def cell(self, pointer: Value) -> Cell:
        node, offset = self._cell(pointer)
        node = node.find()
        return node, None if node.collapsed else offset

    def node(self, pointer: Value) -> Node:
        return self._cell(pointer)[0].find()

    def floats_at(self, pointer: Value, bytes: int) -> set[tuple[int | None, Type]]:
        """The accesses as floats that meet the bytes behind a pointer."""
        node, offset = self.cell(pointer)
        return {(at, type) for at, type in node.accesses if holds_float(type) and (
            offset is None or at is None or (at < offset + bytes and offset < at + size_of(type)))}

    @property
    def nodes(self) -> list[Node]:
        found: dict[Node, None] = {}
        work = [node.find() for node, _ in self._cells.values()]
        while work:
            node = work.pop()
            if node not in found:
                found[node] = None
                work.extend(node.pointees)
        return list(found)

    # --- construction ---

    def _cell(self, value: Value) -> Cell:
        known = self._cells.get(value)
        if known is not None:
            return known
        if isinstance(value, ConstantExpression) and value.opcode == "getelementptr" and value.source is not None:
            base, *indices = value.operands
            node, offset = self._cell(base)
            step = constant_offset(value.source, indices)
            cell: Cell = (node, None if offset is None or step is None else offset + step)
        elif isinstance(value, ConstantExpression) and value.opcode in ("addrspacecast", "bitcast"):
            cell = self._cell(value.operands[0])
        elif isinstance(value, Global) and value.is_dynamic:
            cell = (self._dynamic, 0)
        elif isinstance(value, (Global, Function)):
            cell = (Node(value), 0)
        elif isinstance(value, Constant):
            cell = (Node(), 0)  # null, undef, poison: no object
        else:
            cell = (Node("unknown"), 0)
        if not isinstance(value, Constant) or isinstance(value, ConstantExpression):
            self._cells[value] = cell
        return cell

    def _is_counted(self, phi: Phi) -> bool:
        """Only reference counts are reached through the phi, directly or through other such phis. The objects that it
        may be have nothing else to do with each other: LLVM merges the tails of branches that end with a release."""
        group, work, counts = {phi}, [phi], False
        while work:
            for user in work.pop().users:
                if isinstance(user, Phi):
                    if user not in group:
                        group.add(user)
                        work.append(user)
                elif not isinstance(user, Call) or not isinstance(effects.effect_of(user), effects.Count):
                    return False
                else:
                    counts = True
        if not counts:
            return False
        self.counted[phi] = [value for value, _ in phi.incoming]
        return True

    def _visit(self, i: Instruction) -> None:
        if isinstance(i, Phi):
            if holds_pointer(i.type) and self._is_counted(i):
                self._cells[i] = (Node(), 0)
            elif holds_pointer(i.type):
                known = next((v for v, _ in i.incoming if v in self._cells), None)
                self._cells[i] = self._cells[known] if known is not None else (Node(), 0)
                self._pending += [(i, v) for v, _ in i.incoming]
        elif isinstance(i, GetElementPtr):
            node, offset = self._cell(i.base)
            step = constant_offset(i.source, i.indices)
            self._cells[i] = (node, None if offset is None or step is None else offset + step)
        elif isinstance(i, Load):
            self._access(i.pointer, i.type)
            if holds_pointer(i.type):
                self._cells[i] = self._inside(i.pointer, i.type)
        elif isinstance(i, Store):
            self._access(i.pointer, i.value.type, written=True)
            if holds_pointer(i.value.type):
                self._join(self._cell(i.value), self._inside(i.pointer, i.value.type))
        elif isinstance(i, AtomicRMW):
            self._access(i.operands[0], i.type, written=True)
        elif i.opcode == "cmpxchg":
            self._access(i.operands[0], i.operands[1].type, written=True)
        elif isinstance(i, Alloca):
            self._cells[i] = (Node(i), 0)
        elif isinstance(i, Call):
            self._visit_call(i)
        elif isinstance(i, ExtractValue):
            if holds_pointer(i.type):
                node, offset = self._cell(i.operands[0])
                whole = isinstance(i.type, PointerType)
                inner: Cell = (node, path_offset(i.operands[0].type, i.indices))
                self._cells[i] = self._pointee(inner) if whole else (node, None)
                if not whole:
                    self._collapse(node)
        elif isinstance(i, InsertValue):
            if holds_pointer(i.type):
                self._cells[i] = self._cell(i.operands[0])
                if isinstance(i.operands[0], Constant):
                    self._cells[i] = (Node(), 0)
                if isinstance(i.operands[1].type, PointerType):
                    inner = (self._cells[i][0], path_offset(i.type, i.indices))
                    self._join(self._pointee(inner), self._cell(i.operands[1]))
                elif holds_pointer(i.operands[1].type):
                    self._collapse(self._cells[i][0])
                    self._join((self._cells[i][0], None), (self._cell(i.operands[1])[0], None))
        elif i.opcode == "ret":
            if i.operands and holds_pointer(i.operands[0].type):
                self._returned[i.function.name].append(i.operands[0])
        elif i.opcode == "inttoptr":
            self._cells[i] = (Node("unknown"), 0)
        elif holds_pointer(i.type):
            sources = [o for o in i.operands if holds_pointer(o.type)]
            self._cells[i] = self._cell(sources[0]) if sources else (Node("unknown"), 0)
            for other in sources[1:]:
                self._join(self._cells[i], self._cell(other))

    def _visit_call(self, i: Call) -> None:
        pointers = [a for a in i.arguments if holds_pointer(a.type)]
        effect = effects.effect_of(i)
        match effect:
            case effects.Allocate(header=header):
                block = Node(i)
                if header:
                    block.fields[effects.HEADER_DATA] = (Node(i), 0)
                self._cells[i] = (block, 0)
            case effects.Resize():
                self._cells[i] = self._pointee((self._cell(i.arguments[0])[0], effects.HEADER_DATA))
            case effects.Copy():
                self._access(i.arguments[1], None)
                self._access(i.arguments[0], None, written=True)
                self._copies.append((i.arguments[0], i.arguments[1]))
            case effects.Fill():
                self._access(i.arguments[0], None, written=True)
            case effects.Tape(fresh=True):
                self._cells[i] = (Node(i), 0)
                self.kept.append((i.arguments[0], i))
            case effects.Tape(gives=gives):
                self._cell(i.arguments[0])[0].find().written = True
                if gives:
                    self._record(i)
            case effects.Part():
                self._record(i)
            case effects.Count() | effects.Release() | effects.Drop():
                pass
            case effects.Integers():
                for pointer in pointers:
                    self._access(pointer, IntType(64), written=True)
            case None if product_of(i) is not None:
                self._visit_product(i)
            case None:
                callee = self.functions.get(i.callee_name or "")
                if callee is not None:
                    for parameter, argument in zip(callee.arguments, i.arguments, strict=False):
                        if holds_pointer(parameter.type):
                            self._pending.append((parameter, argument))
                    if holds_pointer(i.type):
                        self._cells[i] = (Node(), 0)
                        self._results.append((i, callee))
                    return
                for pointer in pointers:  # an unknown function may write there
                    node = self._cell(pointer)[0].find()
                    node.escaped = node.written = True
                if holds_pointer(i.type):
                    known = isinstance(classify(i), Inactive)
                    self._cells[i] = (Node(i) if known else Node("unknown", i), 0)

    def _record(self, i: Call) -> None:
        """Records of one kind have one layout, whichever tape they are on."""
        self._cells[i] = (self._records.setdefault(i.arguments[2], Node("tape")), 0)
        self.kept.append((i.arguments[0], i))

    def _visit_product(self, i: Call) -> None:
        product, type = product_of(i), element_type(i)
        assert product is not None
        for position in (*product.factors, product.result):
            self._access(i.arguments[position], type, written=position == product.result)

    def _access(self, pointer: Value, type: Type | None, written: bool = False) -> None:
        node, offset = self._cell(pointer)
        node = node.find()
        if type is not None:
            node.accesses.add((offset, type))
        node.written |= written

    def _inside(self, pointer: Value, type: Type) -> Cell:
        """The cell of a pointer (or of an aggregate's pointers) kept at `pointer`."""
        node, offset = self._cell(pointer)
        if isinstance(type, PointerType):
            return self._pointee((node, offset))
        self._collapse(node)
        return (node, None)

    def _pointee(self, cell: Cell) -> Cell:
        node, offset = cell[0].find(), cell[1]
        if offset is None:
            self._collapse(node)
            node = node.find()
        key = None if node.collapsed else offset
        if key not in node.fields:
            node.fields[key] = (Node(), 0)
        return node.fields[key]

    def _join_contents(self, left: Value, right: Value) -> None:
        """A copy: what pointers in both lead to becomes one, offset by offset where both are known."""
        (a, x), (b, y) = self._cell(left), self._cell(right)
        a, b = a.find(), b.find()
        if a is b:
            if x != y or x is None:
                self._collapse(a)
            return
        if x == y or None in (x, y):
            a.accesses |= {(at if x == y else None, t) for at, t in b.accesses}
            b.accesses |= {(at if x == y else None, t) for at, t in a.accesses}
        if not a.fields and not b.fields and not _may_hold_pointers(a) and not _may_hold_pointers(b):
            return
        if x == 0 and y == 0 and not a.collapsed and not b.collapsed:
            for offset in {*a.fields, *b.fields}:
                self._join(self._pointee((a, offset)), self._pointee((b, offset)))
            return
        self._join(self._pointee((a, None)), self._pointee((b, None)))

    def _collapse(self, node: Node) -> None:
        node = node.find()
        if node.collapsed:
            return
        node.collapsed = True
        targets = list(node.fields.values())
        node.fields = {None: targets[0]} if targets else {}
        for target in targets[1:]:
            self._join(targets[0], target)

    def _join(self, left: Cell, right: Cell) -> None:
        work = [(left, right)]
        while work:
            (a, x), (b, y) = work.pop()
            a, b = a.find(), b.find()
            if x != y or a.collapsed != b.collapsed:
                if a is not b or x != y:
                    self._collapse(a)
                    self._collapse(b)
                    a, b = a.find(), b.find()
            if a is b:
                continue
            b._parent = a
            a.roots.update(b.roots)
            a.accesses |= b.accesses
            a.written |= b.written
            a.escaped |= b.escaped
            for offset, target in b.fields.items():
                if offset in a.fields:
                    work.append((a.fields[offset], target))
                else:
                    a.fields[offset] = target


def _may_hold_pointers(node: Node) -> bool:
    return any(holds_pointer(t) for _, t in node.accesses)


def _in_order(function: Function) -> Iterable[Instruction]:
    from numbad.passes.analysis.dominators import reverse_postorder

    for block in reverse_postorder(function.entry):
        yield from block.instructions


def holds_pointer(type: Type) -> bool:
    """A pointer, or an aggregate or vector with one inside."""
    return _holds(type, PointerType)


def holds_float(type: Type) -> bool:
    """A float, or an aggregate or vector with one inside."""
    return _holds(type, FloatType)


def holds_integer(type: Type) -> bool:
    """An integer, or an aggregate or vector with one inside."""
    return _holds(type, IntType)


def _holds(type: Type, kind: type[Type]) -> bool:
    match type:
        case StructType(elements=elements):
            return any(_holds(element, kind) for element in elements)
        case ArrayType(element=element) | VectorType(element=element):
            return _holds(element, kind)
    return isinstance(type, kind)


def constant_offset(source: Type, indices: Sequence[Value]) -> int | None:
    """The byte offset of a getelementptr, None if it isn't constant."""
    total = 0
    type = source
    for position, index in enumerate(indices):
        if not isinstance(index, ConstantInt):
            return None
        if position == 0:
            total += index.value * size_of(source)
        elif isinstance(type, StructType):
            total += field_offset(type, index.value)
            type = type.elements[index.value]
        elif isinstance(type, (ArrayType, VectorType)):
            type = type.element
            total += index.value * size_of(type)
        else:
            return None
    return total


def path_offset(type: Type, indices: Sequence[int]) -> int:
    """The byte offset of an element of an aggregate, as it would lie in memory."""
    total = 0
    for index in indices:
        if isinstance(type, StructType):
            total += field_offset(type, index)
            type = type.elements[index]
        else:
            assert isinstance(type, (ArrayType, VectorType))
            type = type.element
            total += index * size_of(type)
    return total


