"""Keep LLVM from destroying derivatives while it prepares a function.

Given   LLVM text as LLVM prints it: one instruction per line.
Gives   `protect`: the text in which no simplification can rest on the outcome of a floating-point comparison;
        `restore`: the comparisons again.
Unsure  raises: LLVM prints no comparison that cannot be read here.

LLVM knows that x is 1.0 where `x == 1.0` holds, or where `x <= 1.0 and x >= 1.0` does, and so turns

    if x == 1.0:
        return x * a        into        return a

whose derivative by x is 0. Here every comparison hides behind a pure function that LLVM knows nothing about:

    %t = fcmp nnan oeq double %x, 1.0        %t = call i1 @numbad.fcmp.nnan.oeq.f64(double %x, double 1.0)

LLVM may move, merge and negate the calls like other pure code. Work and result are linear in the text.
"""
from __future__ import annotations

from re import Match

from numbad.passes.text import (
    ATTACHED,
    COMPARISON,
    TYPE_AND_VALUE,
    VECTOR,
    calls_of,
    declarations_of,
    is_literal,
    two_operands,
)

HIDDEN = "numbad.fcmp."

PURE = "nounwind willreturn nosync nofree nocallback memory(none) speculatable"
FLOAT_CODES = {"half": "f16", "bfloat": "bf16", "float": "f32", "double": "f64", "x86_fp80": "x86f80",
                "fp128": "f128", "ppc_fp128": "ppcf128"}
_CALL = calls_of(HIDDEN)
_DECLARATION = declarations_of(HIDDEN)


def protect(text: str) -> str:
    """Every `fcmp` with an operand that is no literal becomes a call of a pure unknown function."""
    declared: dict[str, str] = {}

    def hide(match: Match) -> str:
        first, second, rest = two_operands(match["operands"])
        if is_literal(first) and is_literal(second):
            return match[0]
        kind, ty = match["type"], match["type"]
        lanes = VECTOR.fullmatch(ty)
        code = f"v{lanes[1]}{FLOAT_CODES[lanes[2]]}" if lanes else FLOAT_CODES[kind]
        result = f"<{lanes[1]} x i1>" if lanes else "i1"
        name = HIDDEN + ".".join([*match["flags"].split(), match["predicate"], code])
        declared[name] = f"declare {result} @{name}({ty}, {ty}) {PURE}\n"
        return f"{match['result']}call {result} @{name}({ty} {first}, {ty} {second}){rest}"

    hidden = COMPARISON.sub(hide, text)
    return hidden + "\n" + "".join(declared.values()) if declared else hidden


def restore(text: str) -> str:
    """The inverse of `protect`."""
    return _DECLARATION.sub("", _CALL.sub(_compare, text))


def restore_constant(text: str) -> str:
    """Bring back the comparisons of two literals: inlining has decided them, and LLVM may drop the dead branch."""
    return _CALL.sub(lambda match: _compare(match, only_literals=True), text)


def _compare(match: Match, only_literals: bool = False) -> str:
    first, second, rest = two_operands(match["arguments"])
    left, right = TYPE_AND_VALUE.fullmatch(first), TYPE_AND_VALUE.fullmatch(second)
    if left is None or right is None:
        raise ValueError(f"cannot read the comparison in: {match[0].strip()}")
    if only_literals and not (is_literal(left["value"]) and is_literal(right["value"])):
        return match[0]
    *flags, predicate, _ = match["kind"].split(".")
    metadata = ATTACHED.search(rest)
    return (f"{match['result']}fcmp {' '.join([*flags, predicate])} {left['type']} {left['value']}, {right['value']}"
            f"{metadata[0] if metadata else ''}")
