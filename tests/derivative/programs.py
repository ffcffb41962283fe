"""Random programs in LLVM's text, for comparing forward mode, reverse mode and finite differences.

Given   a random generator.
Gives   the text of `i32 @f(ptr %result, ptr %error, double %x, double %y, ptr %a, ptr %b, i64 %n)` and of functions
        that it calls. `%a` and `%b` point to four doubles each; both may be written. The status is 0, or 1 for an
        exception.

Programs are in the form in which the engine expects them: loops have a preheader, one latch, and exits of their own,
and what a loop computes is seen outside of it through phis only. All numbers stay small: products are folded by a sine.
"""

from __future__ import annotations

import random

PLACES = 4
PARAMETERS = "ptr %result, ptr %error, double %x, double %y, ptr %a, ptr %b, i64 %n"

DECLARATIONS = """
declare double @llvm.sin.f64(double)
declare double @llvm.exp.f64(double)
declare double @llvm.fabs.f64(double)
declare double @llvm.maxnum.f64(double, double)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare ptr @NRT_Allocate(i64)
declare void @NRT_Free(ptr)

define internal ptr @pick(ptr %one, ptr %other, i64 %n) noinline {
  %odd = trunc i64 %n to i1
  %chosen = select i1 %odd, ptr %one, ptr %other
  ret ptr %chosen
}
"""

STATEMENTS = ("load load load store store store multiply multiply add subtract sine divide maximum choose copy clear "
              "convert count pointer pick slot slot branch branch loop loop way call recurse fail leave bits pair vector "
              "heap").split()


def program(rng: random.Random) -> str:
    callees = ["g", "h"][:rng.choice([0, 1, 2])]
    writers = [_Writer(rng, name, callees[k:]) for k, name in enumerate(["f", *callees])]
    return DECLARATIONS + "".join(writer.text() for writer in writers)


class _Writer:
    """Writes one function. The lists hold what can be used at the point of writing: numbers, pointers, integers."""

    def __init__(self, rng: random.Random, name: str, callees: list[str]):
        self.rng, self.name = rng, name
        self.callees = [c for c in callees if c != name]
        self.lines: list[str] = []
        self.heads: list[str] = []
        self.numbers, self.pointers, self.integers = ["%x", "%y"], ["%a", "%b"], ["%n"]
        self.slots: list[str] = []  # arrays of two pointers
        self.label, self.names = "entry", 0
        self.budget = 40

    def text(self) -> str:
        for _ in range(self.rng.randint(0, 2)):
            place = self.fresh("s")
            self.heads.append(f"  {place} = alloca [{PLACES} x double]")
            self.heads.append(f"  call void @llvm.memset.p0.i64(ptr {place}, i8 0, i64 {8 * PLACES}, i1 false)")
            self.pointers.append(place)
        if self.rng.random() < 0.4:
            self.slots.append(self.fresh("t"))
            second = self.fresh("t")
            self.heads += [f"  {self.slots[0]} = alloca [2 x ptr]", f"  store ptr %a, ptr {self.slots[0]}",
                           f"  {second} = getelementptr ptr, ptr {self.slots[0]}, i64 1", f"  store ptr %b, ptr {second}"]
        self.body(self.rng.randint(5, 14), 3)
        total = self.number(f"fadd double {self.some()}, {self.some()}")
        total = self.number(f"fadd double {total}, {self.numbers[0]}")
        head = "define i32 @f" if self.name == "f" else f"define internal i32 @{self.name}"
        tail = "" if self.name == "f" else " noinline"
        self.line(f"store double {total}, ptr %result")
        self.line("ret i32 0")
        body = "\n".join([*self.heads, *self.lines])
        return f"\n{head}({PARAMETERS}){tail} {{\nentry:\n{body}\n}}\n"

    # --- lines ---

    def line(self, code: str) -> None:
        self.lines.append(f"  {code}")

    def open(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.label = label

    def fresh(self, stem: str) -> str:
        self.names += 1
        return f"%{stem}{self.names}"

    def make(self, kind: str, code: str) -> str:
        name = self.fresh(kind)
        self.line(f"{name} = {code}")
        return name

    def number(self, code: str) -> str:
        name = self.make("v", code)
        self.numbers.append(name)
        return name

    def some(self) -> str:
        return self.rng.choice(self.numbers + self.numbers[-4:])

    def integer(self) -> str:
        return self.rng.choice(self.integers + self.integers[-2:])

    def condition(self) -> str:
        if self.rng.random() < 0.5:
            return self.make("c", f"fcmp {self.rng.choice(['olt', 'ogt', 'oge'])} double {self.some()}, "
                                  f"{self.rng.choice(['0.25', '-0.1', '0.7'])}")
        odd = self.make("c", f"and i64 {self.integer()}, {self.rng.choice([1, 2, 3])}")
        return self.make("c", f"icmp eq i64 {odd}, {self.rng.choice([0, 1])}")

    def place(self) -> str:
        """The address of one of the doubles behind a pointer."""
        index = self.make("i", f"and i64 {self.integer()}, {PLACES - 1}") if self.rng.random() < 0.5 \
            else str(self.rng.randrange(PLACES))
        return self.make("p", f"getelementptr double, ptr {self.rng.choice(self.pointers)}, i64 {index}")

    def body(self, statements: int, depth: int) -> None:
        for _ in range(statements):
            self.budget -= 1
            kind = self.rng.choice(STATEMENTS)
            if self.budget > 0 and (depth or kind not in ("branch", "loop", "way", "heap")):
                getattr(self, f"write_{kind}")(depth)

    # --- statements ---

    def write_load(self, depth: int) -> None:
        self.number(f"load double, ptr {self.place()}")

    def write_store(self, depth: int) -> None:
        self.line(f"store double {self.some()}, ptr {self.place()}")

    def write_multiply(self, depth: int) -> None:
        product = self.make("v", f"fmul double {self.some()}, {self.some()}")
        self.number(f"call double @llvm.sin.f64(double {product})")

    def write_add(self, depth: int) -> None:
        total = self.make("v", f"fadd double {self.some()}, {self.some()}")
        self.number(f"fmul double {total}, {self.rng.choice(['0.5', '0.3', self.some()])}")

    def write_subtract(self, depth: int) -> None:
        self.number(f"fsub double {self.rng.choice(['0.25', self.some()])}, {self.some()}")

    def write_sine(self, depth: int) -> None:
        self.number(f"call double @llvm.sin.f64(double {self.some()})")

    def write_divide(self, depth: int) -> None:
        square = self.make("v", f"fmul double {self.numbers[0]}, {self.numbers[0]}")
        below = self.make("v", f"fadd double {square}, 1.5")
        self.number(f"fdiv double {self.some()}, {below}")

    def write_maximum(self, depth: int) -> None:
        self.number(f"call double @llvm.maxnum.f64(double {self.some()}, double {self.some()})")

    def write_choose(self, depth: int) -> None:
        self.number(f"select i1 {self.condition()}, double {self.some()}, double {self.some()}")

    def write_copy(self, depth: int) -> None:
        """Parts of an array to another, or within one."""
        count = self.rng.randint(1, PLACES)
        to, origin = (self.make("p", f"getelementptr double, ptr {self.rng.choice(self.pointers)}, "
                                     f"i64 {self.rng.randint(0, PLACES - count)}") for _ in range(2))
        bytes = str(8 * count)
        if self.rng.random() < 0.4:
            few = self.make("i", f"and i64 {self.integer()}, {1 if count > 1 else 0}")
            bytes = self.make("i", f"shl i64 {few}, 3")
        self.line(f"call void @llvm.memmove.p0.p0.i64(ptr {to}, ptr {origin}, i64 {bytes}, i1 false)")

    def write_clear(self, depth: int) -> None:
        self.line(f"call void @llvm.memset.p0.i64(ptr {self.place()}, i8 0, i64 8, i1 false)")

    def write_convert(self, depth: int) -> None:
        self.number(f"sitofp i64 {self.make('i', f'and i64 {self.integer()}, 3')} to double")

    def write_count(self, depth: int) -> None:
        opcode = self.rng.choice(["add", "sub", "xor", "mul"])
        right = self.rng.choice(["1", "3", self.integer()])
        self.integers.append(self.make("i", f"{opcode} i64 {self.integer()}, {right}"))

    def write_pointer(self, depth: int) -> None:
        one, other = self.rng.choice(self.pointers), self.rng.choice(self.pointers)
        self.pointers.append(self.make("p", f"select i1 {self.condition()}, ptr {one}, ptr {other}"))

    def write_pick(self, depth: int) -> None:
        """A pointer that a function returns."""
        one, other = self.rng.choice(self.pointers), self.rng.choice(self.pointers)
        self.pointers.append(self.make("p", f"call ptr @pick(ptr {one}, ptr {other}, i64 {self.integer()})"))

    def write_slot(self, depth: int) -> None:
        """A pointer is kept in memory, or comes back from there."""
        for slot in self.slots:
            index = self.make("i", f"and i64 {self.integer()}, 1") if self.rng.random() < 0.5 else "1"
            place = self.make("p", f"getelementptr ptr, ptr {slot}, i64 {index}")
            if self.rng.random() < 0.5:
                self.pointers.append(self.make("p", f"load ptr, ptr {place}"))
            else:
                # What is kept there must live as long as the function: not memory that is freed before.
                self.line(f"store ptr {self.rng.choice(['%a', '%b'])}, ptr {place}")

    def write_heap(self, depth: int) -> None:
        """Memory that is freed again."""
        kept = list(self.numbers), list(self.pointers), list(self.integers)
        heap = self.make("h", f"call ptr @NRT_Allocate(i64 {8 * PLACES})")
        self.line(f"call void @llvm.memset.p0.i64(ptr {heap}, i8 0, i64 {8 * PLACES}, i1 false)")
        self.pointers += [heap, heap]
        self.body(self.rng.randint(1, 4), depth - 1)
        self.numbers = kept[0] + [n for n in self.numbers if n not in kept[0]]
        _, self.pointers, _ = kept
        self.line(f"call void @NRT_Free(ptr {heap})")

    def write_vector(self, depth: int) -> None:
        """Two numbers at a time."""
        pair = "<2 x double>"
        near, far = (self.make("p", f"getelementptr double, ptr {self.rng.choice(self.pointers)}, "
                                    f"i64 {self.rng.randint(0, PLACES - 2)}") for _ in range(2))
        one, other = (self.make("u", f"load {pair}, ptr {p}, align 8") for p in (near, far))
        product = self.make("u", f"fmul {pair} {one}, {other}")
        turned = self.make("u", f"shufflevector {pair} {product}, {pair} {one}, <2 x i32> <i32 3, i32 0>")
        filled = self.make("u", f"insertelement {pair} {turned}, double {self.some()}, i64 {self.rng.choice([0, 1])}")
        self.line(f"store {pair} {filled}, ptr {self.rng.choice([near, far])}, align 8")
        index = self.make("i", f"and i64 {self.integer()}, 1")
        element = self.make("v", f"extractelement {pair} {turned}, i64 {index}")
        self.number(f"call double @llvm.sin.f64(double {element})")

    def write_bits(self, depth: int) -> None:
        """A number that is copied as an integer."""
        bits = self.make("i", f"load i64, ptr {self.place()}")
        self.line(f"store i64 {bits}, ptr {self.place()}")

    def write_pair(self, depth: int) -> None:
        pair = "{ double, double }"
        one = self.make("q", f"insertvalue {pair} undef, double {self.some()}, 0")
        both = self.make("q", f"insertvalue {pair} {one}, double {self.some()}, 1")
        if self.rng.random() < 0.5:
            other = self.make("q", f"insertvalue {pair} {both}, double {self.some()}, {self.rng.choice([0, 1])}")
            both = self.make("q", f"select i1 {self.condition()}, {pair} {both}, {pair} {other}")
        self.number(f"extractvalue {pair} {both}, {self.rng.choice([0, 1])}")

    def write_fail(self, depth: int) -> None:
        """An exception, for few arguments."""
        if self.rng.random() < 0.6:
            return
        label = self.fresh("l")[1:]
        test = self.make("c", f"fcmp ogt double {self.some()}, 4.0")
        self.line(f"br i1 {test}, label %raise{label}, label %fine{label}")
        self.open(f"raise{label}")
        self.line("store double 3.0, ptr %a")
        self.line("ret i32 1")
        self.open(f"fine{label}")

    def write_leave(self, depth: int) -> None:
        """A normal return, also out of loops."""
        if self.rng.random() < 0.6:
            return
        label = self.fresh("l")[1:]
        shown = self.some()
        self.line(f"br i1 {self.condition()}, label %leave{label}, label %stay{label}")
        source = self.label
        self.open(f"leave{label}")
        value = self.make("m", f"phi double [ {shown}, %{source} ]")
        self.line(f"store double {value}, ptr %result")
        self.line(f"ret i32 {self.rng.choice(['0', '0', '-2'])}")
        self.open(f"stay{label}")

    def write_recurse(self, depth: int) -> None:
        """A called function calls itself, three times at most."""
        if self.name == "f" or not depth:
            return
        label = self.fresh("l")[1:]
        source = self.label
        test = self.make("c", "icmp sgt i64 %n, 0")
        self.line(f"br i1 {test}, label %again{label}, label %join{label}")
        self.open(f"again{label}")
        few = self.make("i", "and i64 %n, 3")
        less = self.make("i", f"sub i64 {few}, 1")
        value = self.calling(self.name, less)
        end = self.label
        self.line(f"br label %join{label}")
        self.open(f"join{label}")
        self.numbers.append(self.make("m", f"phi double [ {value}, %{end} ], [ %x, %{source} ]"))

    def write_call(self, depth: int) -> None:
        if self.callees:
            self.numbers.append(self.calling(self.rng.choice(self.callees), self.integer()))

    def calling(self, callee: str, n: str) -> str:
        """The result of a call. An exception is handed on, or caught."""
        label, result = self.fresh("l")[1:], self.fresh("r")
        self.heads.append(f"  {result} = alloca double")
        self.line(f"store double 0.0, ptr {result}")
        one, other = self.rng.choice(self.pointers), self.rng.choice(["%a", "%b", *self.pointers])
        numbers = f"double {self.some()}, double {self.some()}"
        status = self.make("i", f"call i32 @{callee}(ptr {result}, ptr %error, {numbers}, "
                                f"ptr {one}, ptr {other}, i64 {n})")
        test = self.make("c", f"icmp eq i32 {status}, 0")
        self.line(f"br i1 {test}, label %back{label}, label %caught{label}")
        self.open(f"caught{label}")
        if self.rng.random() < 0.5:
            self.line("ret i32 1")
        else:
            self.line(f"store double {self.some()}, ptr {result}")
            self.line(f"br label %back{label}")
        self.open(f"back{label}")
        return self.make("v", f"load double, ptr {result}")

    # --- control ---

    def arm(self, label: str, depth: int) -> tuple[list[str], str]:
        """A branch of its own; what it hands to the join, and the block where it ends."""
        kept = list(self.numbers), list(self.pointers), list(self.integers)
        self.open(label)
        self.body(self.rng.randint(0, 3), depth - 1)
        given = [self.some(), self.rng.choice(self.pointers), self.integer()]
        self.numbers, self.pointers, self.integers = kept
        return given, self.label

    def join(self, label: str, arms: list[tuple[list[str], str]]) -> None:
        self.open(label)
        wanted = [self.rng.random() < p for p in (0.8, 0.3, 0.3)]
        for position, (kind, into) in enumerate((("double", self.numbers), ("ptr", self.pointers),
                                                 ("i64", self.integers))):
            if wanted[position]:
                incoming = ", ".join(f"[ {given[position]}, %{end} ]" for given, end in arms)
                into.append(self.make("m", f"phi {kind} {incoming}"))

    def write_branch(self, depth: int) -> None:
        label = self.fresh("l")[1:]
        test = self.condition()
        if self.rng.random() < 0.5:
            self.line(f"br i1 {test}, label %yes{label}, label %no{label}")
            arms = []
            for side in ("yes", "no"):
                arms.append(self.arm(f"{side}{label}", depth))
                self.line(f"br label %join{label}")
        else:
            before = ([self.some(), self.rng.choice(self.pointers), self.integer()], self.label)
            self.line(f"br i1 {test}, label %yes{label}, label %join{label}")
            arms = [self.arm(f"yes{label}", depth), before]
            self.line(f"br label %join{label}")
        self.join(f"join{label}", arms)

    def write_way(self, depth: int) -> None:
        """A switch."""
        label = self.fresh("l")[1:]
        number = self.make("i", f"and i64 {self.integer()}, 3")
        before = ([self.some(), self.rng.choice(self.pointers), self.integer()], self.label)
        self.line(f"switch i64 {number}, label %zero{label} [ i64 1, label %one{label} i64 2, label %join{label} "
                  f"i64 3, label %one{label} ]")
        arms = []
        for side in ("zero", "one"):
            arms.append(self.arm(f"{side}{label}", depth))
            self.line(f"br label %join{label}")
        self.join(f"join{label}", [*arms, before])

    def write_loop(self, depth: int) -> None:
        """Counted or not, with up to one more exit, numbers and pointers that are carried round."""
        label = self.fresh("l")[1:]
        limit = self.make("i", f"and i64 {self.integer()}, 3")
        before = list(self.numbers), list(self.pointers), list(self.integers)
        number, other = self.some(), self.some()
        near, far = self.rng.choice(self.pointers), self.rng.choice(self.pointers)
        source = self.label
        self.line(f"br label %loop{label}")
        self.open(f"loop{label}")
        place = len(self.lines)
        carried = [f"%{stem}{label}" for stem in ("j", "w", "z", "near", "far")]
        self.integers.append(carried[0])
        self.numbers += carried[1:3]
        self.pointers += carried[3:]
        self.body(self.rng.randint(1, 4), depth - 1)
        exits = []
        if self.rng.random() < 0.35:
            exits.append(self.label)
            shown = self.some()
            test = self.condition()
            self.line(f"br i1 {test}, label %out{label}, label %on{label}")
            self.open(f"on{label}")
            self.body(self.rng.randint(0, 2), depth - 1)
        after = [f"%next{label}", self.some(), self.rng.choice([carried[1], self.some()]), *carried[4:2:-1]]
        starts = ["0", number, other, near, far]
        types = ["i64", "double", "double", "ptr", "ptr"]
        self.line(f"%next{label} = add i64 {carried[0]}, 1")
        if self.rng.random() < 0.7:
            test = self.make("c", f"icmp sle i64 %next{label}, {limit}")
        else:
            small = self.make("c", f"icmp slt i64 %next{label}, 5")
            test = self.make("c", f"select i1 {self.condition()}, i1 {small}, i1 false")
        latch = self.label
        last = self.some()
        self.line(f"br i1 {test}, label %loop{label}, label %end{label}")
        self.lines[place:place] = [
            f"  {phi} = phi {type} [ {start}, %{source} ], [ {following}, %{latch} ]"
            for phi, type, start, following in zip(carried, types, starts, after, strict=True)]
        self.numbers, self.pointers, self.integers = before
        self.open(f"end{label}")
        given = self.make("m", f"phi double [ {last}, %{latch} ]")
        pointer = self.make("m", f"phi ptr [ {carried[3]}, %{latch} ]")
        if not exits:
            self.numbers.append(given)
            self.pointers.append(pointer)
        else:
            self.line(f"br label %both{label}")
            self.open(f"out{label}")
            early = self.make("m", f"phi double [ {shown}, %{exits[0]} ]")
            self.line(f"br label %both{label}")
            self.open(f"both{label}")
            self.numbers.append(self.make("m", f"phi double [ {given}, %end{label} ], [ {early}, %out{label} ]"))
