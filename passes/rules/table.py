"""The table of derivative rules, `RULES`: name of a function -> `Rule`.

A rule is one formula, written as in a textbook (see `elementary`): the partial derivative of the result for each
operand, from the operands and `y`, the result of the primal. From it come both modes, every float type and width of
vectors, and which primal values a derivative has to have at hand.

To add a rule: one line in `arithmetic`, `elementary` or `special`; its symbols in `names` (or `intrinsics`,
`libdevice`); one row in `POINTS` of tests/rules/points.py, and its conventions, if it has any, in `conventions`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from numbad.passes.rules.algebra import Operand, Plain, Term

Formula = Callable[..., "Operand | None | tuple[Operand | None, ...]"]


@dataclass(frozen=True)
class Rule:
    """The partial derivatives of a function.

    name      canonical name of the function
    arity     number of operands
    formula   (*operands, y) -> the partial, or a tuple with one for each operand; None where the function has no
              derivative by that operand (an integer exponent, the sign in copysign)
    strong    the product of a seed with a partial takes 0 from a seed that is 0, even if the partial is infinite
              or nan (`algebra.product` does it); only where a partial can be singular
    reads     for each operand, which primal values its partial reads: indices of operands, `arity` for the result
    """

    name: str
    arity: int
    formula: Formula
    strong: bool
    reads: tuple[frozenset[int], ...]

    def partials(self, operands: Sequence[Term], y: Term) -> tuple[Term | None, ...]:
        """The partial for each operand, not yet written: `.value` writes it. All at one place: they share expressions.

        Operands and result that aren't at hand are `Term.unread(builder, type)`.
        """
        if len(operands) != self.arity:
            raise ValueError(f"{self.name} has {self.arity} operands, not {len(operands)}")
        return _as_terms(self.formula(*(o.among(y.real) for o in operands), y), y)


def _as_terms(results: object, y: Term) -> tuple[Term | None, ...]:
    listed = results if isinstance(results, tuple) else (results,)
    return tuple(r if r is None or isinstance(r, Term) else Plain(y, r) for r in listed)


RULES: dict[str, Rule] = {}


def partials(name: str, formula: Formula | None = None, *, strong: bool = False) -> Callable[[Formula], Formula]:
    """Register the rule of a function: `partials("sin", lambda x, y: cos(x))`, or as a decorator."""
    def register(formula: Formula) -> Formula:
        if name in RULES:
            raise ValueError(f"{name} has a rule already")
        RULES[name] = make_rule(name, formula, strong)
        return formula
    if formula is not None:
        register(formula)
    return register


def make_rule(name: str, formula: Formula, strong: bool = False) -> Rule:
    """A rule that isn't in the table. The formula is run once, to see which values each partial reads."""
    arity = len(inspect.signature(formula).parameters) - 1
    shown = dry_run(formula, arity)
    if len(shown) != arity:
        raise ValueError(f"the formula of {name} gives {len(shown)} partials for {arity} operands")
    return Rule(name, arity, formula, strong, tuple(frozenset() if p is None else p.reads() for p in shown))


def dry_run(formula: Formula, arity: int) -> tuple[Term | None, ...]:
    """The partials as expressions over operands that are only numbered."""
    terms = [Term(None, None, None, index) for index in range(arity + 1)]
    return _as_terms(formula(*terms), terms[-1])
