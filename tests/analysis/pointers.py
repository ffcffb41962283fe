"""Random programs that move pointers about, and an interpreter that watches where pointers really point.

Given   a random generator.
Gives   `program`: the text of `@main` and some functions that it calls; `Run`: one execution, in which every condition
        and every index is chosen at random.
Unsure  about an access (null, or outside of its object) an execution ends there: nothing is claimed of what follows.

Objects have four places for pointers, 32 bytes. A pointer is an object (a number) and an offset, or None for null.
"""

from __future__ import annotations

import random

from numbad.passes.ir.function import Block, Function, Module
from numbad.passes.ir.instructions import Branch, Call, GetElementPtr, Instruction, Phi, Store
from numbad.passes.ir.values import Argument, ConstantInt, Value

SIZE = 32
KINDS = ["load"] * 4 + ["store"] * 5 + ["gep"] * 3 + "walk select copy copy call allocate pair if if loop loop".split()
Pointer = tuple[int, int] | None

DECLARATIONS = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare ptr @NRT_Allocate(i64)
"""


def program(rng: random.Random) -> str:
    names = ["main", "g", "h"]
    return DECLARATIONS + "".join(_Writer(rng, name, names[1:]).text() for name in names)


class _Writer:
    """Writes one function. `pointers` are the names that can be used at the point of writing."""

    def __init__(self, rng: random.Random, name: str, callees: list[str]):
        self.rng, self.name, self.callees = rng, name, callees
        self.lines: list[str] = []
        self.pointers: list[str] = ["%a", "%b"] if name != "main" else []
        self.label, self.count = "entry", 0

    def text(self) -> str:
        parameters = "i1 %c, i64 %n" + (", ptr %a, ptr %b" if self.pointers else "")
        for _ in range(3 if not self.pointers else 1):
            self.pointer("alloca [4 x ptr]")
        self.body(self.rng.randint(4, 9), depth=2)
        self.lines.append(f"  ret ptr {self.some()}")
        return f"\ndefine ptr @{self.name}({parameters}) {{\nentry:\n" + "\n".join(self.lines) + "\n}\n"

    def some(self) -> str:
        """Recent values more often, so that chains get long."""
        return self.rng.choice(self.pointers + self.pointers[-4:])

    def fresh(self) -> str:
        self.count += 1
        return str(self.count)

    def pointer(self, code: str) -> str:
        name = f"%p{self.fresh()}"
        self.lines.append(f"  {name} = {code}")
        self.pointers.append(name)
        return name

    def open(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.label = label

    def body(self, statements: int, depth: int) -> None:
        for _ in range(statements):
            kind = self.rng.choice(KINDS)
            if kind not in ("if", "loop") or depth:
                getattr(self, f"write_{kind}")(depth)

    def write_load(self, depth: int) -> None:
        self.pointer(f"load ptr, ptr {self.some()}")

    def write_store(self, depth: int) -> None:
        self.lines.append(f"  store ptr {self.some()}, ptr {self.some()}")

    def write_gep(self, depth: int) -> None:
        self.pointer(f"getelementptr i8, ptr {self.some()}, i64 {self.rng.choice([8, 8, 16, 24, -8])}")

    def write_walk(self, depth: int) -> None:
        self.pointer(f"getelementptr ptr, ptr {self.some()}, i64 %n")

    def write_select(self, depth: int) -> None:
        self.pointer(f"select i1 %c, ptr {self.some()}, ptr {self.some()}")

    def write_copy(self, depth: int) -> None:
        self.lines.append(f"  call void @llvm.memcpy.p0.p0.i64(ptr {self.some()}, ptr {self.some()}, "
                          f"i64 {self.rng.choice([8, 16, 24, 32, 32])}, i1 false)")

    def write_call(self, depth: int) -> None:
        self.pointer(f"call ptr @{self.rng.choice(self.callees)}(i1 %c, i64 %n, ptr {self.some()}, ptr {self.some()})")

    def write_allocate(self, depth: int) -> None:
        self.pointer(f"call ptr @NRT_Allocate(i64 {SIZE})")

    def write_pair(self, depth: int) -> None:
        first, second, name = self.some(), self.some(), f"%q{self.fresh()}"
        self.lines += [f"  {name}a = insertvalue {{ ptr, ptr }} undef, ptr {first}, 0",
                       f"  {name}b = insertvalue {{ ptr, ptr }} {name}a, ptr {second}, 1"]
        self.pointer(f"extractvalue {{ ptr, ptr }} {name}b, {self.rng.choice([0, 1])}")

    def write_if(self, depth: int) -> None:
        """Both arms, and phis of what they made."""
        number, before = self.fresh(), list(self.pointers)
        self.lines.append(f"  br i1 %c, label %yes{number}, label %no{number}")
        ends = []
        for arm in ("yes", "no"):
            self.pointers = list(before)
            self.open(f"{arm}{number}")
            self.body(self.rng.randint(1, 3), depth - 1)
            ends.append((self.some(), self.label))
            self.lines.append(f"  br label %join{number}")
        self.pointers = before
        self.open(f"join{number}")
        self.pointer("phi ptr " + ", ".join(f"[ {value}, %{label} ]" for value, label in ends))

    def write_loop(self, depth: int) -> None:
        """Two phis, whose next values may be each other (swapped buffers) or a step on (walking pointers)."""
        number, before, source = self.fresh(), list(self.pointers), self.label
        starts = [self.some(), self.some()]
        self.lines.append(f"  br label %loop{number}")
        self.open(f"loop{number}")
        place = len(self.lines)
        phis = [f"%x{number}", f"%y{number}"]
        self.pointers += phis
        self.body(self.rng.randint(1, 4), depth - 1)
        following = [self.some(), self.some()] if self.rng.random() < 0.6 else phis[::-1]
        self.lines[place:place] = [
            f"  {phi} = phi ptr [ {start}, %{source} ], [ {after}, %{self.label} ]"
            for phi, start, after in zip(phis, starts, following, strict=True)]
        self.lines.append(f"  br i1 %c, label %loop{number}, label %after{number}")
        self.pointers = before + phis
        self.open(f"after{number}")


class Stop(Exception):
    """The execution cannot go on, or was long enough."""


class Run:
    """One execution. `seen`: value -> where it pointed; `written`: pointers that something was stored through."""

    def __init__(self, module: Module, rng: random.Random, steps: int = 300):
        self.module, self.rng, self.steps = module, rng, steps
        self.objects, self.depth = 0, 0
        self.memory: dict[tuple[int, int], Pointer] = {}
        self.seen: dict[Value, set[tuple[int, int]]] = {}
        self.written: list[Value] = []
        try:
            self.call(module.functions["main"], [])
        except Stop:
            pass

    def call(self, function: Function, pointers: list[Pointer]) -> Pointer:
        self.depth += 1
        if self.depth > 5:
            raise Stop
        values: dict[Value, object] = {}
        for argument, pointer in zip(function.arguments[2:], pointers, strict=True):
            self.see(argument, pointer)
            values[argument] = pointer
        block, previous = function.entry, None
        while True:
            phis = {phi: values.get(phi.incoming_from(previous)) for phi in block.phis}  # type: ignore[arg-type]
            for i in block.instructions:
                self.steps -= 1
                if self.steps < 0:
                    raise Stop
                if i.opcode == "ret":
                    self.depth -= 1
                    return values.get(i.operands[0])  # type: ignore[return-value]
                if isinstance(i, Branch):
                    targets = [o for o in i.operands if isinstance(o, Block)]
                    block, previous = self.rng.choice(targets), block
                    break
                values[i] = phis[i] if isinstance(i, Phi) else self.step(i, values)
                if i.type.is_pointer:
                    self.see(i, values[i])  # type: ignore[arg-type]

    def see(self, value: Argument | Instruction, pointer: Pointer) -> None:
        if pointer is not None:
            self.seen.setdefault(value, set()).add(pointer)

    def step(self, i: Instruction, values: dict[Value, object]) -> object:
        operands = [values.get(o) for o in i.operands]
        match i.opcode:
            case "alloca":
                return self.new()
            case "getelementptr":
                assert isinstance(i, GetElementPtr)
                (index,) = i.indices
                step = index.value if isinstance(index, ConstantInt) else 8 * self.rng.choice([0, 1, 2, 3, -1])
                return None if operands[0] is None else (operands[0][0], operands[0][1] + step)  # type: ignore[index]
            case "load":
                return self.memory.get(self.place(operands[0]))
            case "store":
                assert isinstance(i, Store)
                self.written.append(i.pointer)
                self.memory[self.place(operands[1])] = operands[0]  # type: ignore[assignment]
                return None
            case "select":
                return self.rng.choice(operands[1:])
            case "insertvalue":
                pair = list(operands[0] or (None, None))  # type: ignore[call-overload]
                pair[i.indices[0]] = operands[1]  # type: ignore[attr-defined]
                return tuple(pair)
            case "extractvalue":
                return operands[0][i.indices[0]]  # type: ignore[attr-defined,index]
        assert isinstance(i, Call), i
        if i.callee_name == "NRT_Allocate":
            return self.new()
        if i.callee_name == "llvm.memcpy.p0.p0.i64":
            return self.copy(i, operands[0], operands[1])
        assert isinstance(i.callee, Function)
        return self.call(i.callee, operands[2:4])  # type: ignore[arg-type]

    def copy(self, i: Call, target: object, source: object) -> None:
        assert isinstance(i.arguments[2], ConstantInt)
        self.written.append(i.arguments[0])
        places = [(self.place(target, at), self.place(source, at)) for at in range(0, i.arguments[2].value, 8)]
        for place, pointer in [(to, self.memory.get(origin)) for to, origin in places]:
            self.memory[place] = pointer

    def new(self) -> Pointer:
        self.objects += 1
        return self.objects, 0

    @staticmethod
    def place(pointer: object, further: int = 0) -> tuple[int, int]:
        if pointer is None:
            raise Stop
        where, offset = pointer  # type: ignore[misc]
        if not 0 <= offset + further < SIZE:
            raise Stop
        return where, offset + further
