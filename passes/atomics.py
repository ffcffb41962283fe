"""The atomic operations that numba-cuda calls by name, as LLVM defines them.

Given   LLVM text of a kernel, in which `___numba_atomic_<type>_<operation>` are declared.
Gives   `with_subtractions`: the text in which a subtraction is the addition of the negative, which has a derivative;
        `with_bodies`: the text in which all of them are defined, for a back end.
Unsure  leaves other names as they are.

Maxima, minima and wrapping counters stay calls until the back end sees them: the loops behind them would hide what they
are. Numba's own bodies are text with typed pointers, and can only be pasted into text that LLVM has never read.
"""

from __future__ import annotations

from numbad.passes import llvm
from numbad.passes.text import target_lines

PREFIX = "___numba_atomic_"

_FLOATS = {"float": "i32", "double": "i64"}
_RELAXED = 'syncscope("device") monotonic'


def with_subtractions(text: str) -> str:
    return _linked(text, {f"{PREFIX}{ty}_sub": _subtraction(ty) for ty in _FLOATS})


def with_bodies(text: str) -> str:
    return _linked(text, _BODIES)


def _linked(text: str, bodies: dict[str, str]) -> str:
    wanted = [body for name, body in bodies.items() if f"@{name}(" in text]
    return llvm.link(text, "\n".join([*target_lines(text), *wanted])) if wanted else text


def _defined(ty: str, operation: str, pointer_and_value: str, body: str) -> str:
    return (f"define linkonce_odr {ty} @{PREFIX}{operation}({pointer_and_value}) alwaysinline nounwind {{\n"
            f"{body.strip(chr(10))}\n}}\n")


def _subtraction(ty: str) -> str:
    return _defined(ty, f"{ty}_sub", f"ptr %place, {ty} %value", f"""
  %negative = fneg {ty} %value
  %old = atomicrmw fadd ptr %place, {ty} %negative {_RELAXED}
  ret {ty} %old""")


def _extremum(ty: str, name: str, test: str) -> str:
    """Exchange while the new value is better than the old one. A NaN is never stored."""
    bits = _FLOATS[ty]
    return _defined(ty, f"{ty}_{name}", f"ptr %place, {ty} %value", f"""
entry:
  %new = bitcast {ty} %value to {bits}
  %number = fcmp ord {ty} %value, %value
  %first = load atomic {bits}, ptr %place {_RELAXED}, align {int(bits[1:]) // 8}
  br label %attempt
attempt:
  %held = phi {bits} [ %first, %entry ], [ %seen, %exchange ]
  %old = bitcast {bits} %held to {ty}
  %beyond = fcmp {test} {ty} %old, %value
  %better = and i1 %beyond, %number
  br i1 %better, label %exchange, label %done
exchange:
  %pair = cmpxchg ptr %place, {bits} %held, {bits} %new {_RELAXED} monotonic
  %seen = extractvalue {{ {bits}, i1 }} %pair, 0
  %exchanged = extractvalue {{ {bits}, i1 }} %pair, 1
  br i1 %exchanged, label %done, label %attempt
done:
  ret {ty} %old""")


def _counter(name: str) -> str:
    return _defined("i64", f"u64_{name}", "ptr %place, i64 %limit", f"""
  %old = atomicrmw u{name}_wrap ptr %place, i64 %limit {_RELAXED}
  ret i64 %old""")


# an unordered test holds for an old NaN too, which nanmax and nanmin replace
_TESTS = {"max": "olt", "min": "ogt", "nanmax": "ult", "nanmin": "ugt"}
_BODIES = {f"{PREFIX}{ty}_{name}": _extremum(ty, name, test) for ty in _FLOATS for name, test in _TESTS.items()}
_BODIES |= {f"{PREFIX}{ty}_sub": _subtraction(ty) for ty in _FLOATS}
_BODIES |= {f"{PREFIX}u64_{name}": _counter(name) for name in ("inc", "dec")}
