"""The algebra that formulas are written in: `1 - y * y`, `where(x == 0, 0.0, n * pow(x, n - 1))`.

A `Term` stands for a value of the program that is being written, or for an expression over such values. An expression
writes its instructions when its `.value` is asked for, at the builder's point and once; what nobody asks for is never
written and reads nothing. The same expression tells which values it reads (`reads`), and what it gives for numbers
(`at`), as the machine would compute it. On plain numbers alone the functions give numbers.

A plain number takes its type from what it is combined with: the formula doesn't know float, double or <4 x double>.
A scalar beside a vector is spread over its lanes.

To add a function: one line at the end of this file, its symbol in `names`, and a rule for it if it has a derivative.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from numbad.passes.ir.builder import Builder
from numbad.passes.ir.types import Type
from numbad.passes.ir.values import Value
from numbad.passes.rules import emission, machine, runtime
from numbad.passes.rules.machine import Number


class Term:
    """A value in a formula; expressions are its subclass.

    real    the floating-point type around: numbers that stand alone (the branches of a `where`) are of it
    index   position among the rule's operands, in a formula that is only looked at (see `table`)
    """

    def __init__(self, builder: Builder | None, value: Value | None, real: Type | None = None,
                 index: int | None = None):
        self.builder, self._value, self.index = builder, value, index
        self.real = real if real is not None or value is None else value.type

    @classmethod
    def unread(cls, builder: Builder, type: Type) -> Term:
        """A value of this type that isn't at hand: no expression that reads it may be asked for its value."""
        return cls(builder, None, type)

    @property
    def value(self) -> Value:
        """The IR value; an expression is written now if it wasn't before."""
        if self._value is None:
            raise LookupError("a formula reads a value that isn't at hand: its rule's `reads` doesn't name it")
        return self._value

    def among(self, real: Type | None) -> Term:
        """The value, for a formula of numbers of this type: that of an integer operand isn't its own."""
        return self if real == self.real else Term(self.builder, self._value, real, self.index)

    @property
    def number(self) -> Number | None:
        """The number that the term is whatever the operands are, or None."""
        return None

    def reads(self) -> frozenset[int]:
        """The indices of the operands in the expression."""
        return frozenset() if self.index is None else frozenset([self.index])

    def at(self, numbers: Sequence[Number]) -> Number:
        """The expression's value for these operands, computed on Python floats."""
        assert self.index is not None
        return numbers[self.index]

    def __bool__(self) -> bool:
        raise TypeError("a formula can't branch on the values of its operands: use where(condition, yes, no)")

    __hash__ = object.__hash__

    def __add__(self, other: Operand) -> Term: return _node("add", self, other)
    def __radd__(self, other: Operand) -> Term: return _node("add", other, self)
    def __sub__(self, other: Operand) -> Term: return _node("sub", self, other)
    def __rsub__(self, other: Operand) -> Term: return _node("sub", other, self)
    def __mul__(self, other: Operand) -> Term: return self if _is_one(other) else _node("mul", self, other)
    def __rmul__(self, other: Operand) -> Term: return self if _is_one(other) else _node("mul", other, self)
    def __truediv__(self, other: Operand) -> Term: return _node("div", self, other)
    def __rtruediv__(self, other: Operand) -> Term: return _node("div", other, self)
    def __neg__(self) -> Term: return _node("neg", self)
    def __eq__(self, other: Operand) -> Term: return _node("eq", self, other)  # type: ignore[override]
    def __ne__(self, other: Operand) -> Term: return _node("ne", self, other)  # type: ignore[override]
    def __lt__(self, other: Operand) -> Term: return _node("lt", self, other)
    def __le__(self, other: Operand) -> Term: return _node("le", self, other)
    def __gt__(self, other: Operand) -> Term: return _node("gt", self, other)
    def __ge__(self, other: Operand) -> Term: return _node("ge", self, other)


Operand = Term | float | int


class Plain(Term):
    """A number as a term: the partial of x + y."""

    def __init__(self, like: Term, number: Number):
        super().__init__(like.builder, None, like.real)
        self._number = number

    @property
    def value(self) -> Value:
        if self._value is None:
            assert self.real is not None
            self._value = emission.constant(self.real, self._number)
        return self._value

    @property
    def number(self) -> Number:
        return self._number

    def at(self, numbers: Sequence[Number]) -> Number:
        return self._number


class Expression(Term):
    """An operation on terms and numbers."""

    def __init__(self, operation: str, operands: Sequence[Operand]):
        like = next(o for o in operands if isinstance(o, Term))
        super().__init__(like.builder, None, like.real)
        self.operation, self.operands = operation, operands

    @property
    def value(self) -> Value:
        if self._value is None:
            given = [o.value if isinstance(o, Term) else o for o in self.operands]
            assert self.builder is not None and self.real is not None
            self._value = OPERATIONS[self.operation].write(self.builder, self.real, given)
        return self._value

    def reads(self) -> frozenset[int]:
        return frozenset().union(*(o.reads() for o in self.operands if isinstance(o, Term)))

    def at(self, numbers: Sequence[Number]) -> Number:
        given = [o.at(numbers) if isinstance(o, Term) else o for o in self.operands]
        return OPERATIONS[self.operation].on_numbers(*given)


def _is_one(operand: Operand) -> bool:
    return not isinstance(operand, Expression) and (operand.number if isinstance(operand, Term) else operand) == 1


def _node(operation: str, *operands: Operand) -> Term:
    if any(isinstance(o, Term) for o in operands):
        return Expression(operation, operands)
    return OPERATIONS[operation].on_numbers(*operands)  # type: ignore[return-value]


@dataclass(frozen=True)
class Operation:
    """How one operation is computed on numbers, and how it is written."""

    on_numbers: Callable[..., Number]
    write: emission.Writer


OPERATIONS: dict[str, Operation] = {}


# --- the operations --------------------------------------------------------------------------------------------------


def _operation(name: str, on_numbers: Callable[..., Number], write: emission.Writer) -> Callable[..., Term]:
    OPERATIONS[name] = Operation(on_numbers, write)
    return lambda *operands: _node(name, *operands)


def _function(name: str, on_numbers: Callable[..., float]) -> Callable[..., Term]:
    return _operation(name, on_numbers, emission.call(name))


_operation("add", operator.add, emission.arithmetic("fadd", "add"))
_operation("sub", operator.sub, emission.arithmetic("fsub", "sub"))
_operation("mul", operator.mul, emission.arithmetic("fmul", "mul"))
_operation("div", machine.divide, emission.arithmetic("fdiv"))
_operation("neg", operator.neg, emission.negative)
_operation("eq", operator.eq, emission.comparison("eq"))
_operation("ne", operator.ne, emission.comparison("ne", unordered=True))
_operation("lt", operator.lt, emission.comparison("lt"))
_operation("le", operator.le, emission.comparison("le"))
_operation("gt", operator.gt, emission.comparison("gt"))
_operation("ge", operator.ge, emission.comparison("ge"))


def where(condition: Term | bool, yes: Operand, no: Operand) -> Operand:
    """`yes` where the condition holds, else `no`; both are computed."""
    if isinstance(condition, Term):
        return _node("where", condition, yes, no)
    return yes if condition else no


_operation("where", lambda condition, yes, no: yes if condition else no, emission.where)

cos = _function("cos", machine.total(math.cos))
sin = _function("sin", machine.total(math.sin))
sinpi = _function("sinpi", machine.sinpi)
cospi = _function("cospi", machine.cospi)
cosh = _function("cosh", machine.total(math.cosh))
sinh = _function("sinh", machine.total(math.sinh, overflow=lambda x: math.copysign(math.inf, x)))
exp = _function("exp", machine.total(math.exp))
exp2 = _function("exp2", machine.total(lambda x: 2.0 ** x))
log = _function("log", machine.log)
sqrt = _function("sqrt", machine.total(math.sqrt))
pow = _function("pow", machine.power)
fabs = _function("fabs", abs)
copysign = _function("copysign", math.copysign)
rint = _function("rint", machine.rint)
ldexp = _function("ldexp", machine.total(math.ldexp, overflow=lambda x, n: math.copysign(math.inf, x)))
signed_to_real = _operation("signed_to_real", float, emission.real_of(signed=True))
unsigned_to_real = _operation("unsigned_to_real", float, emission.real_of(signed=False))
polygamma = _operation("polygamma", runtime.polygamma, emission.polygamma)
j0 = _function("j0", machine.of_c("j0"))
j1 = _function("j1", machine.of_c("j1"))
y0 = _function("y0", machine.of_c("y0"))
y1 = _function("y1", machine.of_c("y1"))
jn = _operation("jn", machine.of_c("jn"), emission.call_of_order("jn"))
yn = _operation("yn", machine.of_c("yn"), emission.call_of_order("yn"))
bessel_i0 = _function("cyl_bessel_i0", lambda x: machine.bessel_i(0, x))
bessel_i1 = _function("cyl_bessel_i1", lambda x: machine.bessel_i(1, x))
_power_of_integer = _operation("powi", lambda x, n, symbol: machine.power(x, n), emission.power)


def powi(x: Operand, n: Operand, symbol: str) -> Term:
    """x to the power of an integer; `symbol` is the function that computes it at run time."""
    return _power_of_integer(x, n, symbol)


# --- lanes of a vector ---


def _on_vectors_only(*operands: object) -> Number:
    raise TypeError("this operation is not defined on numbers")


sum_of_lanes = _operation("sum_of_lanes", _on_vectors_only, emission.lanes_combined("fadd"))
product_of_lanes = _operation("product_of_lanes", _on_vectors_only, emission.lanes_combined("fmul"))
other_lanes = _operation("other_lanes", _on_vectors_only, emission.other_lanes)
first_lane = _operation("first_lane", _on_vectors_only, emission.first_lane)
