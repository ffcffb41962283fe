"""What a called symbol means for a derivative.

Given   a call, or any instruction.
Gives   a decision (see `decisions`), or a rule.
Unsure  gives None: the function is unknown, and whoever depends on its derivative has to refuse it.

The meaning of calls that touch memory is in `memory` and `blas`; it is asked for first.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Call, Instruction
from numbad.passes.ir.values import Value
from numbad.passes.rules import intrinsics, libdevice, names
from numbad.passes.rules.arithmetic import powi_rule
from numbad.passes.rules.decisions import Decision, Elementary, Inactive, Known, Reduction, Refused
from numbad.passes.rules.intervals import of_constant
from numbad.passes.rules.reductions import REDUCTIONS
from numbad.passes.rules.regular import is_regular
from numbad.passes.rules.table import RULES, Rule

__all__ = ["Decision", "Elementary", "Inactive", "Reduction", "Refused", "classify", "rule_of"]

OPCODE_RULES = frozenset("fadd fsub fmul fdiv frem fneg".split())
"""Instructions with a rule of their own name."""

_FLAT = frozenset("ceil floor ilogb logb nearbyint rint round roundeven trunc llrint llround lrint lround".split())

_POINTER = Refused("it gives a second result through a pointer")
_COMPLEX = Refused("complex ** complex is computed through pointers; write cmath.exp(b * cmath.log(a))")
_PYTHON = Refused("it runs Python code, which may depend on anything", always=True)
_FROM_PYTHON = Refused("its number comes from the Python interpreter", always=True)

_EXACT: dict[str, Decision] = {
    **dict.fromkeys("frexp frexpf modf modff remquo remquof sincos sincosf lgamma_r lgammaf_r".split(), _POINTER),
    **dict.fromkeys("numba_frexp numba_frexpf".split(), _POINTER),
    **dict.fromkeys(["numba_cpow", "numba_cpowf"], _COMPLEX),
    **dict.fromkeys("PyFloat_AsDouble PyComplex_RealAsDouble PyComplex_ImagAsDouble numba_complex_adaptor".split(),
                    _FROM_PYTHON),
    # print(x): a number is boxed, turned into a string and written.
    **dict.fromkeys("numba_gil_ensure numba_gil_release PyFloat_FromDouble PyLong_FromLongLong "
                    "PyLong_FromUnsignedLongLong PyBool_FromLong PyComplex_FromDoubles PyObject_Str PyUnicode_AsUTF8 "
                    "PyUnicode_FromString PySys_FormatStdout Py_IncRef Py_DecRef PyErr_WriteUnraisable Py_FatalError "
                    "numba_fatal_error numba_unpickle printf puts putchar".split(), Inactive(repeatable=False)),
    # What CUDA's barrier for all blocks is called with, and print in a kernel.
    "cudaCGGetIntrinsicHandle": Inactive(),
    "numbad.shared.size": Inactive(),
    "vprintf": Inactive(repeatable=False),
    # Random numbers do not depend on anything.
    **dict.fromkeys("numba_get_np_random_state numba_get_py_random_state numba_get_internal_random_state "
                    "numba_rnd_shuffle numba_rnd_init numba_poisson_ptrs".split(), Inactive(repeatable=False)),
}


def classify(call: Call) -> Decision | None:
    """What is known of the function that is called; None for indirect calls and unknown symbols."""
    name = call.callee_name
    if name is None:
        return None
    found = _meaning(name)
    own_body = isinstance(call.callee, Function) and not call.callee.is_declaration
    if found is None or (own_body and not name.startswith("numbad.")):
        return None
    if not isinstance(found, Known):
        return found
    if found.reduction:
        return Reduction(REDUCTIONS[found.rule])
    return _elementary(call, found)


def rule_of(instruction: Instruction) -> Rule | None:
    """The rule of an instruction or of a call of a known function; None for what moves values about."""
    if isinstance(instruction, Call):
        decision = classify(instruction)
        return decision.rule if isinstance(decision, Elementary) else None
    if instruction.opcode not in OPCODE_RULES:
        return None
    return _fitting(RULES[instruction.opcode], instruction.operands)


@cache
def _meaning(symbol: str) -> Decision | Known | None:
    if symbol in _EXACT:
        return _EXACT[symbol]
    if symbol.startswith("llvm."):
        base = intrinsics.base(symbol)
        return None if base is None else intrinsics.INTRINSICS[base]
    if symbol.startswith("numbad."):
        return _own(symbol)
    if symbol.startswith(("PyObject_Call", "PyEval_", "PyRun_")):
        return _PYTHON
    if symbol.startswith(libdevice.PREFIX):
        decision = libdevice.DECISIONS.get(symbol.removeprefix(libdevice.PREFIX))
        if decision is not None:
            return decision
    function = names.canonical(symbol)
    if function is None:
        return None
    name, real = function
    return Inactive() if name in _FLAT else Known(name, real)


def _own(symbol: str) -> Decision | Known | None:
    """`numbad.<function>.<types>`, from the preparation of the primal or from a derivative."""
    function, _, types = symbol.removeprefix("numbad.").partition(".")
    match function, types.partition(".")[0]:
        case "powi", "status":
            return Inactive()
        case "powi", "raise":
            return Inactive(repeatable=False)
        case "floordiv", "f32" | "f64":
            return Inactive()
        case name, "f32" | "f64" if name in RULES:
            return Known(name)
    return None


def _elementary(call: Call, known: Known) -> Decision | None:
    rule = RULES[known.rule]
    result, operands = call.type, call.arguments
    if len(operands) != rule.arity or not result.is_float:
        return None
    if any(o.type != result for o in operands if o.type.is_float) or (known.real or str(result)) != str(result):
        return None
    if str(result.scalar) not in ("float", "double"):
        return Refused(f"there are no elementary functions of {result}")
    if rule.name == "fabs" and _never_negative(operands[0]):
        return Elementary(RULES["identity"])
    if rule.name == "powi":
        assert call.callee_name is not None
        rule = _power(call.callee_name)
    return Elementary(_fitting(rule, operands))


@cache
def _power(symbol: str) -> Rule:
    return powi_rule(symbol)


def _never_negative(value: Value) -> bool:
    """LLVM writes x ** 0.5 as |sqrt(x)|, whose derivative at 0 is that of sqrt, not 0 as of |x|."""
    if not isinstance(value, Call):
        return False
    decision = classify(value)
    return isinstance(decision, Elementary) and decision.rule.name in ("sqrt", "exp", "exp2", "exp10", "cosh")


def _fitting(rule: Rule, operands: list[Value]) -> Rule:
    """The rule for these operands: constant ones may exclude the singular points, and strong zeros with them."""
    if rule.strong and is_regular(rule.name, operands[0].type, [of_constant(o) for o in operands]):
        return _without_strong_zero(rule)
    return rule


@cache
def _without_strong_zero(rule: Rule) -> Rule:
    return replace(rule, strong=False)
