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

from derivative.statements import PLACES, Statements

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

STATEMENTS = """load load load store store store multiply multiply add subtract sine divide maximum choose copy clear
    convert count pointer pick slot slot branch branch loop loop way call recurse fail leave bits pair vector
    heap""".split()


def program(rng: random.Random) -> str:
    callees = ["g", "h"][:rng.choice([0, 1, 2])]
    writers = [_Writer(rng, name, callees[k:]) for k, name in enumerate(["f", *callees])]
    return DECLARATIONS + "".join(writer.text() for writer in writers)


class _Writer(Statements):
    """Writes one function."""

    def text(self) -> str:
        for _ in range(self.rng.randint(0, 2)):
            place = self.fresh("s")
            self.heads.append(f"  {place} = alloca [{PLACES} x double]")
            self.heads.append(f"  call void @llvm.memset.p0.i64(ptr {place}, i8 0, i64 {8 * PLACES}, i1 false)")
            self.pointers.append(place)
        if self.rng.random() < 0.4:
            self.slots.append(self.fresh("t"))
            first, second = self.slots[0], self.fresh("t")
            self.heads += [f"  {first} = alloca [2 x ptr]", f"  store ptr %a, ptr {first}",
                           f"  {second} = getelementptr ptr, ptr {first}, i64 1", f"  store ptr %b, ptr {second}"]
        self.body(self.rng.randint(5, 14), 3)
        total = self.number(f"fadd double {self.some()}, {self.some()}")
        total = self.number(f"fadd double {total}, {self.numbers[0]}")
        head = "define i32 @f" if self.name == "f" else f"define internal i32 @{self.name}"
        tail = "" if self.name == "f" else " noinline"
        self.line(f"store double {total}, ptr %result")
        self.line("ret i32 0")
        body = "\n".join([*self.heads, *self.lines])
        return f"\n{head}({PARAMETERS}){tail} {{\nentry:\n{body}\n}}\n"

    def body(self, statements: int, depth: int) -> None:
        for _ in range(statements):
            self.budget -= 1
            kind = self.rng.choice(STATEMENTS)
            if self.budget > 0 and (depth or kind not in ("branch", "loop", "way", "heap")):
                getattr(self, f"write_{kind}")(depth)

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
