"""Straight-line statements of random programs in LLVM's text (see `programs`)."""

from __future__ import annotations

import random

PLACES = 4
"""How many doubles an array has."""


class Statements:
    """Writes lines. The lists hold what can be used at the point of writing: numbers, pointers, integers."""

    def __init__(self, rng: random.Random, name: str, callees: list[str]):
        self.rng, self.name = rng, name
        self.callees = [c for c in callees if c != name]
        self.lines: list[str] = []
        self.heads: list[str] = []
        self.numbers, self.pointers, self.integers = ["%x", "%y"], ["%a", "%b"], ["%n"]
        self.slots: list[str] = []  # arrays of two pointers
        self.label, self.names = "entry", 0
        self.budget = 40

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
