"""How the operations of formulas are written as instructions (see `algebra`).

Each writer is `write(builder, real, operands)`: operands are values or plain numbers, `real` is the floating-point type
of the formula. Numbers become constants of the type they meet; a scalar beside a vector is spread over its lanes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from numbad.passes.ir.builder import Builder
from numbad.passes.ir.types import DOUBLE, FLOAT, HALF, I1, I32, I64, Type, VectorType
from numbad.passes.ir.values import Constant, ConstantFloat, ConstantInt, Value, floating, integer
from numbad.passes.rules import names
from numbad.passes.rules.machine import Number
from numbad.passes.rules.runtime import POLYGAMMA
from numbad.passes.rules.targets import target_of

Given = Sequence[Value | Number]
Writer = Callable[[Builder, Type, Given], Value]


def constant(type: Type, number: Number) -> Constant:
    """The number as a constant of an integer or floating-point type."""
    if type.is_int:
        return integer(type, int(number))
    if type == HALF:
        return ConstantFloat(type, f"0xH{int.from_bytes(struct.pack('>e', number), 'big'):04X}")
    return floating(type, float(number))


def _alike(builder: Builder, real: Type, given: Given) -> list[Value]:
    """All operands as values of one type: the widest vector's, else that of any value, else `real`."""
    types = [g.type for g in given if isinstance(g, Value)]
    type = next((t for t in types if isinstance(t, VectorType)), types[0] if types else real)
    return [constant(type, g) if not isinstance(g, Value)
            else builder.splat(g, type.count) if isinstance(type, VectorType) and g.type == type.element else g
            for g in given]


def arithmetic(on_floats: str, on_integers: str | None = None) -> Writer:
    def write(builder: Builder, real: Type, given: Given) -> Value:
        left, right = _alike(builder, real, given)
        if left.type.is_float:
            return builder.binary(on_floats, left, right)
        if on_integers is None:
            raise TypeError(f"{on_floats} of integers in a formula")
        return builder.binary(on_integers, left, right)
    return write


def comparison(predicate: str, unordered: bool = False) -> Writer:
    def write(builder: Builder, real: Type, given: Given) -> Value:
        left, right = _alike(builder, real, given)
        if left.type.is_float:
            return builder.compare("fcmp", ("u" if unordered else "o") + predicate, left, right)
        sign = "" if predicate in ("eq", "ne") else "s"
        return builder.compare("icmp", sign + predicate, left, right)
    return write


def where(builder: Builder, real: Type, given: Given) -> Value:
    condition = given[0]
    assert isinstance(condition, Value)
    yes, no = _alike(builder, real, given[1:])
    if isinstance(yes.type, VectorType) and condition.type == I1:
        condition = builder.splat(condition, yes.type.count)
    return builder.select(condition, yes, no)


_PURE = "nounwind willreturn memory(none)"
"""True of C's functions too as far as anyone looks: nobody reads errno."""


def call(name: str) -> Writer:
    def write(builder: Builder, real: Type, given: Given) -> Value:
        operands = [g if isinstance(g, Value) else constant(real, g) for g in given]
        types = (real, *(o.type for o in operands[1:]))
        symbol = names.symbol(name, types, target_of(builder.module).library)
        return builder.call_symbol(symbol, real, operands, attributes="" if symbol.startswith("llvm.") else _PURE)
    return write


def call_of_order(name: str) -> Writer:
    """A function of an integer, its order, and a number."""
    def write(builder: Builder, real: Type, given: Given) -> Value:
        order, x = given
        operands = [order if isinstance(order, Value) else integer(I32, int(order)), _value(x)]
        symbol = names.symbol(name, (real,), target_of(builder.module).library)
        return builder.call_symbol(symbol, real, operands, attributes=_PURE)
    return write


def power(builder: Builder, real: Type, given: Given) -> Value:
    """x**n by the function that the program itself uses, `symbol`; by multiplications if n is a small constant."""
    base, exponent, symbol = given
    assert isinstance(base, Value) and isinstance(exponent, Value) and isinstance(symbol, str)
    if isinstance(exponent, ConstantInt) and abs(exponent.value) <= 16:
        return _repeated_product(builder, base, exponent.value)
    return builder.call_symbol(symbol, base.type, [base, exponent])


def _repeated_product(builder: Builder, base: Value, exponent: int) -> Value:
    result: Value | None = None
    square, rest = base, abs(exponent)
    while rest:
        if rest & 1:
            result = square if result is None else builder.binary("fmul", result, square)
        rest >>= 1
        if rest:
            square = builder.binary("fmul", square, square)
    if result is None:
        return constant(base.type, 1.0)
    return result if exponent > 0 else builder.binary("fdiv", constant(base.type, 1.0), result)


def real_of(signed: bool) -> Writer:
    def write(builder: Builder, real: Type, given: Given) -> Value:
        number = given[0]
        assert isinstance(number, Value)
        opcode = "sitofp" if signed else "uitofp"
        if isinstance(real, VectorType) and not isinstance(number.type, VectorType):
            return builder.splat(builder.cast(opcode, number, real.scalar), real.count)
        return builder.cast(opcode, number, real)
    return write


def polygamma(builder: Builder, real: Type, given: Given) -> Value:
    """The run-time library has it for doubles only (see `runtime`)."""
    order, x = given[0] if isinstance(given[0], Value) else integer(I64, int(given[0])), given[1]
    assert isinstance(x, Value)
    if real not in (FLOAT, DOUBLE):
        raise ValueError(f"there is no function polygamma of {real}")
    wide = builder.cast("fpext", x, DOUBLE)
    result = builder.call_symbol(POLYGAMMA, DOUBLE, [order, wide], attributes=_PURE)
    return builder.cast("fptrunc", result, real)


def negative(builder: Builder, real: Type, given: Given) -> Value:
    (operand,) = _alike(builder, real, given)
    return builder.unary("fneg", operand)


# --- lanes of a vector ---


def _lanes(builder: Builder, vector: Value) -> list[Value]:
    if not isinstance(vector.type, VectorType) or vector.type.scalable:
        raise ValueError(f"the lanes of {vector.type} can't be told apart")
    return builder.lanes(vector)


def lanes_combined(opcode: str) -> Writer:
    """All lanes added, or multiplied."""
    def write(builder: Builder, real: Type, given: Given) -> Value:
        first, *others = _lanes(builder, _value(given[0]))
        for lane in others:
            first = builder.binary(opcode, first, lane)
        return first
    return write


def other_lanes(builder: Builder, real: Type, given: Given) -> Value:
    """In each lane the product of all other lanes, without a division: lanes may be 0."""
    vector = _value(given[0])
    lanes = _lanes(builder, vector)
    one: Value = constant(lanes[0].type, 1.0)
    before, after = [one], [one]
    for lane in lanes[:-1]:
        before.append(builder.binary("fmul", before[-1], lane))
    for lane in reversed(lanes[1:]):
        after.append(builder.binary("fmul", lane, after[-1]))
    products = [builder.binary("fmul", b, a) for b, a in zip(before, reversed(after), strict=True)]
    return builder.vector(products)


def first_lane(builder: Builder, real: Type, given: Given) -> Value:
    """1 in the first lane where the condition holds, else 0."""
    condition = _value(given[0])
    one, zero = constant(real.scalar, 1.0), constant(real.scalar, 0.0)
    chosen, taken = [], None
    for lane in _lanes(builder, condition):
        weight = builder.select(lane, one, zero)
        chosen.append(weight if taken is None else builder.select(taken, zero, weight))
        taken = lane if taken is None else builder.binary("or", taken, lane)
    return builder.vector(chosen)


def _value(given: Value | Number) -> Value:
    assert isinstance(given, Value)
    return given

