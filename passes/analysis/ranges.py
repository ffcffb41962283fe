"""Ranges: between which bounds a float is, whatever the program is called with.

    %d = fmul double %x, %x             >= 0
    %b = fadd double %d, 1.0e-9         >= 1e-9
    %y = fdiv double %a, %b             regular: 1 / %b is finite for every %x

Given   the blocks of a function, each behind its dominators.
Gives   `of(value)`, the interval of each lane of a float; `is_regular(i)`: the partials of an instruction are finite as
        far as `rules.regular` says, so that its products need not be strong. One walk in program order.
Unsure  is any number: arguments, what is loaded, what comes around a loop, results of operations whose flags let LLVM
        compute something else, and all that no line below knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from numbad.passes.ir.function import Block
from numbad.passes.ir.instructions import Call, Compare, Instruction, Phi
from numbad.passes.ir.values import Constant, Value
from numbad.passes.rules.intervals import ANYTHING, Interval, of_constant, of_operation
from numbad.passes.rules.regular import is_regular
from numbad.passes.rules.symbols import rule_of

_LOOSE = frozenset("fast reassoc arcp afn".split())
_OPPOSITE = {"gt": "le", "le": "gt", "lt": "ge", "ge": "lt"}
_MIRRORED = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}


class Ranges:
    def __init__(self, blocks: Iterable[Block]):
        self._known: dict[Value, Interval] = {}
        for block in blocks:
            for i in block.instructions:
                if i.type.is_float:
                    found = self._result(i)
                    if found != ANYTHING:
                        self._known[i] = found

    def of(self, value: Value) -> Interval:
        return of_constant(value) if isinstance(value, Constant) else self._known.get(value, ANYTHING)

    def is_regular(self, i: Instruction) -> bool:
        rule, operands = rule_of(i), _operands(i)
        return rule is not None and is_regular(rule.name, i.type, [self.of(o) for o in operands])

    def _result(self, i: Instruction) -> Interval:
        if _LOOSE & set(i.flags):
            return ANYTHING
        match i.opcode:
            case "phi":
                assert isinstance(i, Phi)
                return reduce(Interval.union, [self.of(value) for value, _ in i.incoming])
            case "select":
                return self._select(*i.operands)
            case "fpext" | "fptrunc":
                return self.of(i.operands[0]).rounded(i.type)
            case "uitofp":
                return Interval(0.0)
        rule, operands = rule_of(i), _operands(i)
        if rule is None:
            return ANYTHING
        intervals = [self.of(o) for o in operands]
        if rule.name in ("min", "max"):
            return _picked(rule.name == "max", operands, intervals)
        squared = len(operands) > 1 and operands[0] is operands[1]
        return of_operation(rule.name, intervals, squared).rounded(i.type)

    def _select(self, condition: Value, yes: Value, no: Value) -> Interval:
        return self._where(yes, condition, True).union(self._where(no, condition, False))

    def _where(self, value: Value, condition: Value, holds: bool) -> Interval:
        """The interval of a value where a comparison of it holds, or does not."""
        known = self.of(value)
        if not isinstance(condition, Compare) or condition.opcode != "fcmp":
            return known
        left, right = condition.operands
        order, relation = condition.predicate[:1], condition.predicate[1:]
        if relation not in _OPPOSITE or (value is not left and value is not right):
            return known
        other = right if value is left else left
        # `o` says that none of both is nan where it holds, `u` where it doesn't; else only a constant is a number
        if order != ("o" if holds else "u") and of_constant(other) == ANYTHING:
            return known
        relation = relation if holds else _OPPOSITE[relation]
        relation = relation if value is left else _MIRRORED[relation]
        bounds = self.of(other)
        return known.intersection(Interval(low=bounds.low) if relation[0] == "g" else Interval(high=bounds.high))


def _operands(i: Instruction) -> list[Value]:
    return i.arguments if isinstance(i, Call) else i.operands


def _picked(larger: bool, operands: list[Value], intervals: list[Interval]) -> Interval:
    """One of both. Beside a nan the other may be taken, whatever it is: only a constant is a bound."""
    found = reduce(Interval.union, intervals)
    for operand in operands:
        bound = of_constant(operand)
        if bound != ANYTHING:
            found = found.intersection(Interval(low=bound.low) if larger else Interval(high=bound.high))
    return found
