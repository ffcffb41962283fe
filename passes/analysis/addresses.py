"""Addresses as linear forms, to tell that two accesses of one object never meet (a test of Banerjee's kind).

    for j = k + 1, ...:             store a[i, j]    a + 8 i s + 8 k + 8 + 8 [j]
        a[i, j] -= a[i, k] * ...    load  a[i, k]    a + 8 i s + 8 k                8 apart, and farther with each j

A form is a constant plus multiples of products of symbols: values, and the numbers of iterations (from 0) of loops, by
which induction variables are replaced.

Given   one function's loops.
Gives   `never_meet`: in no two iterations of a loop do a load and a store touch the same byte. That the outer loops are
        in the same iteration is given.
Unsure  False. Wrapping around the address space is left aside: no object is that large.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from numbad.passes.analysis.induction import affine
from numbad.passes.analysis.loops import Loop, Loops
from numbad.passes.ir.instructions import GetElementPtr, Instruction, Phi
from numbad.passes.ir.types import I64, PTR, Type, size_of
from numbad.passes.ir.values import ConstantInt, Value

Product = tuple[Hashable, ...]
_DEEP, _LONG = 40, 16
"""Longer chains and longer sums are symbols as they stand."""


@dataclass
class Form:
    constant: int = 0
    terms: dict[Product, int] = field(default_factory=dict)

    def plus(self, other: Form, factor: int = 1) -> Form:
        terms = dict(self.terms)
        for product, coefficient in other.terms.items():
            total = terms.pop(product, 0) + factor * coefficient
            if total:
                terms[product] = total
        return Form(self.constant + factor * other.constant, terms)

    def times(self, other: Form) -> Form:
        found = Form(self.constant * other.constant)
        for left, a in [*self.terms.items(), ((), self.constant)]:
            for right, b in [*other.terms.items(), ((), other.constant)]:
                if (left or right) and a * b:
                    found = found.plus(Form(0, {tuple(sorted((*left, *right), key=id)): a * b}))
        return found


class Addresses:
    def __init__(self, loops: Loops):
        self.loops = loops
        self._known: dict[Value, Form] = {}

    def never_meet(self, load: tuple[Value, Type], store: tuple[Value, Type], loop: Loop) -> bool:
        read, written = self.form(load[0]), self.form(store[0])
        if not (self._is_known_in(read, loop) and self._is_known_in(written, loop)):
            return False
        apart = written.constant - read.constant
        ahead: list[int] = []  # what the distance grows by with the iterations, which are independent of each other
        rest = Form()
        for form, sign in ((written, 1), (read, -1)):
            for product, coefficient in form.terms.items():
                if len(product) == 1 and isinstance(product[0], Loop) and loop.contains(product[0]):
                    ahead.append(sign * coefficient)
                else:
                    rest = rest.plus(Form(0, {product: coefficient}), sign)
        if rest.terms:
            return False
        return (apart >= size_of(load[1]) and all(step >= 0 for step in ahead)) or \
            (apart <= -size_of(store[1]) and all(step <= 0 for step in ahead))

    def _is_known_in(self, form: Form, loop: Loop) -> bool:
        """It has no symbol that changes within the loop, but for iterations."""
        return all(isinstance(s, Loop) or not isinstance(s, Instruction) or s.block not in loop.blocks
                   for product in form.terms for s in product) and all(
            len(product) == 1 for product in form.terms
            if any(isinstance(s, Loop) and loop.contains(s) for s in product))

    def form(self, value: Value, depth: int = 0) -> Form:
        if value not in self._known:
            self._known[value] = self._form(value, depth) if depth < _DEEP else Form(0, {(value,): 1})
        return self._known[value]

    def _form(self, value: Value, depth: int) -> Form:
        if isinstance(value, ConstantInt):
            return Form(value.value)
        found = self._expanded(value, depth) if isinstance(value, Instruction) and value.type in (I64, PTR) else None
        return found if found is not None and len(found.terms) <= _LONG else Form(0, {(value,): 1})

    def _expanded(self, value: Instruction, depth: int) -> Form | None:
        if isinstance(value, GetElementPtr) and len(value.indices) == 1 and value.indices[0].type == I64:
            index = self.form(value.indices[0], depth + 1)
            return self.form(value.base, depth + 1).plus(index, size_of(value.source))
        if isinstance(value, Phi):
            loop = self.loops.innermost.get(value.block)  # type: ignore[arg-type]
            law = affine(value, loop) if loop is not None else None
            if law is not None:
                step = self.form(law.step, depth + 1).times(Form(0, {(loop,): 1}))
                factor = (size_of(law.source) if law.source is not None else 1) * (-1 if law.negated else 1)
                return self.form(law.start, depth + 1).plus(step, factor)
        elif value.opcode in ("add", "sub", "mul", "shl") or (value.opcode == "or" and "disjoint" in value.flags):
            left, right = (self.form(o, depth + 1) for o in value.operands)
            if value.opcode == "mul":
                return left.times(right)
            if value.opcode != "shl":
                return left.plus(right, -1 if value.opcode == "sub" else 1)
            if not right.terms and 0 <= right.constant < 64:
                return left.times(Form(1 << right.constant))
        return None
